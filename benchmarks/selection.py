"""How diversity selection grows: time and peak memory at 1,000 to 1,000,000 annotations of 384 dimensions.

Each measurement is a process of its own, with one thread, on vectors made from a seed: topics of about 100 rows, and
every tenth row a near-copy (cosine 0.96 to 0.98) of an earlier one. Seconds are the CPU time of that one thread, which
other work on the machine disturbs least. Memory is the process's peak less its peak before the method ran: the vectors,
which every method is given, are not in it. A method that would pass the limit at its next size, by its growth so far or
the square of the size if there is only one, is not run there.

    python benchmarks/selection.py [--sizes 1000 10000 ...] [--limit 60] [--output docs/results/selection.json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from heapq import heapify, heappop, heappush
from importlib.metadata import version
from itertools import combinations
from math import isqrt, log
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Rows, or pairs of a query's annotations.
Answer = list[int] | list[tuple[int, int]]

DIMENSIONS = 384
#: Annotations a query, each of a teacher of its own, for the pairs.
TEACHERS = 4
SIMILARITY = 0.95
#: Rows that facility location chooses.
CHOSEN = 100
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
LIMIT = 60.0
#: What a near-copy has of a random vector.
NOISE = 0.3
_BLOCK = 10_000


class Made(NamedTuple):
    """Unit vectors, shape (rows, dimensions), and which rows are planted near-copies."""

    vectors: NDArray[np.float32]
    copies: NDArray[np.bool_]


class Row(NamedTuple):
    """One measurement, in CPU seconds. Without them it was not run, and `note` says why.

    `quality` is the share of planted near-copies that were dropped, or the mean similarity of a row to the nearest
    chosen one. Equal digests are equal answers.
    """

    task: str
    method: str
    rows: int
    seconds: float | None = None
    megabytes: float | None = None
    quality: float | None = None
    digest: str = ""
    note: str = ""


class Growth(NamedTuple):
    """The exponent b of time ~ rows^b, fitted by least squares to the logarithms; None for less than three sizes."""

    task: str
    method: str
    exponent: float | None


def make(rows: int) -> Made:
    """The vectors, a block at a time, so that making them needs little memory besides."""
    import numpy as np

    random = np.random.default_rng(rows)
    topics = random.standard_normal((max(1, rows // 100), DIMENSIONS), dtype=np.float32)
    vectors = np.empty((rows, DIMENSIONS), dtype=np.float32)
    copies = np.arange(rows) % 10 == 9
    for start in range(0, rows, _BLOCK):
        block = vectors[start : start + _BLOCK]
        random.standard_normal(out=block, dtype=np.float32)
        block += topics[random.integers(len(topics), size=len(block))]
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        copied = start + np.flatnonzero(copies[start : start + _BLOCK])
        originals = 10 * random.integers(copied // 10 + 1)  # the first of an earlier ten, or of its own
        vectors[copied] = NOISE * vectors[copied] + vectors[originals]
        vectors[copied] /= np.linalg.norm(vectors[copied], axis=1, keepdims=True)
    return Made(vectors, copies)


def batched_pairs(made: Made) -> Answer:
    """The selector's: queries of one size at once."""
    from twt_plugins.diversity_selectors.min_similarity_pair import least_similar_pairs

    return least_similar_pairs(made.vectors, [[str(n) for n in range(TEACHERS)]] * (len(made.vectors) // TEACHERS))


def looped_pairs(made: Made) -> Answer:
    """The obvious loop: pair by pair."""
    found = []
    for start in range(0, len(made.vectors), TEACHERS):
        own = made.vectors[start : start + TEACHERS]
        pairs = combinations(range(TEACHERS), 2)
        found.append(min(pairs, key=lambda pair: round(float(own[pair[0]] @ own[pair[1]]), 6)))
    return found


def whole_matrix_pairs(made: Made) -> Answer:
    """Brute force: every cosine of the corpus, of which each query's block is looked at."""
    import numpy as np

    cosines, found = (made.vectors @ made.vectors.T).round(6), []
    upper = np.triu(np.ones((TEACHERS, TEACHERS)), 1) == 0
    for start in range(0, len(made.vectors), TEACHERS):
        own = np.where(upper, np.inf, cosines[start : start + TEACHERS, start : start + TEACHERS])
        found.append(divmod(int(own.argmin()), TEACHERS))
    return found


def exact_removal(made: Made) -> Answer:
    """The selector's exact search."""
    from twt_plugins.diversity_selectors.near_duplicates import without_near_duplicates

    return without_near_duplicates(made.vectors, range(len(made.vectors)), SIMILARITY)


def approximate_removal(made: Made) -> Answer:
    """The selector's approximate search, at its default."""
    from twt_plugins.diversity_selectors.near_duplicate_removal import NearDuplicateRemoval

    return _approximate_removal(made, NearDuplicateRemoval.model_fields["probes"].default)


def quick_removal(made: Made) -> Answer:
    """The same with `probes: 2`."""
    return _approximate_removal(made, 2)


def _approximate_removal(made: Made, probes: int) -> Answer:
    from twt_plugins.diversity_selectors.near_duplicates import without_near_duplicates

    return without_near_duplicates(made.vectors, range(len(made.vectors)), SIMILARITY, probes)


def looped_removal(made: Made) -> Answer:
    """The obvious loop: each row against those kept."""
    import numpy as np

    kept_vectors = np.empty_like(made.vectors)
    kept: list[int] = []
    for row, vector in enumerate(made.vectors):
        if not kept or (kept_vectors[: len(kept)] @ vector).max().round(6) < SIMILARITY:
            kept_vectors[len(kept)] = vector
            kept.append(row)
    return kept


def whole_matrix_removal(made: Made) -> Answer:
    """Brute force: every cosine, then row by row."""
    import numpy as np

    alike = (made.vectors @ made.vectors.T).round(6) >= SIMILARITY
    first = np.ones(len(made.vectors), dtype=bool)
    for row in range(1, len(made.vectors)):
        first[row] = not (alike[row, :row] & first[:row]).any()
    return np.flatnonzero(first).tolist()


def lazy_location(made: Made) -> Answer:
    """The selector's: lazily greedy, without the matrix."""
    from twt_plugins.diversity_selectors.facility_location import facility_location

    return facility_location(made.vectors, CHOSEN)


def looped_location(made: Made) -> Answer:
    """The obvious loop: each candidate's gain by itself, every time."""
    import numpy as np

    covered = np.zeros(len(made.vectors), dtype=np.float32)
    chosen: list[int] = []
    for _ in range(CHOSEN):
        gains = [
            -1.0 if row in chosen else np.maximum((1 + made.vectors @ vector) / 2 - covered, 0).sum()
            for row, vector in enumerate(made.vectors)
        ]
        chosen.append(int(np.argmax(gains)))
        covered = np.maximum(covered, (1 + made.vectors @ made.vectors[chosen[-1]]) / 2)
    return chosen


def whole_matrix_location(made: Made) -> Answer:
    """Brute force: every similarity kept, every gain computed every time."""
    import numpy as np

    similarities = (1 + made.vectors @ made.vectors.T) / 2
    covered = np.zeros(len(made.vectors), dtype=np.float32)
    chosen: list[int] = []
    for _ in range(CHOSEN):
        gains = np.maximum(similarities - covered, 0).sum(axis=1)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        covered = np.maximum(covered, similarities[chosen[-1]])
    return chosen


def neighbour_location(made: Made) -> Answer:
    """No selector's: only similarities to the approximate nearest 32 count, in a sparse matrix; lazily greedy on it."""
    import faiss
    import numpy as np
    from scipy.sparse import csr_array

    count, neighbours = len(made.vectors), 32
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(DIMENSIONS), DIMENSIONS, isqrt(count), faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid, index.cp.max_points_per_centroid, index.nprobe = 1, 64, 4
    index.train(made.vectors)
    index.add(made.vectors)
    cosines, ids = index.search(made.vectors, neighbours)
    found = ids.ravel() >= 0  # fewer than asked for where cells are small
    owners = np.repeat(np.arange(count), neighbours)[found]
    values = np.maximum(cosines.ravel()[found], 0)
    columns = csr_array((values, (owners, ids.ravel()[found])), shape=(count, count)).tocsc()
    covered = np.zeros(count, dtype=np.float32)
    heap = [(-float(bound), row, 0) for row, bound in enumerate(columns.sum(axis=0))]
    heapify(heap)
    chosen: list[int] = []
    while len(chosen) < CHOSEN:
        _, row, age = heappop(heap)
        own = slice(columns.indptr[row], columns.indptr[row + 1])
        rows, similar = columns.indices[own], columns.data[own]
        if age == len(chosen):
            chosen.append(row)
            covered[rows] = np.maximum(covered[rows], similar)
        else:
            heappush(heap, (-float(np.maximum(similar - covered[rows], 0).sum()), row, len(chosen)))
    return chosen


Method = Callable[[Made], Answer]

TASKS: dict[str, dict[str, Method]] = {
    "pair a query": {"selector": batched_pairs, "numpy loop": looped_pairs, "brute force": whole_matrix_pairs},
    "near-duplicate removal": {
        "selector, exact": exact_removal,
        "selector, approximate": approximate_removal,
        "selector, probes: 2": quick_removal,
        "numpy loop": looped_removal,
        "brute force": whole_matrix_removal,
    },
    "facility location": {
        "selector": lazy_location,
        "numpy loop": looped_location,
        "brute force": whole_matrix_location,
        "32 neighbours, FAISS": neighbour_location,
    },
}


def quality_of(task: str, answer: Answer, made: Made) -> float | None:
    """See `Row.quality`; None for pairs."""
    import numpy as np

    if task == "near-duplicate removal":
        return 1 - float(made.copies[answer].sum() / made.copies.sum())
    if task == "facility location":
        best = np.full(len(made.vectors), -1, dtype=np.float32)
        for row in answer:
            best = np.maximum(best, made.vectors @ made.vectors[row])
        return float((1 + best.mean()) / 2)
    return None


def peak_megabytes() -> float:
    """The most memory that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure(task: str, method: str, rows: int) -> Row:
    """Run one method in this process."""
    run, made = TASKS[task][method], make(rows)
    run(make(4 * CHOSEN))  # what is imported or set up at the first call
    before, started = peak_megabytes(), time.process_time()
    answer = run(made)
    seconds, megabytes = time.process_time() - started, peak_megabytes() - before
    digest = sha256(json.dumps(answer).encode()).hexdigest()[:12]
    return Row(task, method, rows, seconds, megabytes, quality_of(task, answer, made), digest)


def measured(task: str, method: str, rows: int, limit: float) -> Row:
    """Run one method in a fresh process with one thread, killed at twice the limit."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, __file__, "--one", task, method, str(rows)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=2 * limit + 60, env={**os.environ, **threads}
        )
    except subprocess.TimeoutExpired:
        return Row(task, method, rows, note=f"stopped after {2 * limit + 60:g} s")
    if done.returncode:
        return Row(task, method, rows, note=f"failed: {(done.stderr.strip().splitlines() or ['killed'])[-1]}")
    return Row(*json.loads(done.stdout))


def exponent(rows: Sequence[Row]) -> float | None:
    """The fitted growth of time with size, over two or more measurements."""
    points = [(log(row.rows), log(row.seconds)) for row in rows if row.seconds]
    if len(points) < 2:
        return None
    x_mean, y_mean = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - x_mean) * (x - x_mean) for x, _ in points)
    slope: float = sum((x - x_mean) * (y - y_mean) for x, y in points) / spread
    return slope


