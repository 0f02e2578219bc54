"""Numbers with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel

from twt_core.records import Prediction

#: Two stages differ when a paired test gives less than this.
SIGNIFICANCE = 0.05

UNTOUCHED = "untouched"


class StageScore(BaseModel):
    """How a stage's student did on a set of queries with answers. Accuracy and interval are shares in [0, 1]."""

    name: str
    accuracy: float
    accuracy_ci: tuple[float, float]
    mean_output_tokens: float
    seconds_per_answer: float
    questions: int


class Recommendation(NamedTuple):
    """A stage's name, and one sentence why."""

    stage: str
    why: str


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share (Wilson 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(correct, total).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Two-sided p of the exact McNemar test: do two students differ on the same questions? (McNemar 1947)"""
    from scipy.stats import binomtest

    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def score_stage(name: str, predictions: Sequence[Prediction]) -> StageScore:
    """A stage's accuracy on the queries that have an answer, and its cost over all."""
    verdicts = [p.correct for p in predictions if p.correct is not None]
    low, high = wilson_interval(sum(verdicts), len(verdicts))
    return StageScore(
        name=name,
        accuracy=round(sum(verdicts) / len(verdicts), 4),
        accuracy_ci=(round(low, 4), round(high, 4)),
        mean_output_tokens=round(sum(p.tokens for p in predictions) / len(predictions), 2),
        seconds_per_answer=round(sum(p.seconds for p in predictions) / len(predictions), 4),
        questions=len(verdicts),
    )


def recommend(stages: Mapping[str, Sequence[Prediction]], measured_on: str) -> Recommendation:
    """The tersest stage whose accuracy is not significantly below the best stage's.

    Args:
        stages: each stage's predictions on the same queries, in the same order.
        measured_on: what those queries are, for the sentence.
    """
    scores = {name: score_stage(name, predictions) for name, predictions in stages.items()}
    verdicts = {name: [bool(p.correct) for p in rows if p.correct is not None] for name, rows in stages.items()}
    best = max(scores.values(), key=lambda s: (s.accuracy, -s.mean_output_tokens))
    p_values = {name: mcnemar(verdicts[name], verdicts[best.name]) for name in stages}
    fit = [s for s in scores.values() if p_values[s.name] >= SIGNIFICANCE or s.accuracy >= best.accuracy]
    chosen = min(fit, key=lambda s: (s.mean_output_tokens, -s.accuracy))
    return Recommendation(chosen.name, _why(chosen, best, p_values[chosen.name], measured_on))


def _why(chosen: StageScore, best: StageScore, p_value: float, measured_on: str) -> str:
    where = f"on the {chosen.questions} questions of {measured_on}"
    tokens = f"{chosen.mean_output_tokens:.1f} output tokens"
    if chosen.name == best.name:
        return (
            f"{chosen.name} is the most accurate {where} ({chosen.accuracy:.1%} at {tokens}); no terser one is as good."
        )
    return (
        f"{chosen.name} is the tersest ({tokens}) whose accuracy {where} ({chosen.accuracy:.1%}) is not significantly "
        f"below that of the best, {best.name} ({best.accuracy:.1%} at {best.mean_output_tokens:.1f}; "
        f"paired exact McNemar test, p = {p_value:.2f})."
    )
