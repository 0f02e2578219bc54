import pytest
import samples
from pydantic import ValidationError

from twt_core.records import Draft
from twt_plugins.compressors.step_dropping import StepDropping

STEPS = "One is here. Two follows.\nThree.\n\nFour, at last."


def shortened(compressor, rationale=STEPS, **more):
    draft = Draft(query=samples.QUERY, annotation=samples.annotation(rationale=rationale, **more))
    [made] = compressor.compress([draft], samples.context())
    assert made.label == "7"
    return made.rationale


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({}, "Three.\n\nFour, at last."),
        ({"keep": 0.75}, "Two follows.\nThree.\n\nFour, at last."),
        ({"keep": 0.51}, "Two follows.\nThree.\n\nFour, at last."),
        ({"keep": 0.01}, "Four, at last."),
        ({"drop": "last"}, "One is here. Two follows."),
        ({"drop": "last", "keep": 0.25}, "One is here."),
    ],
)
def test_a_share_of_the_steps_stays(options, left):
    assert shortened(StepDropping(**options)) == left


def test_of_one_step_that_one_stays_and_of_none_nothing():
    assert shortened(StepDropping(keep=0.01), "All in one") == "All in one"
    assert shortened(StepDropping(), "") is None
    assert shortened(StepDropping(), " \n") is None


def test_as_written_seven_hundredths_of_a_hundred_are_seven():
    assert shortened(StepDropping(keep=0.07), "Go. " * 100) == " ".join(["Go."] * 7)


def test_a_draw_depends_on_seed_query_teacher_and_sample():
    many = " ".join(f"Step{n}." for n in range(40))
    drop = StepDropping(drop="random")
    assert len(shortened(drop, many).split()) == 20
    assert shortened(drop, many) == shortened(drop, many)
    others = [
        shortened(StepDropping(drop="random", seed=1), many),
        *(shortened(drop, many, **one) for one in ({"query_id": "q2"}, {"teacher": "ben"}, {"sample": 1})),
    ]
    assert len({shortened(drop, many), *others}) == 5


def test_options_that_mean_nothing():
    for options in ({"keep": 0}, {"keep": 1}, {"drop": "middle"}, {"seed": -1}):
        with pytest.raises(ValidationError):
            StepDropping(**options)


def test_it_needs_nobody():
    assert not StepDropping.reads_student
    assert not StepDropping.asks_teachers
    assert not StepDropping.reads_logprobs
