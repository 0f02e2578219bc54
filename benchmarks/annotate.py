"""What annotating through TwT costs a call, against a bare asyncio loop over the same client on the same server.

The server is a process of its own on loopback; it answers at once, or after 200 ms. TwT does what a run's step
"annotations" does, each answer durably committed to a ledger on disk before anything reads it, each call's worst case
reserved before it. The sides take turns, each in a fresh process; ratios are of neighbours, their median counts:

    python benchmarks/annotate.py --output docs/results/annotate.json \\
        [--scale 1000 10000 100000] [--other distilabel=VENV/bin/python] [--other curator=VENV/bin/python]

With `--scale` so many queries are asked on the server that answers at once, for the memory that this takes; with
`--other` the same queries through another tool, which is installed in an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from annotate_others import TOOLS, Other, ask_other
from annotate_parts import fsync_microseconds, parts
from annotate_server import serving
from annotate_sides import BARE, CLIENTS, SIDES, TWT, Cell, Measured, chats, made_queries, measure

CONCURRENCIES = (1, 4, 16, 64, 256)
LATENCIES_MS = (0, 200)
#: Calls a second that a client can make at best, to choose how many make a cell of some seconds.
_BEST_PER_SECOND = {"aiohttp": 1000, "litellm": 80}
_LEAST_QUERIES = 8
_IN_MEMORY = {"tmpfs", "ramfs"}


class Pair(NamedTuple):
    """A side of TwT's against the bare loop. Medians of the repeats; `ratio` is TwT's calls per second to the loop's.

    `overhead_ms` is the wall time that a call adds to the whole, and `cpu_overhead_ms` its processor time.
    """

    client: str
    side: str
    latency_ms: int
    concurrency: int
    queries: int
    bare_per_second: float
    twt_per_second: float
    ratio: float
    ratios: list[float]
    overhead_ms: float
    bare_cpu_ms: float
    cpu_overhead_ms: float


class Scale(NamedTuple):
    """Many queries. Memory in MB: the peak of the whole process, and how far it is above what was held before."""

    queries: int
    per_second: float
    peak_megabytes: float
    grown_megabytes: float


class Share(NamedTuple):
    """A part of a call's overhead. Microseconds a call; `waits` for the disk, beside the calls that are under way."""

    concurrency: int
    part: str
    times: int
    microseconds: float
    waits: bool


def fresh(cell: Cell) -> Measured:
    """Measure in a process of its own; what it imports is not timed."""
    with ProcessPoolExecutor(1, mp_context=_starting(cell.client)) as process:
        return process.submit(measure, cell).result()


def _starting(client: str) -> Any:
    # The import of litellm takes seconds, so its processes are forked from one that did nothing else.
    if client != "litellm":
        return multiprocessing.get_context("spawn")
    os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["annotate_sides", "litellm", "twt_plugins.teachers"])
    return context


def count(client: str, latency_ms: int, concurrency: int, seconds: float) -> int:
    """Queries that take about so many seconds."""
    best = _BEST_PER_SECOND[client]
    per_second = best if latency_ms == 0 else min(best, concurrency * 1000 / latency_ms)
    at_one = 0.2 if (client, latency_ms, concurrency) == ("aiohttp", 0, 1) else 1.0  # each waits for its own commit
    return max(_LEAST_QUERIES, 2 * concurrency, int(seconds * per_second * at_one))


def pairs(url: str, folder: str, arguments: argparse.Namespace) -> Iterator[list[Pair]]:
    """Each client, latency and concurrency, with TwT's sides against the loop."""
    for client in arguments.clients:
        for latency in arguments.latencies:
            for concurrency in arguments.concurrency:
                queries = count(client, latency, concurrency, arguments.seconds)
                cell = Cell(client, BARE, concurrency, queries, f"{url}/{latency}/v1", folder)
                yield _paired(cell, latency, arguments.repeats)


def _paired(cell: Cell, latency: int, repeats: int) -> list[Pair]:
    found: dict[str, list[Measured]] = {side: [] for side in SIDES}
    for repeat in range(repeats):
        for side in SIDES if repeat % 2 == 0 else reversed(SIDES):
            found[side].append(fresh(cell._replace(side=side)))
    return [_pair(cell, side, latency, found[BARE], found[side]) for side in SIDES if side != BARE]


def _pair(cell: Cell, side: str, latency: int, bare: Sequence[Measured], own: Sequence[Measured]) -> Pair:
    ratios = [loop.seconds / twt.seconds for loop, twt in zip(bare, own, strict=True)]
    per_call_ms = 1000 / cell.queries
    bare_cpu = median(one.cpu_seconds for one in bare) * per_call_ms
    return Pair(
        cell.client, side, latency, cell.concurrency, cell.queries,
        bare_per_second=cell.queries / median(one.seconds for one in bare),
        twt_per_second=cell.queries / median(one.seconds for one in own),
        ratio=median(ratios),
        ratios=ratios,
        overhead_ms=median(twt.seconds - loop.seconds for loop, twt in zip(bare, own, strict=True)) * per_call_ms,
        bare_cpu_ms=bare_cpu,
        cpu_overhead_ms=median(one.cpu_seconds for one in own) * per_call_ms - bare_cpu,
    )  # fmt: skip


def scales(url: str, folder: str, sizes: Sequence[int], concurrency: int) -> Iterator[Scale]:
    """TwT over aiohttp on the server that answers at once."""
    for queries in sizes:
        found = fresh(Cell("aiohttp", TWT, concurrency, queries, f"{url}/0/v1", folder))
        yield Scale(queries, queries / found.seconds, found.peak_megabytes, found.grown_megabytes)


