"""A whole run of one student on three tasks: asked, scored, kept, learned, compressed, evaluated, taken out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import project
import pytest

from twt_core import contract, planning, session
from twt_core.config import load_config
from twt_core.data import DOWNLOADS, read_data
from twt_core.progress import Progress
from twt_core.records import Annotation, Prediction, Query, Trace
from twt_core.sampling import requests_for

TASKS = ("sums", "riddles", "code")
CONFIG = """\
name: mixed
task_evaluator:
  use: mixture
  tasks:
    sums: {{use: math}}
    riddles: {{use: multiple_choice}}
    code: {{use: python_function, seconds: 10}}
queries:
  - {{path: sums.jsonl, task: sums}}
  - {{path: rest.jsonl}}
test_queries: {{path: test.jsonl}}
teachers:
  - {{use: simulated, name: ann, answers: known.jsonl, error_rate: 0, resolution: 0}}
  - {{use: simulated, name: ben, answers: known.jsonl, error_rate: 0, resolution: 0}}
  - {{use: simulated, name: cai, answers: known.jsonl, error_rate: 1, overconfidence: 1}}
confidence_scorer: {{use: by_task, tasks: {{code: {{use: tests_passed}}}}, otherwise: {{use: agreement}}}}
quality_filter: {{use: by_task, otherwise: {{use: threshold, minimum: 0.5}}}}
diversity_selector: {{use: random_pair}}
student:
  {{model: {model}, learning_rate: 1e-3, batch_size: 8, epochs: 1, max_length: 1024, max_new_tokens: 8, device: cpu}}
"""


def queries(first: int, count: int) -> dict[str, list[dict[str, Any]]]:
    """Each task's queries, by task."""
    numbers = range(first, first + count)
    return {
        "sums": [{"id": f"s{n}", "query": f"What is {n} plus {n}?", "answer": str(2 * n)} for n in numbers],
        "riddles": [
            {"id": f"r{n}", "query": f"Which is {n} times 3?", "choices": [str(n), str(3 * n), "-1"], "answer": "B"}
            for n in numbers
        ],
        "code": [
            {
                "id": f"c{n}", "query": f"Write a function to add {n} to a number.",
                "tests": [f"assert add{n}(0) == {n}"], "answer": f"def add{n}(x):\n    return x + {n}",
            }
            for n in numbers
        ],
    }  # fmt: skip


def named(rows: dict[str, list[dict[str, Any]]], tasks: tuple[str, ...] = TASKS) -> list[dict[str, Any]]:
    """In turns, as a file of a mixture may have them."""
    return [{**row, "task": task} for turn in zip(*(rows[task] for task in tasks), strict=True)
            for task, row in zip(tasks, turn, strict=True)]  # fmt: skip


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    folder = tmp_path_factory.mktemp("mixed")
    asked = queries(1, 3)
    project.write_rows(folder / "sums.jsonl", asked["sums"])
    project.write_rows(folder / "rest.jsonl", named(asked, ("riddles", "code")))
    project.write_rows(folder / "known.jsonl", named(asked))
    project.write_rows(folder / "test.jsonl", named(queries(11, 2)))
    (folder / "run.yaml").write_text(CONFIG.format(model=model), encoding="utf-8")
    return folder / "run.yaml"


@pytest.fixture(scope="module")
def run(config: Path) -> Path:
    session.run(config, (), config.parent / "runs", None, Progress(quiet=True))
    return config.parent / "runs" / "mixed"


def rows(run: Path, step: str, record: Any) -> Iterator[Any]:
    return (record.model_validate(row) for row in project.rows_of(run, step))


def task_of(query_id: str) -> str:
    return {"s": "sums", "r": "riddles", "c": "code"}[query_id[0]]


