"""What every registered component must hold to, whoever wrote it: found by itself, third-party ones included.

Run it with a plugin of yours installed, and it is tested, too.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import project
import pytest
import samples
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from twt_core import contract, plugins
from twt_core.components import AskTeachers, Component, Context
from twt_core.embedding import Embeddings
from twt_core.errors import TeacherError
from twt_core.listing import options_of
from twt_core.progress import Progress
from twt_core.records import Completion, Draft, Failed, Query, StageResult, TokenLogprob
from twt_core.schema import schema_of
from twt_core.testing import check_task_evaluator

ALL = list(plugins.registry())
POOL = samples.pool({"q1": "abc", "q2": "ab", "q3": "c"})
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


def of_kind(kind: str) -> Any:
    return pytest.mark.parametrize("entry", [e for e in ALL if e.kind == kind], ids=lambda e: e.name)


every = pytest.mark.parametrize("entry", ALL, ids=lambda e: f"{e.kind}-{e.name}")


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest):
    """A component with all its options at their defaults, and samples for those that have none."""
    recorded = project.write_rows(tmp_path / "rows.jsonl", project.recordings(project.queries(3), ("sample",)))

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


def options(component: Component) -> dict[str, Any]:
    return {name: getattr(component, name) for name in type(component).model_fields}


def nobody(requests: Any) -> list[Completion | Failed]:
    return [Failed(cause="nobody is there") for _ in requests]


def read_back(requests: Any) -> list[Completion | Failed]:
    return [Completion(text="Thinking: Seven.\nThe answer is: B") for _ in requests]


@every
def test_it_says_what_it_is(entry):
    assert len((entry.cls.__doc__ or "").strip()) > 10
    assert "__doc__" in entry.cls.__dict__, "the text is its base class's"
    for option in options_of(entry.cls):
        assert len(option.doc) > 5, f"the option {option.name} has no description"


@every
def test_its_options_are_frozen_and_strict(entry, make):
    component = make(entry)
    assert entry.cls.model_config["frozen"]
    with pytest.raises(ValidationError, match="no_such_option"):
        entry.cls.model_validate({**options(component), "no_such_option": 1})
    for name in entry.cls.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(component, name, None)


@every
def test_its_identity_is_plain_and_stable(entry, make):
    component = make(entry)
    identity = component.identity()
    assert json.loads(json.dumps(identity, sort_keys=True, allow_nan=False)) == identity
    assert identity["use"] == entry.name
    assert entry.cls.model_validate(options(component)).identity() == identity
    assert entry.cls.not_identity <= set(entry.cls.model_fields), "not_identity names what is no option"


@every
def test_its_defaults_are_valid_and_it_survives_a_config(entry, make):
    component = make(entry)
    assert all(f.get_default(call_default_factory=True) is not PydanticUndefined
               for f in entry.cls.model_fields.values() if not f.is_required())  # fmt: skip
    base = next(base for base in plugins.KINDS.values() if base.kind == entry.kind)
    assert base.model_validate(component.model_dump(mode="json")) == component
    assert schema_of(entry.cls)["type"] == "object"


@every
def test_no_option_takes_a_secret(entry):
    from twt_core.credentials import names_secret

    assert not [name for name in entry.cls.model_fields if names_secret(name)]


@of_kind("teacher")
def test_a_teacher_completes_or_fails(entry, make):
    teacher, request = make(entry), samples.request("q1", "sample")
    canonical = teacher.canonical_request(request)
    assert json.loads(json.dumps(canonical)) == canonical
    assert teacher.canonical_request(samples.request("q2", "sample", text="Else?")) != canonical
    assert inspect.iscoroutinefunction(entry.cls.complete)
    price = teacher.worst_case_usd(request)
    assert price is None or price >= 0
    try:
        assert isinstance(asyncio.run(contract.complete(teacher, request)), Completion)
    except TeacherError as failed:
        assert str(failed)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return samples.context(
        queries=[Query(id=f"q{n}", query="Which is it?") for n in (1, 2, 3)],
        embed=Embeddings(tmp_path / "embeddings.sqlite", Progress(quiet=True)),
    )


@of_kind("confidence_scorer")
def test_a_scorer_scores(entry, make, context):
    scorer = make(entry)
    rows = [*POOL, samples.annotation("q3", "z", score=None, logprobs=None, factors={}, confidence=None)]
    before = [row.model_dump_json() for row in rows]
    assert len(contract.score(scorer, rows, context)) == len(rows)
    assert contract.score(scorer, rows, context) == contract.score(scorer, rows, context)
    assert contract.score(scorer, [], context) == []
    assert [row.model_dump_json() for row in rows] == before


@of_kind("quality_filter")
def test_a_filter_judges(entry, make, context):
    rows = [samples.annotation("q1", t, confidence=c) for t, c in zip("abcd", (0.0, 0.5, 1.0, None), strict=True)]
    verdicts = contract.judge(make(entry), rows, context)
    assert all(verdict is None or verdict.strip() for verdict in verdicts)
    assert contract.judge(make(entry), rows, context) == verdicts
    assert contract.judge(make(entry), [], context) == []


@of_kind("diversity_selector")
def test_a_selector_selects(entry, make, context):
    chosen = contract.select(make(entry), POOL, context)
    assert chosen
    assert contract.select(make(entry), POOL, context) == chosen
    assert contract.select(make(entry), [], context) == []
    assert len(contract.select(make(entry), POOL[:1], context)) <= 1


@of_kind("compressor")
@pytest.mark.parametrize("ask", [nobody, read_back], ids=lambda f: f.__name__)
def test_a_compressor_compresses(entry, make, context, ask: AskTeachers):
    drafts = [
        Draft(query=QUERY.unlabeled(), annotation=samples.annotation(rationale=rationale), student_rationale=student)
        for rationale in ("One. Two three. Four five six.", "Short", "")
        for student in ("I guess.", "")
    ]
    asking = replace(context, ask=ask)
    if make(entry).reads_logprobs:
        asking = replace(asking, student_logprobs=lambda pairs: [[TokenLogprob(text, -1.0)] for _, text in pairs])
    assert len(contract.compress(make(entry), drafts, asking)) == len(drafts)
    assert contract.compress(make(entry), [], asking) == []
    if not make(entry).asks_teachers:
        silent = replace(asking, ask=lambda _: pytest.fail("it asks teachers and does not say so"))
        contract.compress(make(entry), drafts, silent)


@of_kind("stage_scheduler")
def test_a_scheduler_schedules(entry, make):
    stages = contract.stages(make(entry))
    assert stages == contract.stages(make(entry))
    done: list[StageResult] = []
    while (stage := contract.next_stage(make(entry), done)) is not None:  # unknown accuracies: the longest way
        done.append(StageResult(stage=stage))
    assert [result.stage for result in done] == stages


@of_kind("task_evaluator")
def test_a_task_evaluator_holds_to_its_contract(entry, make):
    # Structured answers are for teachers that are told to give them: an evaluator may do without.
    own = entry.distribution.startswith("twt-distill ")
    check_task_evaluator(make(entry), QUESTIONS.get(entry.name, [QUERY]), structured=own)