def others(url: str, folder: str, arguments: argparse.Namespace) -> Iterator[Other]:
    """The other tools, then TwT and the bare loops, on the same queries. No client of a tool's is TwT's."""
    for latency in arguments.latencies:
        for concurrency in arguments.other_concurrency:
            at, queries = f"{url}/{latency}/v1", count("litellm", latency, concurrency, 2 * arguments.seconds)
            for tool in arguments.other:
                name, _, python = tool.partition("=")
                row = Other(name, latency, concurrency, queries)
                yield ask_other(python, row, at, chats(made_queries(queries)), Path(folder))
            for client, side in product(arguments.clients, (TWT, BARE)):
                own = fresh(Cell(client, side, concurrency, queries, at, folder))
                yield Other(f"{side}, {client}", latency, concurrency, queries, queries / own.seconds)


def filesystem(folder: Path) -> str:
    """The kind of file system under a folder; "" where the system does not tell."""
    table = Path("/proc/mounts")
    if not table.exists():
        return ""
    mounts = [line.split()[1:3] for line in table.read_text(encoding="utf-8").splitlines()]
    over = [(len(place), kind) for place, kind in mounts if folder.resolve().is_relative_to(place)]
    return max(over)[1]


def about(arguments: argparse.Namespace) -> dict[str, object]:
    """What the numbers were made on."""
    kind = filesystem(arguments.folder)
    if kind in _IN_MEMORY:
        raise SystemExit(f"{arguments.folder}: lies in memory ({kind}), where a commit costs nothing: give --folder")
    return {
        "command": "python " + " ".join(["benchmarks/annotate.py", *sys.argv[1:]]),
        "machine": {
            "system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count(),
            "filesystem": kind, "fsync_microseconds": round(fsync_microseconds(arguments.folder)),
        },
        "versions": {name: version(name) for name in ("aiohttp", "litellm", "pydantic")}
        | {"sqlite": sqlite3.sqlite_version},
        "settings": {"seconds": arguments.seconds, "repeats": arguments.repeats},
    }  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Measure all, writing the JSON as it goes."""
    pair_rows: list[Pair] = []
    scale_rows: list[Scale] = []
    share_rows: list[Share] = []
    other_rows: list[Other] = []
    tables: dict[str, list[Any]] = {"pairs": pair_rows, "scale": scale_rows, "shares": share_rows, "others": other_rows}
    head, began = about(arguments), time.monotonic()

    def note(table: list[Any], rows: Sequence[Any]) -> None:
        table += rows
        print("\n".join(line(row) for row in rows), file=sys.stderr, flush=True)
        took = {"seconds_so_far": round(time.monotonic() - began)}
        whole = head | took | {name: [row._asdict() for row in found] for name, found in tables.items()}
        if arguments.output:
            arguments.output.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")

    with serving() as url, tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for concurrency in arguments.concurrency:
            found = parts(arguments.part_queries, concurrency, Path(folder))
            note(share_rows, [Share(concurrency, p.part, p.times, p.microseconds, p.waits) for p in found])
        for rows in pairs(url, folder, arguments):
            note(pair_rows, rows)
        for row in scales(url, folder, arguments.scale, arguments.scale_concurrency):
            note(scale_rows, [row])
        for other in others(url, folder, arguments) if arguments.other else ():
            note(other_rows, [other])
    print_tables(tables)


def print_tables(tables: dict[str, list[Any]]) -> None:
    """Everything that was measured."""
    for name, rows in tables.items():
        if rows:
            print(f"\n{name}")
            print("\n".join(map(line, rows)))


def line(row: Pair | Scale | Share | Other) -> str:
    """A row of a table."""
    if isinstance(row, Pair):
        return (
            f"{row.client:8} {row.side:13} {row.latency_ms:4} ms {row.concurrency:4} at once {row.queries:6} calls  "
            f"{row.bare_per_second:8.1f}/s bare {row.twt_per_second:8.1f}/s twt  {row.ratio:6.1%}  "
            f"+{row.overhead_ms:7.3f} ms, processor {row.bare_cpu_ms:6.3f} +{row.cpu_overhead_ms:.3f} ms"
        )
    if isinstance(row, Scale):
        return (
            f"{row.queries:9,} queries {row.per_second:8.1f}/s, peak {row.peak_megabytes:6.1f} MB, of it asking "
            f"{row.grown_megabytes:6.1f} MB"
        )
    if isinstance(row, Share):
        waits = "  (waits)" if row.waits else ""
        return f"{row.concurrency:4} at once  {row.part:48} {row.times} x {row.microseconds:8.1f} us{waits}"
    return f"{row.tool:16} {row.latency_ms:4} ms {row.concurrency:4} at once {row.queries:6} calls  " + (
        row.note or f"{row.per_second or 0:8.1f}/s  {row.version}".rstrip()
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()), help="where the ledgers lie: a disk"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="about what a measurement takes")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--concurrency", nargs="+", type=int, default=list(CONCURRENCIES))
    parser.add_argument("--latencies", nargs="+", type=int, default=list(LATENCIES_MS), help="of the server, in ms")
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS))
    parser.add_argument("--part-queries", type=int, default=1000, help="calls that each part is measured over")
    parser.add_argument("--scale", nargs="*", type=int, default=[], help="numbers of queries to measure memory at")
    parser.add_argument("--scale-concurrency", type=int, default=64)
    parser.add_argument("--other", action="append", default=[], metavar="TOOL=PYTHON", help=" or ".join(TOOLS))
    parser.add_argument("--other-concurrency", nargs="+", type=int, default=[16, 64])
    run(parser.parse_args())


if __name__ == "__main__":
    main()
