"""Near-duplicates among many vectors, by FAISS."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import TYPE_CHECKING, Any

from twt_plugins.diversity_selectors.by_rationale import DECIMALS, cosines

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Rows looked up at once. Memory is the vectors, the index of the kept ones, and the cosines of one block.
BLOCK = 1024
#: Rows a cell that its center is learned from; FAISS would take 256, at four times the time.
TRAINED_ON = 64


def without_near_duplicates(
    vectors: NDArray[np.float32], order: Sequence[int], similarity: float, probes: int | None = None
) -> list[int]:
    """Rows that are no near-duplicate of a row kept before them.

    Args:
        vectors: unit vectors, shape (rows, dimensions); at least one.
        order: the rows in the order of preference.
        similarity: the cosine from which on two are near-duplicates.
        probes: cells of an inverted file to look into; None compares with every kept row.
    """
    import numpy as np

    index = _exact(vectors) if probes is None else _approximate(vectors, probes)
    kept: list[int] = []
    for start in range(0, len(order), BLOCK):
        rows = np.asarray(order[start : start + BLOCK])
        nearest = np.maximum(index.search(vectors[rows], 1)[0][:, 0], -1)  # FAISS: -3e38 while nothing is kept
        rows = rows[nearest.round(DECIMALS) < similarity]
        rows = rows[_first_of_each(vectors[rows], similarity)]
        index.add(vectors[rows])
        kept += rows.tolist()
    return kept


def _first_of_each(vectors: NDArray[np.float32], similarity: float) -> NDArray[np.bool_]:
    import numpy as np

    alike = np.tril(cosines(vectors, vectors) >= similarity, -1)
    first = np.ones(len(vectors), dtype=bool)
    for row in np.flatnonzero(alike.any(axis=1)):
        first[row] = not (alike[row] & first).any()
    return first


def _exact(vectors: NDArray[np.float32]) -> Any:  # FAISS has no types
    import faiss

    return faiss.IndexFlatIP(vectors.shape[1])


def _approximate(vectors: NDArray[np.float32], probes: int) -> Any:
    import faiss

    cells = isqrt(len(vectors))
    index = faiss.IndexIVFFlat(_exact(vectors), vectors.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, TRAINED_ON  # 1: no warning on small pools
    index.nprobe = min(probes, cells)
    index.train(vectors)
    return index
