from collections import Counter

import pytest
import samples
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from twt_core import contract
from twt_core.records import Draft
from twt_plugins.stage_schedulers.gradual import Gradual


def left(scheduler, rationale):
    """What each stage between the first and the last shows of a rationale."""
    draft = Draft(query=samples.QUERY, annotation=samples.annotation(rationale=rationale))
    compressors = [contract.compressor_of(scheduler, stage) for stage in scheduler.rounds()]
    return [made.rationale for compressor in compressors for made in compressor.compress([draft], samples.context())]


def test_steps_go_from_the_start():
    stages = contract.stages(Gradual(n=5))
    assert [stage.name for stage in stages] == ["full", "dropped_1", "dropped_2", "dropped_3", "answer_only"]
    assert {stage.of for stage in stages[1:-1]} == {"full"}
    assert left(Gradual(n=5), "It. Is. So. Now.") == ["Is. So. Now.", "So. Now.", "Now."]


def test_or_from_the_end():
    assert left(Gradual(n=4, drop="last"), "It. Is. So.") == ["It. Is.", "It."]


@settings(deadline=None)
@given(st.integers(3, 50), st.integers(1, 60))
def test_as_many_more_in_each_stage(n, steps):
    gone = [steps - len(text.split()) for text in left(Gradual(n=n), " ".join(["Go."] * steps))]
    assert gone == [steps * k // (n - 1) for k in range(1, n - 1)]
    assert len(Counter(b - a for a, b in zip([0, *gone], [*gone, steps], strict=True))) <= 2  # but for rounding, even


def test_stages_that_mean_nothing():
    for options in ({"n": 2}, {"n": 51}, {"drop": "random"}):
        with pytest.raises(ValidationError):
            Gradual(**options)
