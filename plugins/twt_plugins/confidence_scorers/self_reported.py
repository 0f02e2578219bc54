"""The paper's confidence: what the teacher says of its own work."""

from __future__ import annotations

from collections.abc import Sequence

from twt_core.components import ConfidenceScorer, Context
from twt_core.records import Annotation


class SelfReported(ConfidenceScorer):
    """c = sum_j w_j * m_j over the task's factors (section 3.1.1, eq. 1), as the teacher reports them.

    Where the teacher gives every factor, the sum is done here, since models add badly; where it gives the total only,
    which is what the prompts of appendix A ask for, the total is taken. Neither, or a number that is not from 0 to 1:
    no confidence, so that the row fails with its text kept.
    """

    def score(self, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
        """See `ConfidenceScorer.score`."""
        task, queries = context.task, context.queries
        return [_weighted(a, task.factor_weights(queries[a.query_id])) for a in annotations]


def _weighted(annotation: Annotation, weights: dict[str, float]) -> float | None:
    given = [annotation.factors[factor] for factor in weights if factor in annotation.factors]
    if not all(_in_range(value) for value in given):
        return None
    if weights and len(given) == len(weights):
        total = sum(weight * annotation.factors[factor] for factor, weight in weights.items())
        return min(1.0, round(total, 6))
    return annotation.score if annotation.score is not None and _in_range(annotation.score) else None


def _in_range(value: float) -> bool:
    return 0 <= value <= 1  # false for NaN, too
