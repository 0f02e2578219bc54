import pytest
from pydantic import ValidationError

from twt_core import contract
from twt_plugins.stage_schedulers.adaptive import Adaptive
from twt_plugins.stage_schedulers.gradual import Gradual
from twt_plugins.stage_schedulers.habitual import NStage, ThreeStage


def shown(scheduler):
    return [(stage.name, stage.rationale) for stage in contract.stages(scheduler)]


THREE = [("full", "full"), ("compressed", "compressed"), ("answer_only", "none")]
ALL = [ThreeStage, NStage, Gradual, Adaptive]


def test_the_papers_three():
    assert shown(ThreeStage()) == shown(NStage(n=3)) == THREE


def test_the_middle_one_repeats():
    assert shown(NStage()) == [
        ("full", "full"), ("compressed_1", "compressed"), ("compressed_2", "compressed"), ("answer_only", "none")
    ]  # fmt: skip
    assert shown(NStage(n=2)) == [THREE[0], THREE[2]]


@pytest.mark.parametrize("n", [0, 1, 21, 3.5, True])
def test_a_number_of_stages_that_means_nothing(n):
    with pytest.raises(ValidationError):
        NStage(n=n)


@pytest.mark.parametrize("scheduler", ALL)
def test_all_but_the_first_stage_replay(scheduler):
    assert [stage.replay for stage in scheduler(replay=0.25).stages()][:2] == [0.0, 0.25]
    assert {stage.replay for stage in scheduler(replay=0.25).stages()[1:]} == {0.25}
    assert {stage.replay for stage in scheduler().stages()} == {0.0}
    with pytest.raises(ValidationError):
        scheduler(replay=1.5)


@pytest.mark.parametrize("scheduler", ALL)
@pytest.mark.parametrize("answers", [True, False])
def test_the_student_answers_before_compression_unless_told_not_to(scheduler, answers):
    stages = scheduler(student_answers=answers).stages()
    assert {stage.student_answers for stage in stages if stage.rationale == "compressed"} == {answers}
    assert all(stage.student_answers for stage in scheduler().stages())
