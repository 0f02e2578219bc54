"""The paper's confidence: what the teacher says of its own work."""

from __future__ import annotations

from collections.abc import Sequence

from twt_core.components import ConfidenceScorer, Context
from twt_core.records import Annotation


class SelfReported(ConfidenceScorer):
    """c = sum_j w_j * m_j over the task's factors (section 3.1.1, eq. 1), as the teacher reports them.

    Where the teacher gives every factor, the sum is done here, since models add badly; where it gives the total only,
    which is what the prompts of appendix A ask for, the total is taken. Neither: no confidence.
    """

    def score(self, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
        """See `ConfidenceScorer.score`."""
        return [_weighted(annotation, context.task.factor_weights) for annotation in annotations]


def _weighted(annotation: Annotation, weights: dict[str, float]) -> float | None:
    if weights and all(factor in annotation.factors for factor in weights):
        total = sum(weight * annotation.factors[factor] for factor, weight in weights.items())
        return min(1.0, max(0.0, round(total, 6)))
    return annotation.score
