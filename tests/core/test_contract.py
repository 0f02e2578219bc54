"""Whatever a plugin's method does, the message names the plugin, its distribution, and what is expected."""

from __future__ import annotations

import asyncio
import re

import pytest
import samples

from twt_core import contract, plugins
from twt_core.components import (
    Compressor,
    ConfidenceScorer,
    DiversitySelector,
    QualityFilter,
    StageScheduler,
    TaskEvaluator,
    Teacher,
)
from twt_core.errors import InputError, PluginError
from twt_core.prompts import Message
from twt_core.records import Answered, Completion, Draft, Grade, Reading, Rewrite, Stage

POOL = samples.pool({"q1": "ab", "q2": "a"})
NAN = float("nan")


class Answer(Completion):
    """A teacher's own kind of completion."""


@pytest.fixture
def call(monkeypatch):
    """Register a component whose one method gives `result` (an exception is raised, a function called), and use it."""
    registry = plugins.Registry()
    monkeypatch.setattr(plugins, "registry", lambda: registry)

    def use(kind, result):
        def give(*arguments):
            if isinstance(result, BaseException):
                raise result
            return result(*arguments) if callable(result) else result

        async def give_later(self, request):
            return give(request)

        method, base, use = {
            "teacher": ("complete", Teacher, lambda c: asyncio.run(contract.complete(c, samples.request()))),
            "scorer": ("score", ConfidenceScorer, lambda c: contract.score(c, POOL, None)),
            "filter": ("judge", QualityFilter, lambda c: contract.judge(c, POOL, None)),
            "selector": ("select", DiversitySelector, lambda c: contract.select(c, POOL, None)),
            "compressor": ("compress", Compressor, lambda c: contract.compress(c, POOL, None)),
            "scheduler": ("stages", StageScheduler, contract.stages),
        }[kind]
        body = give_later if kind == "teacher" else lambda self, *arguments: give(*arguments)
        cls = type("Strict", (base,), {method: body, "__module__": __name__, "__doc__": "Strict."})
        registry.add(base, "strict", cls, "acme-plugin 1.2")
        return use(cls(name="ann") if kind == "teacher" else cls())

    return use


GOOD = {
    "teacher": Completion(text=""),
    "scorer": [0, 1.0, None],
    "filter": [None, "", "too short"],
    "selector": POOL[:2],
    "compressor": [Rewrite(), Rewrite(rationale="x"), Rewrite(reason="y")],
    "scheduler": [Stage(name="one", rationale="none")],
}


@pytest.mark.parametrize("kind", GOOD)
def test_what_the_kind_gives_passes(call, kind):
    assert call(kind, GOOD[kind]) == GOOD[kind]


BAD = [
    ("selector", [], None),
    ("teacher", Answer(text=""), None),
    *[(kind, None, "returned NoneType, expected") for kind in GOOD],
    *[(kind, "text", "returned str, expected") for kind in GOOD],
    *[(kind, tuple(GOOD[kind]), "returned tuple, expected") for kind in GOOD],
    *[(kind, lambda *_: (n for n in range(3)), "returned generator, expected") for kind in GOOD if kind != "teacher"],
    *[(kind, ZeroDivisionError("by what"), "raised ZeroDivisionError: by what") for kind in GOOD],
    *[(kind, SystemExit(0), "raised SystemExit: 0") for kind in GOOD],
    *[(kind, [], "returned 0 values, expected 3, one for each input") for kind in ("scorer", "filter", "compressor")],
    ("scorer", [0.5] * 4, "returned 4 values, expected 3"),
    ("scorer", [0.5, NAN, 0.5], "returned nan at position 1, expected a number from 0 to 1"),
    ("scorer", [0.5, 0.5, 1.01], "returned 1.01 at position 2, expected a number from 0 to 1"),
    ("scorer", [-0.1, 0.5, 0.5], "returned -0.1 at position 0"),
    ("scorer", [0.5, float("inf"), 0.5], "returned inf at position 1"),
    ("scorer", [0.5, True, 0.5], "returned bool at position 1, expected a number from 0 to 1"),
    ("scorer", [0.5, "0.5", 0.5], "returned str at position 1, expected float or int or None"),
    ("filter", [True, None, None], "returned bool at position 0, expected str or None"),
    ("selector", [POOL[0], "q1"], "returned str at position 1, expected Annotation"),
    ("selector", [POOL[0], POOL[0]], "'q1' that is not in the pool, was changed, or was chosen twice"),
    ("selector", [samples.annotation("q9")], "'q9' that is not in the pool"),
    ("selector", [POOL[0].model_copy(update={"label": "8"})], "was changed"),
    ("compressor", [Rewrite(), None, Rewrite()], "returned NoneType at position 1, expected Rewrite"),
    ("scheduler", [], "gave no stages"),
    ("scheduler", GOOD["scheduler"] * 2, "gave two stages the name 'one'"),
    ("scheduler", [Stage(name="untouched", rationale="none")], "one the name 'untouched'"),
    ("scheduler", ["full"], "returned str at position 0, expected Stage"),
]


