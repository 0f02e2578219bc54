"""What each teacher's confidence is worth, where answers are known: accuracy, calibration, ranking, yield."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from twt_core.metrics import wilson_interval
from twt_core.records import Annotation

#: The file of all rows in a run folder.
CALIBRATION = "calibration.json"
#: Equal-width bins of [0, 1], as in Guo et al. 2017.
BINS = 10
#: The most thresholds a yield curve has: beyond, every hundredth from 0 to 1.
MOST_THRESHOLDS = 101
#: The row over all teachers.
ALL = "all"

Key = tuple[str, str, int]


class ReliabilityBin(BaseModel):
    """Annotations with a confidence in (low, high], the first bin's low included. The shares are None where n is 0."""

    low: float
    high: float
    n: int
    mean_confidence: float | None
    accuracy: float | None


class YieldPoint(BaseModel):
    """What a threshold keeps: rows, their share of the scored rows with a known answer, and how many are right."""

    threshold: float
    kept: int
    share: float
    accuracy: float | None


class CalibrationFigures(BaseModel):
    """One teacher's labels and confidences against known answers; `teacher` is "all" for all together.

    Attributes:
        rows: all annotations = failed + unknown + scored.
        failed: without a usable answer or confidence.
        unknown: with both, but to a query whose answer is not known.
        scored: what every number below is over.
        accuracy: the share of right labels; `accuracy_ci` is its 95 % Wilson interval. None when nothing is scored.
        mean_confidence: to be held against the accuracy: above it, the teacher is overconfident.
        ece: expected calibration error, sum over bins of n / scored * |accuracy - mean confidence| (Guo et al. 2017).
        auroc: the chance that a right label has the higher confidence than a wrong one, ties counting half; 0.5 says
            nothing. None unless there are both.
    """

    teacher: str
    rows: int
    failed: int
    unknown: int
    scored: int
    accuracy: float | None
    accuracy_ci: tuple[float, float] | None
    mean_confidence: float | None
    ece: float | None
    auroc: float | None


class TeacherCalibration(CalibrationFigures):
    """The figures, and the curves behind them.

    Attributes:
        reliability: the ten bins of `ece`.
        yields: yield and accuracy by threshold, rising; at every confidence there is, or at every hundredth.
    """

    reliability: list[ReliabilityBin]
    yields: list[YieldPoint]


def calibrate(annotations: Sequence[Annotation], right: Mapping[Key, bool]) -> list[TeacherCalibration]:
    """One row a teacher, in order of appearance, then one over all.

    Args:
        annotations: of every teacher, rejected and failed ones included.
        right: whether a label is right, by annotation key; a key that is not there has no known answer.
    """
    teachers = dict.fromkeys(annotation.teacher for annotation in annotations)
    rows = [_row(name, [a for a in annotations if a.teacher == name], right) for name in teachers]
    return [*rows, _row(ALL, annotations, right)]


def _row(name: str, annotations: Sequence[Annotation], right: Mapping[Key, bool]) -> TeacherCalibration:
    usable = [a for a in annotations if a.failure is None and a.confidence is not None]
    scored = [(a.confidence or 0.0, right[a.key]) for a in usable if a.key in right]
    confidences, verdicts = [c for c, _ in scored], [r for _, r in scored]
    bins = reliability(confidences, verdicts)
    low, high = wilson_interval(sum(verdicts), len(verdicts)) if scored else (0.0, 0.0)
    return TeacherCalibration(
        teacher=name,
        rows=len(annotations),
        failed=len(annotations) - len(usable),
        unknown=len(usable) - len(scored),
        scored=len(scored),
        accuracy=_mean(verdicts),
        accuracy_ci=(round(low, 4), round(high, 4)) if scored else None,
        mean_confidence=_mean(confidences),
        ece=_expected_error(bins) if scored else None,
        auroc=auroc(confidences, verdicts),
        reliability=bins,
        yields=_yields(confidences, verdicts),
    )


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def reliability(confidences: Sequence[float], right: Sequence[bool]) -> list[ReliabilityBin]:
    """Mean confidence and accuracy in ten equal-width bins of [0, 1]."""
    members: list[list[int]] = [[] for _ in range(BINS)]
    for index, confidence in enumerate(confidences):
        # Rounded first: 0.7 * 10 is just above 7, and 0.7 belongs to (0.6, 0.7].
        members[max(0, math.ceil(round(confidence * BINS, 9)) - 1)].append(index)
    return [
        ReliabilityBin(
            low=number / BINS,
            high=(number + 1) / BINS,
            n=len(inside),
            mean_confidence=_mean([confidences[i] for i in inside]),
            accuracy=_mean([right[i] for i in inside]),
        )
        for number, inside in enumerate(members)
    ]


def _expected_error(bins: Sequence[ReliabilityBin]) -> float:
    total = sum(b.n for b in bins)
    return round(sum(b.n / total * abs((b.accuracy or 0.0) - (b.mean_confidence or 0.0)) for b in bins), 4)


def auroc(confidences: Sequence[float], right: Sequence[bool]) -> float | None:
    """The area under the ROC curve by ranks, ties counting half (Mann and Whitney 1947). None without both kinds."""
    from scipy.stats import rankdata

    good = sum(right)
    bad = len(right) - good
    if not good or not bad:
        return None
    ranks = rankdata(confidences)
    above = sum(rank for rank, verdict in zip(ranks, right, strict=True) if verdict) - good * (good + 1) / 2
    return round(float(above) / (good * bad), 4)


def _yields(confidences: Sequence[float], right: Sequence[bool]) -> list[YieldPoint]:
    thresholds = sorted(set(confidences))
    if len(thresholds) > MOST_THRESHOLDS:
        thresholds = [number / (MOST_THRESHOLDS - 1) for number in range(MOST_THRESHOLDS)]
    return [_point(threshold, confidences, right) for threshold in thresholds]


def _point(threshold: float, confidences: Sequence[float], right: Sequence[bool]) -> YieldPoint:
    kept = [verdict for confidence, verdict in zip(confidences, right, strict=True) if confidence >= threshold]
    return YieldPoint(
        threshold=threshold, kept=len(kept), share=round(len(kept) / len(confidences), 4), accuracy=_mean(kept)
    )
