from random import Random

import pytest
import samples

from twt_core.calibration import MOST_THRESHOLDS, auroc, calibrate, reliability


def of(confidences, verdicts, teacher="ann"):
    """The calibration of one teacher: ``+`` right, ``-`` wrong, ``?`` unknown."""
    rows = [samples.annotation(f"q{n}", teacher, confidence=c) for n, c in enumerate(confidences)]
    right = {row.key: letter == "+" for row, letter in zip(rows, verdicts, strict=True) if letter != "?"}
    return calibrate(rows, right)[0]


def test_every_teacher_and_all():
    rows = samples.pool({"q1": "ab", "q2": "ab"})
    found = calibrate(rows, {row.key: row.teacher == "a" for row in rows})
    assert [(r.teacher, r.rows, r.accuracy) for r in found] == [("a", 2, 1.0), ("b", 2, 0.0), ("all", 4, 0.5)]


def test_every_row_is_counted_once():
    rows = [
        samples.annotation("q1"),
        samples.annotation("q2", failure="no usable confidence", confidence=None),
        samples.annotation("q3", rejection="confidence below 0.99"),
        samples.annotation("q4"),
        samples.annotation("q5", confidence=None),
    ]
    one = calibrate(rows, {row.key: True for row in rows if row.query_id != "q4"})[0]
    assert (one.rows, one.failed, one.unknown, one.scored) == (5, 2, 1, 2)


def test_accuracy_with_its_interval():
    one = of([0.9] * 4, "+++-")
    assert one.accuracy == 0.75
    low, high = one.accuracy_ci
    assert (low, high) == pytest.approx((0.301, 0.954), abs=1e-3)


def test_expected_calibration_error():
    assert of([0.95] * 4, "++--").ece == pytest.approx(0.45)
    assert of([0.75] * 4, "+++-").ece == 0.0
    # Two bins: 3 of 4 rows are off by 0.05, 1 of 4 by 0.8.
    assert of([0.95, 0.95, 0.95, 0.2], "++++").ece == pytest.approx(0.75 * 0.05 + 0.25 * 0.8)


@pytest.mark.parametrize(("confidence", "number"), [(0.0, 0), (0.1, 0), (0.11, 1), (0.3, 2), (0.7, 6), (1.0, 9)])
def test_a_border_belongs_to_the_bin_below(confidence, number):
    bins = reliability([confidence], [True])
    assert [b.n for b in bins] == [int(n == number) for n in range(10)]
    assert bins[number].accuracy == 1.0
    assert all(b.accuracy is None for b in bins if not b.n)


@pytest.mark.parametrize(
    ("confidences", "verdicts", "area"),
    [
        ([0.9, 0.8, 0.1], [True, True, False], 1.0),
        ([0.1, 0.9], [True, False], 0.0),
        ([0.5, 0.5], [True, False], 0.5),
        ([0.5, 0.6], [True, True], None),
        ([], [], None),
    ],
)
def test_auroc(confidences, verdicts, area):
    assert auroc(confidences, verdicts) == area


def test_auroc_is_the_share_of_pairs():
    random = Random(0)
    confidences = [random.randrange(10) / 10 for _ in range(200)]
    right = [random.random() < 0.3 + 0.5 * c for c in confidences]
    pairs = [(g > b) + 0.5 * (g == b)
             for g, r in zip(confidences, right, strict=True) if r
             for b, s in zip(confidences, right, strict=True) if not s]  # fmt: skip
    assert auroc(confidences, right) == pytest.approx(sum(pairs) / len(pairs), abs=1e-4)


def test_yield_against_threshold():
    points = of([0.2, 0.5, 0.5, 0.9], "-+-+").yields
    assert [(p.threshold, p.kept, p.share, p.accuracy) for p in points] == [
        (0.2, 4, 1.0, 0.5),
        (0.5, 3, 0.75, 0.6667),
        (0.9, 1, 0.25, 1.0),
    ]


def test_a_long_curve_is_cut_to_hundredths():
    points = of([n / 1000 for n in range(1000)], "+" * 1000).yields
    assert len(points) == MOST_THRESHOLDS
    assert points[50].threshold == 0.5 and points[50].kept == 500
    assert points[-1].kept == 0 and points[-1].accuracy is None


def test_without_known_answers_nothing_is_said():
    one = of([0.5, 0.6], "??")
    assert (one.accuracy, one.accuracy_ci, one.ece, one.auroc, one.yields, one.unknown) == (
        None,
        None,
        None,
        None,
        [],
        2,
    )
    assert calibrate([], {})[0].rows == 0