@pytest.mark.parametrize(("kind", "result", "says"), BAD)
def test_what_it_does_not_give_is_said(call, kind, result, says):
    if says is None:
        assert call(kind, result) == result
        return
    with pytest.raises(PluginError, match=r"^plugin acme-plugin 1\.2: \w+ 'strict' ") as error:
        call(kind, result)
    assert says in str(error.value)
    assert error.value.exit_code == 1


def test_the_kind_is_named(call):
    with pytest.raises(PluginError, match=re.escape("plugin acme-plugin 1.2: QualityFilter 'strict' returned str")):
        call("filter", "text")


def test_our_own_errors_pass_through(call):
    with pytest.raises(InputError, match="give another file"):
        call("selector", InputError("give another file"))


def test_an_interrupt_is_no_failure_of_the_plugin(call):
    with pytest.raises(KeyboardInterrupt):
        call("filter", KeyboardInterrupt())


def changed(annotations):
    annotations[0].factors["clarity"] = 1.0
    return annotations


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        ("scorer", lambda annotations, context: [0.5 for _ in changed(annotations)]),
        ("filter", lambda annotations, context: [None for _ in changed(annotations)]),
    ],
)
def test_a_changed_input_has_no_effect(call, kind, result):
    before = [annotation.model_dump_json() for annotation in POOL]
    call(kind, result)
    assert [annotation.model_dump_json() for annotation in POOL] == before


def test_a_changed_input_is_not_selected(call):
    with pytest.raises(PluginError, match="was changed"):
        call("selector", lambda pool, context: list(changed(pool)))


def test_nobody_can_set_a_field():
    with pytest.raises(ValueError, match="frozen"):
        POOL[0].label = "8"


ANSWERS = [Answered(query=samples.QUERY, text="7", label="7")]
OF_A_TASK = {
    "teacher_messages": ([Message("user", "?")], lambda task: contract.teacher_messages(task, samples.QUERY)),
    "student_messages": ([Message("user", "?")], lambda task: contract.student_messages(task, samples.QUERY)),
    "read": (Reading(), lambda task: contract.read(task, "7", samples.QUERY)),
    "same": (True, lambda task: contract.same(task, "7", "8", samples.QUERY)),
    "completion": ("7", lambda task: contract.completion(task, None, "7", samples.QUERY)),
    "answered": (True, lambda task: contract.answered(task, "7", samples.QUERY)),
    "gradable": (True, lambda task: contract.gradable(task, samples.QUERY)),
    "grade": ([Grade(correct=True, verdict="right")], lambda task: contract.grade(task, ANSWERS, None)),
}


@pytest.fixture
def task_that(monkeypatch):
    """Register an evaluator one of whose methods gives `result`, or raises it."""
    registry = plugins.Registry()
    monkeypatch.setattr(plugins, "registry", lambda: registry)

    def made(method, result):
        def give(self, *arguments):
            if isinstance(result, BaseException):
                raise result
            return result

        needed = dict.fromkeys(("teacher_messages", "read", "same"), give)
        cls = type("Strict", (TaskEvaluator,), {**needed, method: give, "__module__": __name__, "__doc__": "Strict."})
        registry.add(TaskEvaluator, "strict", cls, "acme-plugin 1.2")
        return cls()

    return made


@pytest.mark.parametrize("method", OF_A_TASK)
def test_what_a_task_gives_passes(task_that, method):
    result, use = OF_A_TASK[method]
    given = use(task_that(method, result))
    assert (list(given) if isinstance(given, tuple) else given) == result


@pytest.mark.parametrize("result", [None, 7, [], ["right"], ZeroDivisionError("by what"), SystemExit(0)])
@pytest.mark.parametrize("method", OF_A_TASK)
def test_what_a_task_does_not_give_is_said(task_that, method, result):
    with pytest.raises(PluginError, match=r"^plugin acme-plugin 1\.2: TaskEvaluator 'strict' "):
        OF_A_TASK[method][1](task_that(method, result))


def test_a_query_that_a_task_refuses_is_no_fault_of_the_task(task_that):
    with pytest.raises(ValueError, match=r"^give a number$"):
        contract.check_query(task_that("check", ValueError("give a number")), samples.QUERY)


def test_a_task_that_fails_on_a_query_is_named(task_that):
    with pytest.raises(PluginError, match=r"^plugin acme-plugin 1\.2: TaskEvaluator 'strict' raised KeyError"):
        contract.check_query(task_that("check", KeyError("unit")), samples.QUERY)


def test_a_task_of_a_prompt_a_reader_and_a_check_is_whole(task_that):
    task = task_that("teacher_messages", [Message("user", "3 + 4?")])
    assert task.completion("Four and three.", "7", samples.QUERY) == "Four and three.\nThe answer is: 7"
    draft = Draft(query=samples.QUERY, annotation=samples.annotation(), student_rationale="I count.")
    [asked] = task.rewrite_messages(draft)
    assert "3 + 4?" in asked.content and "The answer is: 7" in asked.content and "I count." in asked.content
    assert sum(task.factor_weights(samples.QUERY).values()) == 1