def predicted(rows: Sequence[Row], size: int) -> float:
    """Seconds at the next size by the growth between the last two, at least linear; by the square after one alone."""
    last, growth = rows[-1], exponent(rows[-2:])
    ratio: float = (size / last.rows) ** (2.0 if growth is None else max(1.0, growth))
    return (last.seconds or 0.0) * ratio


def series(task: str, method: str, sizes: Sequence[int], limit: float) -> list[Row]:
    """One method at every size, until one would take too long."""
    found: list[Row] = []
    for size in sizes:
        done = [row for row in found if row.seconds is not None]
        if done and predicted(done, size) > limit:
            why = f"not run: about {predicted(done, size):.0f} s, the limit is {limit:g} s"
            found.append(Row(task, method, size, note=why))
        elif len(done) < len(found):
            found.append(Row(task, method, size, note=found[-1].note))
        else:
            found.append(measured(task, method, size, limit))
        print(line(found[-1]), file=sys.stderr, flush=True)
    return found


def line(row: Row) -> str:
    """A measurement as a line of the table."""
    start = f"{row.task:24} {row.method:22} {row.rows:9,}"
    if row.seconds is None:
        return f"{start}  {row.note}"
    quality = "" if row.quality is None else f"{row.quality:8.4f}"
    return f"{start} {row.seconds:9.3f} s {row.megabytes:8.0f} MB {quality:8} {row.digest}"


