"""The paper's tables as grids: each plans without a key or a network, at both sizes."""

from __future__ import annotations

import socket
from pathlib import Path

import jsonschema
import pytest

from twt_core.bench.grid import read_grid
from twt_core.bench.planning import plan_bench
from twt_core.config import config_schema, load_config
from twt_core.yaml_reader import read_yaml_text

EXAMPLES = Path(__file__).parents[2] / "examples"
PAPER = EXAMPLES / "paper"
TABLES = [PAPER / f"table{number}.yaml" for number in range(1, 7)]
#: Runs at full and at reduced size.
RUNS = {"table1": (24, 4), "table2": (6, 2), "table3": (12, 2), "table4": (9, 3), "table5": (18, 3), "table6": (12, 4)}
#: A label, and the file of the task's folder that is the same run.
SAME = {
    "no_dcrs": "no_dcrs", "standard_kd": "standard_kd", "tinyllm": "tinyllm", "one_teacher": "one_teacher",
    "no_compression": "no_compression", "distilling_step_by_step": "distilling_step_by_step",
    "log_probability": "logprob", "hard_rejection": "hard_rejection", "four_stage": "four_stage",
    "fixed_length": "fixed_length", "compressor_model": "compressor_model", "twt": "twt", "confidence": "twt",
    "three_stage": "twt", "teacher_guided": "twt",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("something went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def usable(path):
    if path.stem == "table5":
        pytest.importorskip("llmlingua")
    return path


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_it_plans_without_a_key_or_a_network(path, tmp_path):
    planned = plan_bench(usable(path), (), tmp_path / "runs")
    assert len(planned.runs) == RUNS[path.stem][0]
    assert planned.budget_usd == 100
    assert planned.shared > 0 and planned.on_disk == 0
    assert planned.worst_case_usd > 1000
    [row] = [line for line in (PAPER / "README.md").read_text(encoding="utf-8").splitlines()
             if line.startswith(f"| `{path.name}`")]  # fmt: skip
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    worst = f"{planned.teacher_calls_at_most:,}, ${planned.worst_case_usd:,.0f}"
    assert cells[2:] == [str(len(planned.runs)), f"{planned.to_do}, {planned.shared}", worst]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_its_runs_are_those_of_the_single_configs(path):
    for run in read_grid(usable(path)).runs:
        [own] = [SAME[label] for label in run.values.values() if label in SAME] or ["twt"]
        alone = load_config(PAPER / run.values["task"] / f"{own}.yaml", [f"student.model={run.config.student.model}"])
        assert run.config.identity() == {**alone.identity(), "name": path.stem, "budget_usd": 100}


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_the_reduced_size_needs_no_key_and_no_download(path, tmp_path):
    planned = plan_bench(path, (), tmp_path / "runs", reduced=True)
    assert (planned.name, len(planned.runs)) == (f"{path.stem}-reduced", RUNS[path.stem][1])
    assert planned.worst_case_usd == 0
    assert planned.notes == []
    for run in read_grid(path, reduced=True).runs:
        assert {teacher.use for teacher in run.config.teachers} == {"replay"}
        assert {teacher.use for teacher in run.config.helpers} <= {"transformers"}
        assert run.config.student.model.startswith("package:")


@pytest.mark.parametrize("kind", ["queries", "test"])
def test_the_reduced_questions_are_the_quickstarts(kind):
    few = (PAPER / "reduced" / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()
    assert few == (EXAMPLES / "quickstart" / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()[: len(few)]


def test_the_schema_takes_what_the_tables_say():
    validator = jsonschema.Draft202012Validator(config_schema())
    for path in [*TABLES, PAPER / "tables.yaml"]:
        validator.validate(read_yaml_text(path.read_text(encoding="utf-8"), str(path)).value)
