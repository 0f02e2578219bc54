from dataclasses import replace
from types import SimpleNamespace

import pytest
import samples
from pydantic import ValidationError

from twt_core import distillation
from twt_core.errors import InputError
from twt_core.records import Query, Trace
from twt_plugins.stage_schedulers.baselines import DistillingStepByStep, StandardKD, TinyLLM
from twt_plugins.task_evaluators.exact_match import ExactMatch

QUERIES = {"q1": Query(id="q1", query="3 + 4?")}
TRACES = [
    Trace(query_id="q1", teacher="ann", rationale="Three, four.", label="7"),
    Trace(query_id="q1", teacher="ben", rationale="Four, three.", label="7"),
    Trace(query_id="q1", teacher="cai", rationale="By heart.", label="8"),
]


def learned(scheduler):
    """(what stands before the question, text, weight, task) of all that the one stage teaches."""
    [stage] = scheduler.stages()
    targets = distillation.targets(QUERIES, TRACES, ExactMatch(), stage.objectives)
    question = ExactMatch().student_messages(QUERIES["q1"])[-1].content
    return [(t.messages[-1].content.removesuffix(question), t.completion, t.weight, t.task) for t in targets]


def test_answers_alone():
    assert [(stage.name, stage.rationale) for stage in StandardKD().stages()] == [("answer_only", "none")]


def test_label_and_rationale_are_two_tasks():
    assert [row[:3] for row in learned(DistillingStepByStep(rationale_weight=0.5))] == [
        ("[label] ", "The answer is: 7", 1.0),
        ("[label] ", "The answer is: 8", 1.0),
        ("[rationale] ", "Three, four.", 0.5),
        ("[rationale] ", "Four, three.", 0.5),
        ("[rationale] ", "By heart.", 0.5),
    ]
    assert len({task for *_, task in learned(DistillingStepByStep())}) == 2


def test_each_teachers_rationales_are_a_task():
    assert [row[:3] for row in learned(TinyLLM(alpha=0.5, teacher_weights={"ben": 0.1}))] == [
        ("[label] ", "The answer is: 7", 1.0),
        ("[label] ", "The answer is: 8", 1.0),
        ("[rationale ann] ", "Three, four.", 0.5),
        ("[rationale ben] ", "Four, three.", 0.1),
        ("[rationale cai] ", "By heart.", 0.5),
    ]
    assert len({task for *_, task in learned(TinyLLM())}) == 4


@pytest.mark.parametrize("scheduler", [DistillingStepByStep, TinyLLM])
def test_the_student_is_asked_for_answers(scheduler):
    [stage] = scheduler(label_prefix="Answer: ").stages()
    assert stage.asked_with == "Answer: "
    assert stage.rationale == "full"


@pytest.mark.parametrize("scheduler", [DistillingStepByStep, TinyLLM])
def test_prefixes_that_tell_nothing_apart(scheduler):
    with pytest.raises(ValidationError, match="tell the tasks apart"):
        scheduler(label_prefix="", rationale_prefix="")
    with pytest.raises(ValidationError, match="stands for nobody"):
        scheduler(label_prefix="{teacher}: ")


@pytest.mark.parametrize("weight", [0, -1, float("nan")])
def test_weights_that_mean_nothing(weight):
    for make in (
        lambda: DistillingStepByStep(rationale_weight=weight),
        lambda: TinyLLM(alpha=weight),
        lambda: TinyLLM(teacher_weights={"ann": weight}),
    ):
        with pytest.raises(ValidationError):
            make()


def test_a_weight_for_a_teacher_that_is_not_there():
    run = replace(samples.context(), teachers=tuple(SimpleNamespace(name=name) for name in ("ann", "ben")))
    TinyLLM(teacher_weights={"ann": 0.5}).check_run(run)
    with pytest.raises(InputError, match=r"teacher_weights: the run has no teacher 'anne'\. Did you mean \"ann\"\?"):
        TinyLLM(teacher_weights={"anne": 0.5}).check_run(run)
