"""A whole run whose answers are programs: asked, run, selected, learned, compressed, evaluated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import project
import pytest

from twt_core import session
from twt_core.progress import Progress
from twt_core.records import Annotation, Prediction, Trace

CONFIG = """\
name: code
task_evaluator: {{use: python_function, seconds: 10}}
queries: {{path: queries.jsonl}}
test_queries: {{path: test.jsonl}}
teachers:
  - {{use: replay, name: ann, path: recordings.jsonl}}
  - {{use: replay, name: ben, path: recordings.jsonl}}
confidence_scorer: {{use: tests_passed}}
quality_filter: {{use: threshold, minimum: 0.9}}
diversity_selector: {{use: random_pair}}
student: {{model: {model}, learning_rate: 1e-3, batch_size: 8, epochs: 1, max_length: 512, max_new_tokens: 8}}
"""


def tasks(count: int, first: int) -> list[dict[str, object]]:
    return [
        {
            "id": f"add{n}",
            "query": f"Write a function to add {n} to a number.",
            "tests": [f"assert add{n}(0) == {n}", f"assert add{n}({n}) == {2 * n}"],
            "answer": f"def add{n}(x):\n    return x + {n}",
        }
        for n in range(first, first + count)
    ]


def said(task: dict[str, object], teacher: str, short: bool = False) -> str:
    """Ann is right; Ben is wrong about the third task."""
    code = str(task["answer"]).replace("x", teacher)
    wrong = code.replace("+", "-") if (teacher, task["id"]) == ("ben", "add3") else code
    thinking = (
        f"{teacher} adds." if short else f"{teacher} thinks slowly of the number, and then adds to it what is asked."
    )
    return f"Thinking: {thinking}\nCode:\n```python\n{wrong}\n```\nScore: 0.95"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    folder = tmp_path_factory.mktemp("code")
    asked = tasks(4, 1)
    project.write_rows(folder / "queries.jsonl", asked)
    project.write_rows(folder / "test.jsonl", tasks(2, 11))
    project.write_rows(
        folder / "recordings.jsonl",
        [
            {"id": task["id"], "teacher": teacher, "purpose": purpose, "text": said(task, teacher, short)}
            for task in asked for teacher in ("ann", "ben") for purpose, short in (("answer", False), ("rewrite", True))
        ],
    )  # fmt: skip
    (folder / "run.yaml").write_text(CONFIG.format(model=model), encoding="utf-8")
    session.run(folder / "run.yaml", (), folder / "runs", None, Progress(quiet=True))
    return folder / "runs" / "code"


def test_programs_are_scored_by_their_tests_and_the_wrong_one_is_rejected(run: Path) -> None:
    kept = [Annotation.model_validate(row) for row in project.rows_of(run, "kept")]
    scored = {(row.query_id, row.teacher): row.confidence for row in kept}
    assert scored.pop(("add3", "ben")) == 0.0
    assert set(scored.values()) == {1.0} and len(scored) == 7
    assert [row.teacher for row in kept if row.rejection] == ["ben"]


def test_a_rewrite_that_keeps_its_program_is_taken(run: Path) -> None:
    traces = [Trace.model_validate(row) for row in project.rows_of(run, "compressed-traces")]
    assert traces and all(trace.kept_original is None for trace in traces)
    assert {trace.rationale for trace in traces} <= {"ann adds.", "ben adds."}
    assert all(trace.label.startswith("def add") for trace in traces)


def test_a_student_that_writes_no_program_is_wrong(run: Path) -> None:
    found = [Prediction.model_validate(row) for row in project.rows_of(run, "answer_only-test-scores")]
    assert [row.correct for row in found] == [False, False]


def test_the_student_is_asked_for_a_program_by_its_tests(run: Path, twt: Callable[..., Any]) -> None:
    asked = ("answer", run, "Write a function to add 5 to a number.")
    assert 'needs "tests"' in twt(*asked).err
    assert "not of the form: assert" in twt(*asked, "--test", "add5(0) == 5").err
    said = twt(*asked, "--test", "assert add5(0) == 5", "--test", "assert add5(1) == 6", "--json")
    assert said.code == 0 and json.loads(said.out)["output_tokens"] > 0
