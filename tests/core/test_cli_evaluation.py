"""`twt evaluate` and `twt compare` from the command line: exit codes, what is printed, what is not loaded."""

from __future__ import annotations

import json
import subprocess
import sys

import project
import pytest
from scripted_server import fault

from twt_core.sandbox import contained

HEAVY = {"torch", "transformers", "litellm", "peft", "math_verify"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to be in, with questions."""
    monkeypatch.chdir(tmp_path)
    return project.write_rows(tmp_path / "test.jsonl", project.queries(4, "t", step=2))


def imported(*arguments: object) -> tuple[int, set[str]]:
    script = (
        "import sys\nsys.argv = ['twt', *sys.argv[1:]]\nfrom twt_core.cli import main\n"
        "try:\n    main()\nfinally:\n    sys.stderr.write('imported: ' + ' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return done.returncode, {name.partition(".")[0] for name in done.stderr.rpartition("imported: ")[2].split()}


def test_evaluate_says_the_numbers_and_where_to_go_on(twt, here, model):
    command = ["evaluate", model, "--queries", here, "--task", "exact_match", "--max-new-tokens", 8]
    said = twt(*command)
    assert said.code == 0
    folder = f"evaluations/{model.name}-test"
    for part in ("accuracy", "95 % interval", "median", "4 questions graded", f"{folder}/predictions.jsonl",
                 f"twt compare {folder} OTHER"):  # fmt: skip
        assert part in said.out, part
    assert "answering questions: 4/4" in said.err
    again = twt(*command)
    assert (again.code, again.out) == (0, said.out)
    assert "nothing to do: all 4 answers are in evaluations/" in again.err
    quiet = twt(*command, "--quiet", "--json")
    assert (quiet.code, quiet.err) == (0, "")
    assert json.loads(quiet.out) == json.loads((here.parent / folder / "evaluation.json").read_text(encoding="utf-8"))


def test_options_that_are_short_for_set(twt, here, model):
    said = twt(
        "evaluate", model, "--queries", here, "--task", "exact_match", "--limit", 2, "--samples", 3, "--pass-at", "1,3",
        "--temperature", 1, "--max-new-tokens", 4, "--input-usd", 1, "--output-usd", 2, "--set", "seed=7", "--json",
        "--out", "here",
    )  # fmt: skip
    found = json.loads(said.out)
    assert found["settings"]["evaluation"] == {
        "samples": 3, "pass_at": [1, 3], "input_usd_per_million": 1.0, "output_usd_per_million": 2.0,
    }  # fmt: skip
    asked = found["settings"]["student"]
    assert (asked["temperature"], asked["max_new_tokens"], found["settings"]["seed"]) == (1, 4, 7)
    assert (found["questions"], found["score"]["answers"], found["folder"]) == (2, 6, "here")
    assert found["score"]["usd_per_thousand"] > 0


def test_a_served_model_with_answers_missing_is_exit_1(twt, here, server):
    server.script = lambda body: fault(400, "\x1b[2Jno") if "What is 1 plus" in str(body) else server_well(body)
    command = ["evaluate", "large", "--base-url", server.url, "--queries", here, "--task", "exact_match",
               "--temperature", 0.5, "--max-new-tokens", 99]  # fmt: skip
    said = twt(*command)
    assert said.code == 1
    assert "1 answers are MISSING" in said.out
    assert "\x1b" not in said.out
    assert said.err.splitlines()[-1].startswith("twt: not whole: run the same command again")
    assert {(body["temperature"], body["max_tokens"]) for body in server.asked} == {(0.5, 99)}
    server.script = server_well
    assert twt(*command).code == 0
    assert "calls: 4, $0.0000" in twt(*command).out


def server_well(body):
    from scripted_server import well

    return well(body)


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "none"],
        ["evaluate", "./none", "--queries", "test.jsonl", "--task", "math"],
        ["evaluate", "org/model", "--queries", "tset.jsonl", "--task", "math"],
        ["evaluate", "org/model", "--queries", "test.jsonl", "--task", "maths"],
        ["evaluate", "org/model", "--queries", "test.jsonl", "--task", "math", "--pass-at", "one"],
        ["evaluate", "org/model", "--queries", "test.jsonl", "--task", "math", "--limit", "0"],
        ["evaluate", "org/model", "--queries", "test.jsonl", "--task", "math", "--samples", "2"],
        ["evaluate", "org/model", "--queries", "test.jsonl", "--task", "math", "--input-usd", "1"],
        ["compare"],
        ["compare", "none"],
        ["compare", "none", "other"],
    ],
)
def test_what_is_wrong_is_bad_input_at_once(twt, here, arguments):
    said = twt(*arguments)
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err
    assert not (here.parent / "evaluations").exists()
    assert not (here.parent / "runs").exists()


def test_code_without_walls_takes_consent(twt, here, monkeypatch):
    given = []
    monkeypatch.setattr(contained, "allow_unsandboxed_code", lambda: given.append(True))
    assert twt("evaluate", "none", "--queries", here).code == 2
    assert given == []
    twt("evaluate", "none", "--queries", here, "--allow-unsandboxed-code")
    assert given == [True]


def test_compare_prints_each_pair_and_a_sentence(twt, finished):
    said = twt("compare", f"{finished.folder}:full", f"{finished.folder}:answer_only")
    assert said.code == 0
    for part in ("tiny:full", "frontier", "tiny:answer_only", "p = 1.000"):
        assert part in said.out, part
    found = json.loads(twt("compare", finished.folder, "--json").out)
    assert [one["name"] for one in found["models"]] == ["untouched", "full", "compressed", "answer_only"]
    assert len(found["comparisons"]) == 6
    assert {"p_corrected", "token_ratio_ci", "accuracy_difference_ci"} <= set(found["comparisons"][0])


def test_what_is_refused_or_on_disk_loads_no_model_library(finished, tmp_path):
    test = finished.config.parent / "test.jsonl"
    code, loaded = imported("evaluate", finished.folder, "--queries", finished.config.parent / "queries.jsonl")
    assert code == 2
    assert not HEAVY & loaded
    command = ["evaluate", finished.folder, "--queries", test, "--out", tmp_path / "out"]
    assert HEAVY & imported(*command)[1]
    code, loaded = imported(*command)
    assert code == 0
    assert not HEAVY & loaded
    code, loaded = imported("compare", f"{finished.folder}:full", tmp_path / "out")
    assert code == 0
    assert not HEAVY & loaded
