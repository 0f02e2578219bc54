"""Which stage's student to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from twt_core.comparisons import difference_p
from twt_core.metrics import SIGNIFICANCE, StageScore, score_stage
from twt_core.records import Prediction


class Recommendation(NamedTuple):
    """A stage's name, and one sentence why."""

    stage: str
    why: str


class _Known(NamedTuple):
    """A stage whose accuracy is known, and p of its difference from the best one."""

    name: str
    accuracy: float
    tokens: float
    questions: int
    p_value: float


def recommend(stages: Mapping[str, Sequence[Prediction]], measured_on: str) -> Recommendation:
    """The tersest stage whose accuracy is not significantly below the best stage's.

    The test is paired: exact McNemar; with several answers a question, the permutation test of their shares
    (`twt_core.comparisons`). Where no answer is graded nothing speaks for any training: the first stage it is.

    Args:
        stages: each stage's predictions on the same queries.
        measured_on: what those queries are, for the sentence.
    """
    scores = {name: score_stage(name, predictions) for name, predictions in stages.items()}
    graded = [score for score in scores.values() if score.accuracy is not None]
    if not graded:
        first = next(iter(stages))
        return Recommendation(first, f"No answer to {measured_on} could be graded: {first} is no more than the first.")
    best = max(graded, key=lambda s: (s.accuracy or 0.0, -s.mean_output_tokens))
    known = [_known(score, stages[score.name], stages[best.name]) for score in graded]
    top = next(stage for stage in known if stage.name == best.name)
    fit = [s for s in known if s.p_value >= SIGNIFICANCE or s.accuracy >= top.accuracy]
    chosen = min(fit, key=lambda s: (s.tokens, -s.accuracy))
    several = any(score.graded > score.questions for score in graded)
    test = "paired permutation test" if several else "paired exact McNemar test"
    return Recommendation(chosen.name, _why(chosen, top, measured_on, test))


def _known(score: StageScore, own: Sequence[Prediction], best: Sequence[Prediction]) -> _Known:
    p_value = difference_p(best, own)
    # No question graded on both sides: nothing says that they differ.
    p_value = 1.0 if p_value is None else p_value
    return _Known(score.name, score.accuracy or 0.0, score.mean_output_tokens, score.questions, p_value)


def _why(chosen: _Known, best: _Known, measured_on: str, test: str) -> str:
    where = f"on the {chosen.questions} questions of {measured_on}"
    tokens = f"{chosen.tokens:.1f} output tokens"
    if not best.accuracy:
        return f"No stage has a right answer {where}: {chosen.name} is the tersest ({tokens}), and nothing more."
    if chosen.name == best.name:
        return (
            f"{chosen.name} is the most accurate {where} ({chosen.accuracy:.1%} at {tokens}); no terser one is as good."
        )
    return (
        f"{chosen.name} is the tersest ({tokens}) whose accuracy {where} ({chosen.accuracy:.1%}) is not significantly "
        f"below that of the best, {best.name} ({best.accuracy:.1%} at {best.tokens:.1f}; {test}, "
        f"p = {chosen.p_value:.2f})."
    )
