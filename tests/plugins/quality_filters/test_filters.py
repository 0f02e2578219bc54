import pytest
import samples
from pydantic import ValidationError

from twt_plugins.quality_filters.hard_rejection import HardRejection
from twt_plugins.quality_filters.threshold import Threshold

ROWS = [samples.annotation(confidence=c) for c in (0.95, 0.9499, 0.0, None, 1.0)]


def test_the_threshold_keeps_what_reaches_it():
    no = "confidence below 0.95"
    assert Threshold().judge(ROWS) == [None, no, no, no, None]


def test_a_threshold_of_zero_keeps_all():
    assert Threshold(minimum=0).judge(ROWS) == [None] * 5


def test_hard_rejection_keeps_the_good():
    poor, medium = "graded Poor", "graded Medium"
    assert HardRejection().judge(ROWS) == [None, medium, poor, poor, None]
    assert HardRejection(good=0.9, medium=0.9).judge(ROWS) == [None, None, poor, poor, None]


def test_borders_in_the_wrong_order_are_refused():
    with pytest.raises(ValidationError, match=r"medium \(0\.9\) is above good \(0\.5\): swap them"):
        HardRejection(good=0.5, medium=0.9)


@pytest.mark.parametrize("minimum", [-0.1, 1.1, float("nan"), True])
def test_a_threshold_out_of_range_is_refused(minimum):
    with pytest.raises(ValidationError):
        Threshold(minimum=minimum)
