import pytest
from pydantic import ValidationError

from twt_plugins.stage_schedulers.schedules import NStage, StandardKD, ThreeStage


def shown(scheduler):
    return [(stage.name, stage.rationale) for stage in scheduler.stages()]


THREE = [("full", "full"), ("compressed", "compressed"), ("answer_only", "none")]


def test_the_papers_three():
    assert shown(ThreeStage()) == shown(NStage(n=3)) == THREE


def test_the_middle_one_repeats():
    assert shown(NStage()) == [
        ("full", "full"), ("compressed_1", "compressed"), ("compressed_2", "compressed"), ("answer_only", "none")
    ]  # fmt: skip
    assert shown(NStage(n=2)) == [THREE[0], THREE[2]]


def test_answers_alone():
    assert shown(StandardKD()) == [("answer_only", "none")]


@pytest.mark.parametrize("n", [0, 1, 21, 3.5, True])
def test_a_number_of_stages_that_means_nothing(n):
    with pytest.raises(ValidationError):
        NStage(n=n)