def test_each_query_is_asked_by_its_own_tasks_prompt(config: Path) -> None:
    checked = load_config(config)
    asked: list[Query] = read_data(checked, config.parent / DOWNLOADS).queries
    assert Counter(query.task for query in asked) == dict.fromkeys(TASKS, 3)
    found = list(requests_for(asked, checked.teachers[:1], checked.task_evaluator))
    for query, request in zip(asked, found, strict=True):
        own = load_config(config).task_evaluator.tasks[query.task]
        assert request.messages == contract.teacher_messages(own, query.unlabeled())


def test_each_task_is_scored_in_its_own_way_and_what_is_wrong_is_rejected(run: Path) -> None:
    kept = list(rows(run, "kept", Annotation))
    assert len(kept) == 27 and not [row for row in kept if row.failure]
    assert {(task_of(row.query_id), row.teacher, row.confidence) for row in kept} == {
        *((task, teacher, 0.5) for task in ("sums", "riddles") for teacher in ("ann", "ben")),
        *((task, "cai", 0.0) for task in TASKS),
        *(("code", teacher, 1.0) for teacher in ("ann", "ben")),
    }
    assert {row.teacher for row in kept if row.rejection} == {"cai"}


def test_every_task_is_taught_in_its_own_form(run: Path) -> None:
    full, compressed = (list(rows(run, step, Trace)) for step in ("traces", "compressed-traces"))
    assert Counter(task_of(trace.query_id) for trace in full) == dict.fromkeys(TASKS, 6)
    assert {trace.label for trace in full if trace.query_id == "r1"} == {"B"}
    assert all(trace.label.startswith("def add") for trace in full if trace.query_id[0] == "c")
    assert all(trace.kept_original is None for trace in compressed)


def test_predictions_and_the_summary_say_which_task_it_is(run: Path) -> None:
    found = list(rows(run, "answer_only-test-scores", Prediction))
    assert [row.task for row in found] == [*TASKS, *TASKS]
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert set(summary["tasks"]) == set(TASKS)
    assert {row["label_accuracy"] for row in summary["teachers"]} == {1.0, 0.0}


def test_nothing_is_made_twice(run: Path, config: Path, twt: Callable[..., Any]) -> None:
    planned = planning.plan(config, (), run.parent)
    assert all(step.cached for step in planned.steps) and planned.teacher_calls_at_most == 0
    said = twt("run", config, "--runs-dir", run.parent)
    assert said.code == 0 and '"..." --task sums' in " ".join(said.out.split())


def test_the_student_is_asked_as_of_a_task(run: Path, twt: Callable[..., Any]) -> None:
    asked = ("answer", run, "Which is 5 times 3?", "--choice", "5", "--choice", "15")
    assert "names no task: give --task, one of sums, riddles, code" in twt(*asked).err
    assert twt(*asked, "--task", "riddle").code == 2
    said = twt(*asked, "--task", "riddles", "--json")
    assert said.code == 0 and json.loads(said.out)["output_tokens"] > 0


def test_the_card_says_how_to_ask_for_each_task(run: Path, tmp_path: Path, twt: Callable[..., Any]) -> None:
    said = twt("export", run, "--adapter", tmp_path / "adapter", "--stage", "compressed")
    assert said.code == 0, said.err
    card = (tmp_path / "adapter" / "README.md").read_text(encoding="utf-8")
    parts = card.partition("## How to ask it")[2].partition("## How it was made")[0].split("### Questions of ")[1:]
    assert [part.partition("\n")[0] for part in parts] == [f"`{task}`" for task in TASKS]
    assert "{question}" in parts[0] and "B) 3" in parts[1] and "# Test cases:" in parts[2]
    assert "Code:" in parts[2] and "The answer is: (answer)" in parts[0]
    assert "questions of the kinds above" in card


def test_its_data_sets_have_every_tasks_texts(run: Path, tmp_path: Path, twt: Callable[..., Any]) -> None:
    assert twt("export", run, "--dataset", tmp_path / "sets").code == 0
    lines = (tmp_path / "sets" / "full.jsonl").read_text(encoding="utf-8").splitlines()
    assert Counter(task_of(json.loads(line)["id"]) for line in lines) == dict.fromkeys(TASKS, 6)
