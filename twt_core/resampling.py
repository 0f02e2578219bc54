"""What could have come out with other questions: the bootstrap over questions, and a test by flipping signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: How often questions are drawn anew. The ends of a 95 % interval then vary by about 1 % of its width.
RESAMPLES = 10_000
#: How sure an interval is.
CONFIDENCE = 0.95

# Numbers held at a time, so that memory does not grow with the questions: about 30 MB.
_HELD = 1_000_000


def resampled_means(values: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """The means of as many rows drawn with putting back, again and again (Efron 1979).

    Args:
        values: one row a question, one column a quantity, shape (n, c), n at least 1. A row's columns stay together,
            which is what makes a comparison paired.
        resamples: how often.
        seed: of the drawing; the same gives the same.

    Returns:
        Shape (resamples, c).
    """
    import numpy as np

    rng, (n, columns) = np.random.default_rng(seed), values.shape
    means = np.empty((resamples, columns))
    at_once = max(1, _HELD // n)
    for start in range(0, resamples, at_once):
        drawn = rng.integers(0, n, (min(at_once, resamples - start), n), dtype=np.int32)
        for column in range(columns):
            means[start : start + len(drawn), column] = values[drawn, column].mean(axis=1)
    return means


def percentile_interval(resampled: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of resampled values (the percentile interval: Efron and Tibshirani 1993, chapter 13)."""
    import numpy as np

    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def sign_flip(differences: NDArray[np.float64], resamples: int, seed: int) -> float:
    """Two-sided p of the paired permutation test: is the mean difference further from 0 than chance signs make it?

    The test of Fisher (1935, section 21) with random flips, their p as Phipson and Smyth (2010) count it: never 0. For
    differences of -1, 0 and 1 it approaches the exact McNemar test.

    Args:
        differences: one a question, shape (n,).
        resamples: how many random assignments of signs.
        seed: of the flips.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    # The flips of m equal differences sum to a binomial number: no need to flip each.
    sizes, counts = np.unique(np.abs(differences[differences != 0]).round(12), return_counts=True)
    flipped = np.zeros(resamples)
    for size, count in zip(sizes, counts, strict=True):
        flipped += size * (2.0 * rng.binomial(count, 0.5, resamples) - count)
    as_far = int((np.abs(flipped) >= abs(float(differences.sum())) - 1e-9).sum())
    return (1 + as_far) / (1 + resamples)
