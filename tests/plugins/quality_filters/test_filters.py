import pytest
import samples
from pydantic import ValidationError

from twt_plugins.quality_filters.hard_rejection import HardRejection
from twt_plugins.quality_filters.per_teacher_quantile import PerTeacherQuantile
from twt_plugins.quality_filters.threshold import Threshold
from twt_plugins.quality_filters.top_fraction import TopFraction

CONTEXT = samples.context()
ROWS = [samples.annotation(confidence=c) for c in (0.95, 0.9499, 0.0, None, 1.0)]


def kept(quality_filter, confidences, teachers=None):
    """Which of some confidences are kept."""
    rows = [
        samples.annotation(f"q{n}", teacher, confidence=c)
        for n, (c, teacher) in enumerate(zip(confidences, teachers or "a" * len(confidences), strict=True))
    ]
    return [n for n, verdict in enumerate(quality_filter.judge(rows, CONTEXT)) if verdict is None]


def test_the_threshold_keeps_what_reaches_it():
    no = "confidence below 0.95"
    assert Threshold().judge(ROWS, CONTEXT) == [None, no, no, no, None]


def test_a_threshold_of_zero_keeps_all():
    assert Threshold(minimum=0).judge(ROWS, CONTEXT) == [None] * 5


def test_hard_rejection_keeps_the_good():
    poor, medium = "graded Poor", "graded Medium"
    assert HardRejection().judge(ROWS, CONTEXT) == [None, medium, poor, poor, None]
    assert HardRejection(good=0.9, medium=0.9).judge(ROWS, CONTEXT) == [None, None, poor, poor, None]


def test_borders_in_the_wrong_order_are_refused():
    with pytest.raises(ValidationError, match=r"medium \(0\.9\) is above good \(0\.5\): swap them"):
        HardRejection(good=0.5, medium=0.9)


@pytest.mark.parametrize("minimum", [-0.1, 1.1, float("nan"), True])
def test_a_threshold_out_of_range_is_refused(minimum):
    with pytest.raises(ValidationError):
        Threshold(minimum=minimum)


def test_the_top_fraction_is_an_exact_count():
    assert kept(TopFraction(fraction=0.4), [0.1, 0.9, 0.5, 0.7, 0.3]) == [1, 3]
    assert kept(TopFraction(fraction=0.41), [0.1, 0.9, 0.5, 0.7, 0.3]) == [1, 2, 3]  # rounded up
    assert len(kept(TopFraction(fraction=0.1), [0.5] * 30)) == 3
    assert len(kept(TopFraction(fraction=1), [0.5] * 7)) == 7
    assert kept(TopFraction(fraction=0.001), [0.2, 0.3]) == [1]


def test_of_equals_the_earlier_are_among_the_top():
    assert kept(TopFraction(fraction=0.5), [0.5, 0.5, 0.5, 0.5]) == [0, 1]


def test_the_top_fraction_says_why():
    rows = [samples.annotation("q1", confidence=1.0), samples.annotation("q2", confidence=0.5)]
    assert TopFraction().judge(rows, CONTEXT) == [None, "not among the most confident 0.5"]
    assert TopFraction().judge([], CONTEXT) == []


def test_each_teacher_has_its_own_quantile():
    confidences, teachers = [0.9, 0.1, 0.91, 0.2, 0.92, 0.3, 0.93, 0.4], "abababab"
    assert kept(PerTeacherQuantile(quantile=0.5), confidences, teachers) == [4, 5, 6, 7]
    assert kept(PerTeacherQuantile(quantile=0.75), confidences, teachers) == [6, 7]
    assert kept(PerTeacherQuantile(quantile=0), confidences, teachers) == list(range(8))


def test_what_ties_with_the_border_stays():
    assert kept(PerTeacherQuantile(quantile=0.5), [0.2, 0.8, 0.8, 0.8]) == [1, 2, 3]
    assert kept(PerTeacherQuantile(quantile=0.9), [0.5] * 4) == [0, 1, 2, 3]


def test_a_quantile_is_taken_as_written():
    assert len(kept(PerTeacherQuantile(quantile=0.3), [n / 10 for n in range(10)])) == 7
    assert len(kept(PerTeacherQuantile(quantile=0.29), [n / 100 for n in range(100)])) == 71


def test_the_quantile_says_why():
    rows = [samples.annotation("q1", confidence=1.0), samples.annotation("q2", confidence=0.5)]
    assert PerTeacherQuantile().judge(rows, CONTEXT) == [None, "below its teacher's 0.5 quantile"]
    assert PerTeacherQuantile().judge([], CONTEXT) == []


@pytest.mark.parametrize(
    ("kind", "options"),
    [(TopFraction, {"fraction": 0}), (TopFraction, {"fraction": 1.1}), (PerTeacherQuantile, {"quantile": 1})],
)
def test_a_share_out_of_range_is_refused(kind, options):
    with pytest.raises(ValidationError):
        kind(**options)
