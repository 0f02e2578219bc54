"""The L-ensemble of one query's annotations, and two ways to take a subset of it.

Source: Kulesza & Taskar 2012, "Determinantal Point Processes for Machine Learning".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from math import comb
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Up to so many subsets, the most probable one is found by looking at all.
MOST_SUBSETS = 5_000
#: Subsets whose determinants are computed at once.
BLOCK = 1_000
#: Logarithms of determinants are compared to this many decimals.
DECIMALS = 9
#: A singular value of the features that is less than this share of the largest is rounding.
NEGLIGIBLE = 1e-6


def features(quality: Sequence[float], vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """B with L = B B^T = diag(q) S diag(q), where S = (1 + cosine) / 2: shape (annotations, dimensions + 1).

    The quality-diversity decomposition (their section 3.1). S is (1 + cosine) / 2 and not the cosine, so that of two
    pairs of equal quality the one with the lower cosine has the higher determinant even where cosines are negative.

    Args:
        quality: q of each annotation, from 0 to 1.
        vectors: a unit vector for each, shape (annotations, dimensions).
    """
    import numpy as np

    units = vectors / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)  # float32 is 1 to 7 digits only
    halves = np.sqrt(0.5) * np.hstack([units, np.ones((len(units), 1))])
    return np.asarray(np.asarray(quality, dtype=np.float64)[:, None] * halves)


def most_probable(rows: NDArray[np.float64], size: int) -> list[int]:
    """The subset of `size` with the highest determinant, of equal ones the first: the mode of the k-DPP.

    Finding it is NP-hard (Ko, Lee & Queyranne 1995). Of up to `MOST_SUBSETS` subsets all are compared; of more, rows
    are taken one by one, each the one that gives the highest determinant with those before it.

    Args:
        rows: `features`.
        size: k, at most the number of rows.

    Returns: positions of `size` rows, or of as many as are linearly independent.
    """
    if comb(len(rows), size) <= MOST_SUBSETS and comb(len(rows), rank := min(size, _rank(rows))) <= MOST_SUBSETS:
        return _best_of_all(rows, rank)
    return _greedy(rows, size)


def sample(rows: NDArray[np.float64], size: int, seed: int) -> list[int]:
    """A draw from the k-DPP: a subset of `size` comes with a probability proportional to its determinant.

    Exact (their algorithm 8), by DPPy (Gautier, Polito, Bardenet & Valko 2019).

    Args:
        rows: `features`.
        size: k, at most the number of rows.
        seed: from 0 to 2^32 - 1.

    Returns: positions of `size` rows, or of as many as are linearly independent.
    """
    import numpy as np

    # And not dppy.finite_dpps, which takes seconds to import matplotlib's pyplot.
    from dppy.exact_sampling import k_dpp_eig_vecs_selector, proj_dpp_sampler_eig

    vectors, values, _ = np.linalg.svd(rows, full_matrices=False)
    there = _not_negligible(values)
    rank = min(size, int(there.sum()))
    if rank == 0:
        return []
    # The square of a singular value of B is an eigenvalue of L. DPPy's sums of products of them want no small numbers.
    eigenvalues = (values[there] / values[0]) ** 2
    random = np.random.RandomState(seed)
    chosen = k_dpp_eig_vecs_selector(eigenvalues, vectors[:, there], rank, random_state=random)
    return [int(row) for row in proj_dpp_sampler_eig(chosen, random_state=random)]


def _rank(rows: NDArray[np.float64]) -> int:
    import numpy as np

    return int(_not_negligible(np.linalg.svd(rows, compute_uv=False)).sum())


def _not_negligible(singular_values: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    import numpy as np

    return np.asarray(singular_values > NEGLIGIBLE * singular_values[0])


def _best_of_all(rows: NDArray[np.float64], size: int) -> list[int]:
    import numpy as np

    kernel = rows @ rows.T
    best: list[int] = []
    highest = -np.inf
    for subsets in _blocks(combinations(range(len(rows)), size)):
        with np.errstate(divide="ignore"):  # the logarithm of a determinant that is 0
            logs = np.linalg.slogdet(kernel[subsets[:, :, None], subsets[:, None, :]]).logabsdet.round(DECIMALS)
        if logs.max() > highest:
            best, highest = subsets[logs.argmax()].tolist(), logs.max()
    return best


def _blocks(subsets: Iterator[tuple[int, ...]]) -> Iterator[NDArray[np.intp]]:
    import numpy as np

    while block := list(islice(subsets, BLOCK)):
        yield np.array(block, dtype=np.intp)


def _greedy(rows: NDArray[np.float64], size: int) -> list[int]:
    """Gram-Schmidt with pivots: what a row adds to the determinant is the square of what is left of its length."""
    import numpy as np

    left = rows.copy()
    chosen: list[int] = []
    least = NEGLIGIBLE**2 * float((rows**2).sum(axis=1).max())
    while len(chosen) < size:
        gains = (left**2).sum(axis=1)
        gains[chosen] = 0
        if gains.max() <= least:
            break
        best = int(np.log(np.maximum(gains, least)).round(DECIMALS).argmax())
        chosen.append(best)
        direction = left[best] / np.sqrt(gains[best])
        left -= np.outer(left @ direction, direction)
    return chosen
