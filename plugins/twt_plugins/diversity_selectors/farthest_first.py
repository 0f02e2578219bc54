"""k-center: chosen rationales from which no other is far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twt_core.components import Context
from twt_core.records import Annotation
from twt_plugins.diversity_selectors.by_rationale import ByRationale, cosines
from twt_plugins.diversity_selectors.most_confident import by_confidence
from twt_plugins.diversity_selectors.per_query import UpToN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class FarthestFirst(UpToN, ByRationale):
    """n annotations a query by farthest-first traversal (Gonzalez 1985, "Clustering to minimize the maximum distance").

    It starts at the most confident annotation; each next one is the farthest from its nearest chosen one, the first in
    order of equals. The greatest distance left is at most twice the least possible.
    """

    def picks(self, queries: Sequence[Sequence[Annotation]], context: Context) -> list[list[int]]:
        """See `PerQuery.picks`."""
        starts = [by_confidence(annotations)[0] for annotations in queries]
        vectors = self.vectors_by_query(queries, context)
        return [farthest_first(rows, start, self.n) for rows, start in zip(vectors, starts, strict=True)]


def farthest_first(vectors: NDArray[np.float32], start: int, n: int) -> list[int]:
    """Rows of unit vectors, at most n, in the order of choice, from row `start` on."""
    import numpy as np

    chosen = [start]
    nearest = np.full(len(vectors), -np.inf)
    while len(chosen) < min(n, len(vectors)):
        nearest = np.maximum(nearest, cosines(vectors, vectors[chosen[-1:]])[:, 0])
        nearest[chosen] = np.inf
        chosen.append(int(nearest.argmin()))
    return chosen
