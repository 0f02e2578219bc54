"""Facility location: chosen rationales that stand for all the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twt_core.components import Context
from twt_core.records import Annotation
from twt_plugins.diversity_selectors.by_rationale import ByRationale
from twt_plugins.diversity_selectors.per_query import UpToN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Candidates whose gain is computed at once.
BLOCK = 64
#: Gains, sums of similarities, are compared to this many decimals.
DECIMALS = 4


class FacilityLocation(UpToN, ByRationale):
    """n annotations a query that cover all of them best (Lin & Bilmes 2011, "A class of submodular functions").

    Maximizes the sum over all of the query's rationales of their highest similarity, (1 + cosine) / 2, to a chosen one.
    Greedy: at least 1 - 1/e of the best possible sum (Nemhauser, Wolsey & Fisher 1978); of equals the first in order.
    """

    def picks(self, queries: Sequence[Sequence[Annotation]], context: Context) -> list[list[int]]:
        """See `PerQuery.picks`."""
        return [facility_location(vectors, self.n) for vectors in self.vectors_by_query(queries, context)]


def facility_location(vectors: NDArray[np.float32], n: int) -> list[int]:
    """Rows of unit vectors, at most n, in the order of choice. Lazily greedy (Minoux 1978).

    A gain only falls as more is chosen, so an old one is an upper bound: only rows whose bound is the highest are
    computed anew. No matrix of all similarities is made: memory is a few times rows x `BLOCK`.
    """
    import numpy as np

    covered = np.full(len(vectors), -1, dtype=np.float32)  # the highest cosine to a chosen row; -1 is similarity 0
    # Every row's sum of (1 + cosine) / 2, without the cosines.
    total = vectors.sum(axis=0, dtype=np.float64).astype(np.float32)
    bounds = ((len(vectors) + (vectors @ total).astype(np.float64)) / 2).round(DECIMALS)
    fresh = np.ones(len(vectors), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < min(n, len(vectors)):
        best = int(bounds.argmax())
        if fresh[best]:
            chosen.append(best)
            covered = np.maximum(covered, vectors @ vectors[best])
            fresh[:], bounds[best] = False, -np.inf
        else:
            stale = _highest(np.where(fresh, -np.inf, bounds))
            bounds[stale], fresh[stale] = _gains(vectors, stale, covered), True
    return chosen


def _highest(bounds: NDArray[np.float64]) -> NDArray[np.intp]:
    import numpy as np

    top = np.argpartition(-bounds, min(BLOCK, len(bounds)) - 1)[:BLOCK]
    return top[np.isfinite(bounds[top])]


def _gains(vectors: NDArray[np.float32], rows: NDArray[np.intp], covered: NDArray[np.float32]) -> NDArray[np.float64]:
    import numpy as np

    better: NDArray[np.float32] = vectors[rows] @ vectors.T
    better -= covered
    np.maximum(better, 0, out=better)
    gains: NDArray[np.float64] = better.sum(axis=1).astype(np.float64) / 2
    return gains.round(DECIMALS)