def growths(rows: Sequence[Row]) -> list[Growth]:
    """The growth of each method."""
    found = []
    for task, method in dict.fromkeys((row.task, row.method) for row in rows):
        own = [row for row in rows if (row.task, row.method) == (task, method) and row.seconds]
        found.append(Growth(task, method, exponent(own) if len(own) > 2 else None))
    return found


def report(rows: Sequence[Row], sizes: Sequence[int], limit: float) -> dict[str, object]:
    """All measurements with the growth of each method and what they were made on."""
    return {
        "command": f"python benchmarks/selection.py --limit {limit:g} --sizes {' '.join(map(str, sizes))}",
        "machine": {
            "system": f"{platform.system()} {platform.machine()}", "python": platform.python_version(), "threads": 1,
        },
        "versions": {name: version(name) for name in ("numpy", "faiss-cpu")},
        "settings": {
            "dimensions": DIMENSIONS, "teachers": TEACHERS, "similarity": SIMILARITY, "chosen": CHOSEN,
            "limit_seconds": limit,
        },
        "measurements": [row._asdict() for row in rows],
        "growth": [entry._asdict() for entry in growths(rows)],
    }  # fmt: skip


def main() -> None:
    """Measure, print the table, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds that one measurement may take")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    parser.add_argument("--one", nargs=3, metavar=("TASK", "METHOD", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        task, method, rows = arguments.one
        print(json.dumps(measure(task, method, int(rows))))
        return
    found = [
        row
        for task, methods in TASKS.items()
        for method in methods
        for row in series(task, method, arguments.sizes, arguments.limit)
    ]
    whole = report(found, arguments.sizes, arguments.limit)
    if arguments.output:
        arguments.output.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    print("\n".join(map(line, found)))
    print("\nGrowth: time ~ rows^b")
    for entry in growths(found):
        print(f"{entry.task:24} {entry.method:22} {'-' if entry.exponent is None else f'{entry.exponent:.2f}'}")


if __name__ == "__main__":
    main()
