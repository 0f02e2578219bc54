"""Our scorers beside recorded verdicts and beside other harnesses, on a few made-up rows."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from twt_core.errors import InputError

FOLDER = Path(__file__).parents[2] / "benchmarks"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


agreement = load("agreement")
harness = load("agreement_harness")


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def output(text: str, final: str, correct: bool, model: str = "ann") -> dict[str, object]:
    return {"model": model, "text": text, "final": final, "correct": correct}


@pytest.fixture
def recorded(tmp_path):
    math = [output("It is 7.", "7", True), output("3 + 4.", "8", True, "ben"), output("3 + 4.", "7", True)]
    choice = [output("The answer is (b).", "B", True), output("It is a bank or a river.", "A", False)]
    files = {
        "sums": write(tmp_path / "sums", [{"id": "s/1", "query": "3 + 4?", "answer": "7", "outputs": math}]),
        "boats": write(tmp_path / "boats", [{"id": "b/1", "query": "Where?", "answer": "B", "outputs": choice}]),
        "options": write(tmp_path / "options", [{"id": "b/1", "meta": {"choices": ["bank", "river"]}}]),
    }
    return tmp_path, files


def run(monkeypatch, folder, *arguments):
    monkeypatch.setattr(sys, "argv", ["agreement.py", *map(str, arguments), "--out", str(folder / "out")])
    agreement.main()
    return json.loads((folder / "out.json").read_text()), (folder / "out.md").read_text()


def test_figures_and_each_disagreement_with_its_cause(recorded, monkeypatch):
    folder, files = recorded
    noted = {"set": "sums", "id": "s/1", "model": "ben", "right": "ours", "cause": "8 is not 7"}
    write(folder / "out-causes.jsonl", [noted])
    found, page = run(
        monkeypatch, folder, "--set", f"sums:math={files['sums']}", "--answered-in-a-field", "sums",
        "--set", f"boats:multiple_choice={files['boats']}", "--join", f"boats={files['options']}",
    )  # fmt: skip
    sums, boats = found["sets"]["sums"], found["sets"]["boats"]
    assert (sums["outputs"], sums["agreement"], sums["apart"]) == (3, pytest.approx(2 / 3), 1.0)
    assert sums["lowest"] == [0.0, "ben"]
    assert (boats["agreement"], boats["disagreements"]) == (1.0, 0)
    [row] = found["disagreements"]
    assert (row["id"], row["model"], row["recorded"], row["ours"], row["cause"]) == (
        "s/1", "ben", True, False, "8 is not 7",
    )  # fmt: skip
    assert "| s/1 | ben | right | wrong | 8 is not 7 |" in page
    assert "3 + 4" not in json.dumps(found) + page


def test_what_nobody_read_is_said_and_counts_for_nobody(recorded, monkeypatch):
    folder, files = recorded
    found, page = run(monkeypatch, folder, "--set", f"sums:math={files['sums']}")
    assert found["sets"]["sums"]["who_is_right"] == {"not read yet": 2}
    assert found["sets"]["sums"]["apart"] == found["sets"]["sums"]["agreement"] == pytest.approx(1 / 3)
    assert [(row["model"], row["number"]) for row in found["disagreements"]] == [("ben", 0), ("ann", 1)]
    assert "not read yet" in page


def test_a_set_can_be_left_out_of_the_list(recorded, monkeypatch):
    folder, files = recorded
    found, page = run(monkeypatch, folder, "--set", f"sums:math={files['sums']}", "--unlisted", "sums")
    assert found["disagreements"] == []
    assert found["sets"]["sums"]["disagreements"] == 2
    assert "s/1" not in page


def test_options_can_be_the_same_for_all(recorded, monkeypatch):
    folder, files = recorded
    found, _ = run(monkeypatch, folder, "--set", f"b:multiple_choice={files['boats']}", "--options", "b=bank,river")
    assert found["sets"]["b"]["agreement"] == 1.0


def test_a_set_that_is_not_written_right_is_named(recorded, monkeypatch):
    folder, files = recorded
    with pytest.raises(InputError, match="write NAME:TASK=FILE"):
        run(monkeypatch, folder, "--set", str(files["sums"]))


ROWS = [
    {"set": "gsm8k", "id": "1", "prompt": "p", "query": "3 + 4?", "answer": "7", "text": "It is 7.\n#### 7"},
    {"set": "gsm8k", "id": "2", "prompt": "p", "query": "3 + 5?", "answer": "8", "text": "The answer is: 8"},
    {"set": "mbpp", "id": "3", "prompt": "p", "query": "Add.", "answer": "", "tests": ["assert add(1, 2) == 3"],
     "text": "```python\ndef add(a, b):\n    return a + b\n```"},
]  # fmt: skip
#: What stands for the other Python: it prints what theirs prints.
THEIRS = """
import json, sys
assert sys.argv[1].endswith("agreement_sides.py")
for line in (
    {"version": "lm_eval 1"}, {"row": 0, "scorer": "lm-eval strict-match", "right": True},
    {"row": 1, "scorer": "lm-eval strict-match", "right": False}, {"absent": "inspect_evals"},
): print(json.dumps(line))
"""


def compared(monkeypatch, tmp_path, source):
    outputs = write(tmp_path / "outputs", ROWS)
    other = tmp_path / "theirs.py"
    other.write_text(source)
    arguments = [str(outputs), "--python", str(other), "--wrap", sys.executable, "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["agreement_harness.py", *arguments])
    harness.main()
    return json.loads((tmp_path / "out.json").read_text())


def test_another_harness_on_the_same_outputs(monkeypatch, tmp_path, capsys):
    cause = {"id": "2", "prompt": "p", "scorer": "lm-eval strict-match", "right": "ours", "cause": "no hashes"}
    write(tmp_path / "out-causes.jsonl", [cause])
    found = compared(monkeypatch, tmp_path, THEIRS)
    [cell] = found["cells"]
    assert (cell["outputs"], cell["theirs_right"], cell["ours_right"], cell["agreement"]) == (2, 1, 2, 0.5)
    [difference] = found["differences"]
    assert (difference["id"], difference["theirs"], difference["cause"]) == ("2", False, "no hashes")
    said = capsys.readouterr().out
    assert "absent" in said and "inspect_evals" in said


def test_a_program_is_run_by_us_too(monkeypatch, tmp_path):
    source = THEIRS.replace('{"absent": "inspect_evals"}', '{"row": 2, "scorer": "inspect_evals", "right": True}')
    found = compared(monkeypatch, tmp_path, source)
    assert found["cells"][-1]["agreement"] == 1.0


def test_an_error_of_the_other_side_is_said(monkeypatch, tmp_path):
    with pytest.raises(InputError, match=r"exit code 1: [\s\S]*no such thing"):
        compared(monkeypatch, tmp_path, "raise SystemExit('no such thing')")
