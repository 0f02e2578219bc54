"""The paper's selector: the two rationales that are least alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from twt_core.components import Context
from twt_core.records import Annotation
from twt_plugins.diversity_selectors.by_rationale import DECIMALS, ByRationale
from twt_plugins.diversity_selectors.pairs import OnePair, Pair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Vectors compared at once: 6 MB of 384 dimensions.
BLOCK = 4096


class MinSimilarityPair(OnePair, ByRationale):
    """The pair (p*, q*) of lowest cosine similarity between rationale embeddings (section 3.1.2, eq. 2-3).

    Applies to queries with kept annotations of three or more teachers, and only to pairs of two distinct teachers;
    with fewer teachers all are kept. Of equal pairs the first in teacher order is taken.
    """

    def picks(self, queries: Sequence[Sequence[Annotation]], context: Context) -> list[list[int]]:
        """See `PerQuery.picks`."""
        vectors = self.vectors([annotation for annotations in queries for annotation in annotations], context)
        teachers = [[annotation.teacher for annotation in annotations] for annotations in queries]
        return [list(pair) for pair in least_similar_pairs(vectors, teachers)]


def least_similar_pairs(vectors: NDArray[np.float32], teachers: Sequence[Sequence[str]]) -> list[Pair]:
    """For each query the two unit vectors, of different teachers, with the lowest cosine; the first pair on a tie.

    Args:
        vectors: shape (annotations, dimensions), query after query.
        teachers: for each query the teachers of its annotations, at least two different ones.
    """
    import numpy as np

    starts = np.array(list(accumulate((len(names) for names in teachers), initial=0)))
    numbers = {name: number for number, name in enumerate(dict.fromkeys(name for names in teachers for name in names))}
    by_size = defaultdict(list)
    for query, names in enumerate(teachers):
        by_size[len(names)].append(query)
    pairs: list[Pair] = [(0, 0)] * len(teachers)
    for size, queries in by_size.items():
        step = max(1, BLOCK // size)
        for block in (queries[start : start + step] for start in range(0, len(queries), step)):
            rows = starts[block][:, None] + np.arange(size)
            codes = np.array([[numbers[name] for name in teachers[query]] for query in block])
            for query, pair in zip(block, _of_one_size(vectors[rows], codes), strict=True):
                pairs[query] = pair
    return pairs


def _of_one_size(vectors: NDArray[np.float32], teachers: NDArray[np.int_]) -> list[Pair]:
    import numpy as np

    size = vectors.shape[1]
    cosines = (vectors @ vectors.transpose(0, 2, 1)).round(DECIMALS)
    allowed = np.triu(teachers[:, :, None] != teachers[:, None, :])
    lowest = np.where(allowed, cosines, np.inf).reshape(len(vectors), -1).argmin(axis=1)
    return [divmod(int(position), size) for position in lowest]
