"""How often 95 % intervals hold the truth, and how often tests at 5 % see a difference where there is none.

Evaluations are made up from known accuracies and lengths: each question has a difficulty, which both models share, and
each answer chance of its own. The intervals and tests are those that a run reports (`twt_core.metrics`,
`twt_core.comparisons`, `twt_core.resampling`); beside them, where it tells something, one that was not chosen.

    python benchmarks/coverage.py [--repeats 2000] [--sizes 20 100 300] [--output docs/results/coverage.json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from twt_core.comparisons import difference_interval, mcnemar
from twt_core.metrics import share_interval
from twt_core.resampling import percentile_interval, resampled_means, sign_flip

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rng = np.random.Generator

SIZES = (20, 100, 300)
RESAMPLES = 2000
SAMPLES = 5
#: How much of the variance is the answer's own; the rest is the question's.
OWN = 0.3


class Row(NamedTuple):
    """One measurement: `share` of the repeats in which the interval held the truth, or the test said "different"."""

    what: str
    questions: int
    share: float
    mean_width: float | None


def right(rng: Rng, difficulty: NDArray[np.float64], accuracy: float, samples: int) -> NDArray[np.bool_]:
    """Right or wrong, shape (questions, samples); `accuracy` over all questions that there could be."""
    from scipy.stats import norm

    noise = rng.normal(0, OWN**0.5, (len(difficulty), samples))
    answers: NDArray[np.bool_] = difficulty[:, None] + noise < float(norm.ppf(accuracy))
    return answers


def difficulties(rng: Rng, questions: int) -> NDArray[np.float64]:
    return rng.normal(0, (1 - OWN) ** 0.5, questions)


Interval = Callable[["Rng", int], tuple[float, float, float]]


def wilson(accuracy: float, samples: int) -> Interval:
    """The interval of one model's accuracy."""

    def made(rng: Rng, n: int) -> tuple[float, float, float]:
        shares = right(rng, difficulties(rng, n), accuracy, samples).mean(axis=1)
        return *share_interval(shares.tolist(), n * samples), accuracy

    return made


def bootstrapped_accuracy(accuracy: float, samples: int) -> Interval:
    """The same by a plain bootstrap over questions, which was not chosen."""

    def made(rng: Rng, n: int) -> tuple[float, float, float]:
        shares = right(rng, difficulties(rng, n), accuracy, samples).mean(axis=1, keepdims=True)
        return *percentile_interval(resampled_means(shares, RESAMPLES, 0)[:, 0]), accuracy

    return made


def difference(first: float, second: float, samples: int) -> Interval:
    """The interval of a difference between two models on the same questions."""

    def made(rng: Rng, n: int) -> tuple[float, float, float]:
        difficulty = difficulties(rng, n)
        sides = [right(rng, difficulty, accuracy, samples).mean(axis=1) for accuracy in (first, second)]
        return *difference_interval(sides[1] - sides[0], RESAMPLES, 0), second - first

    return made


def plain_difference(first: float, second: float) -> Interval:
    """The same by a bootstrap of the questions alone, which was not chosen."""

    def made(rng: Rng, n: int) -> tuple[float, float, float]:
        difficulty = difficulties(rng, n)
        sides = [right(rng, difficulty, accuracy, 1)[:, 0].astype(float) for accuracy in (first, second)]
        means = resampled_means((sides[1] - sides[0])[:, None], RESAMPLES, 0)
        return *percentile_interval(means[:, 0]), second - first

    return made


def ratio(spread: float) -> Interval:
    """The interval of a ratio of mean lengths; `spread` is that of their logarithms."""

    def made(rng: Rng, n: int) -> tuple[float, float, float]:
        first = rng.lognormal(4, spread, n)
        tokens = first[:, None] * [1, 0.3] * rng.lognormal(0, spread / 2, (n, 2))
        means = resampled_means(tokens, RESAMPLES, 0)
        return *percentile_interval(means[:, 1] / means[:, 0]), 0.3

    return made


INTERVALS: dict[str, Interval] = {
    "accuracy 50 %, 1 answer a question": wilson(0.5, 1),
    "accuracy 95 %, 1 answer a question": wilson(0.95, 1),
    "accuracy 95 %, plain bootstrap instead": bootstrapped_accuracy(0.95, 1),
    f"accuracy 50 %, {SAMPLES} answers a question": wilson(0.5, SAMPLES),
    f"accuracy 95 %, {SAMPLES} answers a question": wilson(0.95, SAMPLES),
    f"accuracy 95 %, {SAMPLES} answers, plain bootstrap instead": bootstrapped_accuracy(0.95, SAMPLES),
    "difference 50 to 55 %": difference(0.5, 0.55, 1),
    "difference 50 to 50 %": difference(0.5, 0.5, 1),
    "difference 95 to 97 %": difference(0.95, 0.97, 1),
    "difference 95 to 97 %, plain bootstrap instead": plain_difference(0.95, 0.97),
    f"difference 50 to 55 %, {SAMPLES} answers a question": difference(0.5, 0.55, SAMPLES),
    "token ratio, lengths alike": ratio(0.3),
    "token ratio, lengths far apart": ratio(1.0),
}


def mcnemar_differs(rng: Rng, n: int) -> bool:
    """Whether the exact McNemar test takes two equal models for different ones."""
    difficulty = difficulties(rng, n)
    return mcnemar(*(right(rng, difficulty, 0.5, 1)[:, 0].tolist() for _ in range(2))) < 0.05


def flips_differ(rng: Rng, n: int) -> bool:
    """Whether the permutation test does, with several answers a question."""
    difficulty = difficulties(rng, n)
    first, second = (right(rng, difficulty, 0.5, SAMPLES).mean(axis=1) for _ in range(2))
    return sign_flip(second - first, RESAMPLES, int(rng.integers(2**31))) < 0.05


TESTS: dict[str, Callable[[Rng, int], bool]] = {
    "equal models, exact McNemar": mcnemar_differs,
    f"equal models, permutation, {SAMPLES} answers": flips_differ,
}


def measure(sizes: tuple[int, ...], repeats: int) -> Iterator[Row]:
    """All measurements, each with a seed of its own."""
    import numpy as np

    for what, interval in INTERVALS.items():
        for n in sizes:
            rng = np.random.default_rng([n, len(what)])
            made = np.array([interval(rng, n) for _ in range(repeats)])
            held = (made[:, 0] <= made[:, 2]) & (made[:, 2] <= made[:, 1])
            yield Row(what, n, round(float(held.mean()), 4), round(float((made[:, 1] - made[:, 0]).mean()), 4))
    for what, differs in TESTS.items():
        for n in sizes:
            rng = np.random.default_rng([n, len(what)])
            yield Row(what, n, round(float(np.mean([differs(rng, n) for _ in range(repeats)])), 4), None)


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="questions of an evaluation")
    parser.add_argument("--output", type=Path, help="write the rows there, as JSON")
    arguments = parser.parse_args()
    began, rows = time.perf_counter(), []
    for row in measure(tuple(arguments.sizes), arguments.repeats):
        rows.append(row)
        width = "" if row.mean_width is None else f"  mean width {row.mean_width:.3f}"
        print(f"{row.what:<52} n = {row.questions:<5} {row.share:>6.1%}{width}", flush=True)
    print(f"{arguments.repeats} repeats, {time.perf_counter() - began:.0f} s")
    if arguments.output is not None:
        found = {"repeats": arguments.repeats, "resamples": RESAMPLES, "rows": [row._asdict() for row in rows]}
        arguments.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
