"""Maximal marginal relevance: confidence against similarity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from twt_core.components import Context
from twt_core.records import Annotation
from twt_plugins.diversity_selectors.by_rationale import ByRationale, cosines
from twt_plugins.diversity_selectors.per_query import UpToN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class MaximalMarginalRelevance(UpToN, ByRationale):
    """n annotations a query by maximal marginal relevance (Carbonell & Goldstein 1998), confidence as relevance.

    One after the other that with the highest ``balance * confidence - (1 - balance) * s``, where s is the highest
    cosine to one already chosen, 0 for the first; of equals the first in order.
    """

    balance: float = Field(
        default=0.5, ge=0, le=1, description="Their lambda: 1 looks at the confidence alone, 0 at the similarity alone."
    )

    def picks(self, queries: Sequence[Sequence[Annotation]], context: Context) -> list[list[int]]:
        """See `PerQuery.picks`."""
        confidences = [[annotation.confidence or 0.0 for annotation in annotations] for annotations in queries]
        vectors = self.vectors_by_query(queries, context)
        return [self._marginal(rows, known) for rows, known in zip(vectors, confidences, strict=True)]

    def _marginal(self, vectors: NDArray[np.float32], confidences: Sequence[float]) -> list[int]:
        import numpy as np

        relevance = self.balance * np.array(confidences)
        chosen = [int(relevance.argmax())]
        nearest = np.full(len(vectors), -np.inf)
        while len(chosen) < self.n:
            nearest = np.maximum(nearest, cosines(vectors, vectors[chosen[-1:]])[:, 0])
            gains = (relevance - (1 - self.balance) * nearest).round(9)
            gains[chosen] = -np.inf
            chosen.append(int(gains.argmax()))
        return chosen
