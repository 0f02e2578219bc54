"""The paper's alternative: the teacher's own token probabilities (table 4, 'log probability-based')."""

from __future__ import annotations

import math
from collections.abc import Sequence

from twt_core.components import ConfidenceScorer, Context
from twt_core.records import Annotation


class Logprob(ConfidenceScorer):
    """exp of the mean token log-probability of the whole text: the geometric mean of the token probabilities.

    Needs teachers that return log-probs; an annotation without them has no confidence. The scale is not that of a
    self-reported score: choose the filter's threshold for it.
    """

    def score(self, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
        """See `ConfidenceScorer.score`."""
        return [_geometric_mean(annotation) for annotation in annotations]


def _geometric_mean(annotation: Annotation) -> float | None:
    if not annotation.logprobs:
        return None
    mean = sum(token.logprob for token in annotation.logprobs) / len(annotation.logprobs)
    return min(1.0, math.exp(mean))
