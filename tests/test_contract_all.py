"""What every registered component must hold to, whoever wrote it: found by itself, third-party ones included.

Run it with a plugin of yours installed, and it is tested, too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import project
import pytest
import samples
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from twt_core import plugins
from twt_core.components import Component, TaskEvaluator
from twt_core.listing import options_of
from twt_core.records import Query
from twt_core.schema import schema_of
from twt_core.testing import check_component, sample_annotations, sample_context, sample_drafts, sample_queries
from twt_core.testing.kinds import Given

ALL = list(plugins.registry())
QUERY = Query(id="q1", query="Which is it?\nA) 3\nB) 7", choices=("3", "7"), answer="B")

NOWHERE = "http://127.0.0.1:9/v1"

#: What a component needs that a value of the right type does not give.
OPTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("teacher", "litellm"): {"model": "hosted_vllm/none", "api_base": NOWHERE},
    ("teacher", "openai_compatible"): {"model": "none", "base_url": NOWHERE},
    ("teacher", "simulated"): {"answers": "examples/quickstart/queries.jsonl"},
    ("teacher", "transformers"): {"max_tokens": 4},
    ("confidence_scorer", "grade"): {
        "judge": {"use": "litellm", "name": "judge", "model": "hosted_vllm/none", "api_base": NOWHERE}
    },
    ("confidence_scorer", "by_task"): {"tasks": {"code": {"use": "tests_passed"}}},
    ("task_evaluator", "judge"): {
        "judge": {"use": "openai_compatible", "name": "judge", "model": "none", "base_url": NOWHERE}
    },
    ("task_evaluator", "mixture"): {"tasks": {"letters": {"use": "multiple_choice"}, "sums": {"use": "math"}}},
    ("confidence_scorer", "weighted"): {"factors": [{"weight": 1.0, "scorer": {"use": "self_reported"}}]},
}

#: What a task evaluator is tried on, unless it is a choice of letters.
QUESTIONS: dict[str, list[Query]] = {
    "exact_match": [Query(id="q1", query="Which city?", answer="New York", other_answers=("NYC",))],
    "judge": [Query(id="q1", query="Why does ice float?", answer="It is lighter than water.")],
    "math": [Query(id="q1", query="What is half of 7?", answer="3.5", other_answers=("\\frac{7}{2}",))],
    "mixture": [
        QUERY.model_copy(update={"task": "letters"}),
        Query(id="q2", query="What is 3 plus 4?", answer="7", task="sums"),
    ],
    "python_function": [
        Query(
            id="q1",
            query="Write add(a, b).",
            tests=("assert add(1, 2) == 3",),
            answer="def add(a, b):\n    return a + b",
        )
    ],
}


every = pytest.mark.parametrize("entry", ALL, ids=lambda e: f"{e.kind}-{e.name}")


def recordings() -> list[dict[str, Any]]:
    """What a server would have given: log-probabilities of the whole text."""
    rows = project.recordings(project.queries(3), ("sample",))
    return [{**row, "logprobs": [[row["text"], -0.5]]} for row in rows]


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest):
    """A component with all its options at their defaults, and samples for those that have none."""
    recorded = project.write_rows(tmp_path / "rows.jsonl", recordings())

    def build(entry: plugins.Registered) -> Component:
        given = dict(OPTIONS.get((entry.kind, entry.name), {}))
        if "embedder" in entry.cls.model_fields:
            given["embedder"] = str(request.getfixturevalue("embedder"))
        if entry.name in ("transformers", "llmlingua"):
            given["model"] = str(request.getfixturevalue("model"))
        for option in options_of(entry.cls):
            if option.required and option.name not in given:
                values = {"text": "sample", "path": recorded, "integer": 1, "number": 0.5}
                assert option.type in values, f"put a value for {option.name} into OPTIONS"
                given[option.name] = values[option.type]
        return entry.cls.model_validate(given)

    return build


@every
def test_its_options_do_not_change(entry, make):
    component = make(entry)
    assert component.identity()["use"] == entry.name
    for name in entry.cls.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(component, name, None)


@every
def test_its_defaults_are_valid_and_it_survives_a_config(entry, make):
    component = make(entry)
    assert all(f.get_default(call_default_factory=True) is not PydanticUndefined
               for f in entry.cls.model_fields.values() if not f.is_required())  # fmt: skip
    base = next(base for base in plugins.KINDS.values() if base.kind == entry.kind)
    assert base.model_validate(component.model_dump(mode="json")) == component
    assert schema_of(entry.cls)["type"] == "object"


#: What a component needs that refuses the kit's own rows: its task, with queries of it. Few, where each runs a program.
CODE = Query(id="code", query="Write add(a, b).", tests=("assert add(1, 2) == 3",))
SUM = Query(id="sum", query="What is 3 plus 4?")
MIXED = {"use": "mixture", "tasks": {"code": {"use": "python_function"}, "sums": {"use": "math"}}}


def run_of(task: dict[str, Any], *queries: Query) -> Given:
    return {"context": sample_context(TaskEvaluator.model_validate(task), queries), "rows": 0}


def of_a_mixture() -> Given:
    return run_of(MIXED, CODE.model_copy(update={"task": "code"}), SUM.model_copy(update={"task": "sums"}))


def few_drafts() -> Given:
    context = sample_context(queries=sample_queries(2))
    return {"drafts": sample_drafts(sample_annotations(context)[:2], context), "rows": 0}


GIVEN: dict[tuple[str, str], Callable[[], Given]] = {
    ("confidence_scorer", "tests_passed"): lambda: run_of({"use": "python_function"}, CODE),
    ("confidence_scorer", "by_task"): of_a_mixture,
    ("quality_filter", "by_task"): of_a_mixture,
    ("compressor", "llmlingua"): few_drafts,
}


def given(entry: plugins.Registered) -> Given:
    """What a component is tried with, besides the kit's own samples."""
    if entry.kind == "teacher":
        return {"request": samples.request("q1", "sample")}
    if entry.kind == "task_evaluator":
        # Structured answers are for teachers that are told to give them: an evaluator may do without.
        own = entry.distribution.startswith("twt-distill ")
        return {"queries": QUESTIONS.get(entry.name, [QUERY]), "structured": own}
    return GIVEN.get((entry.kind, entry.name), dict)()


@every
def test_it_holds_to_the_contract_of_its_kind(entry, make):
    check_component(make(entry), **given(entry))
