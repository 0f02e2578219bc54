"""What a call's overhead is spent on: each part by itself, in microseconds a call, without a server.

Every part is the code that a run uses, several rounds of it, of which the fastest counts: what another process takes
away is not the part's. Ledger entries are written in groups as large as the clerk finds them at this concurrency: one
of each call under way.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stderr
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from annotate_server import REPLY, TEXT
from annotate_sides import TWT, Cell, made_queries, task, teacher

from twt_core import sampling
from twt_core.clerk import Clerk
from twt_core.components import TaskEvaluator
from twt_core.entries import Commit, Entry, Reserve
from twt_core.ledger import Ledger, request_key
from twt_core.pacing import Pacer
from twt_core.progress import Progress
from twt_core.records import Annotation, Completion, Query, Request
from twt_plugins.teachers.chat_completion import read_answer
from twt_plugins.teachers.served import ServedModel

_ROUNDS = 5
_FSYNCS = 100


class Part(NamedTuple):
    """Microseconds of a part, and how often a call needs it. What `waits` does so for the disk, beside the calls."""

    part: str
    microseconds: float
    times: int = 1
    waits: bool = False


class Bench(NamedTuple):
    """What the parts are given: queries with their requests, keys, and the server's answer as the teacher reads it."""

    concurrency: int
    task: TaskEvaluator
    teacher: ServedModel
    queries: dict[str, Query]
    requests: list[Request]
    keys: list[str]
    completion: Completion


def bench(count: int, concurrency: int) -> Bench:
    """The queries of a cell, their teacher, and so on."""
    asked = teacher(Cell("aiohttp", TWT, concurrency, count, "http://127.0.0.1/v1", ""))
    assert isinstance(asked, ServedModel)
    queries = made_queries(count)
    requests = list(sampling.requests_for(queries.values(), [asked], task()))
    keys = [request_key(asked.canonical_request(request)) for request in requests]
    return Bench(concurrency, task(), asked, queries, requests, keys, asked.completion(read_answer(json.loads(REPLY))))


def parts(count: int, concurrency: int, folder: Path) -> list[Part]:
    """All parts at a concurrency, measured over so many queries, with ledgers in `folder`."""
    made = bench(count, concurrency)
    with TemporaryDirectory(dir=folder) as own:
        return [*_before_the_call(made), *_the_call(made), *_ledger(made, Path(own)), *_after_the_call(made)]


def fsync_microseconds(folder: Path) -> float:
    """What the disk takes to make one more page of a file durable: the median."""
    with TemporaryDirectory(dir=folder) as own, Path(own, "pages").open("wb", buffering=0) as file:
        return 1e6 * median(_timed(lambda: (file.write(bytes(4096)), os.fsync(file))) for _ in range(_FSYNCS))


def _before_the_call(made: Bench) -> list[Part]:
    asked, pacer = made.teacher, Pacer(made.teacher.pace())

    def requests() -> None:
        for _ in sampling.requests_for(made.queries.values(), [asked], made.task):
            pass

    def keys() -> None:
        for request in made.requests:
            request_key(asked.canonical_request(request))

    def prices() -> None:
        for request in made.requests:
            asked.worst_case_usd(request)
            pacer.expected_tokens(request)

    return [
        Part("prompt rendered, request made", _each(made, requests), times=2),
        Part("canonical request and its key", _each(made, keys), times=2),
        Part("worst-case price, expected tokens", _each(made, prices)),
    ]


def _the_call(made: Bench) -> list[Part]:
    body = json.loads(REPLY)

    def answers() -> None:
        for request in made.requests:
            made.teacher.completion(read_answer(body), made.teacher._longest_prompt(request))

    async def nothing() -> None:
        pass

    async def guarded() -> None:
        for _ in made.requests:
            await asyncio.wait_for(nothing(), 300)

    async def entered() -> None:
        async with Clerk(_NoDisk(Path())) as clerk:
            waiting = iter(zip(made.keys, made.requests, strict=True))

            async def work() -> None:
                for key, request in waiting:
                    await clerk.enter(Reserve(key, request, "run", 0.0, None))

            await asyncio.gather(*(work() for _ in range(made.concurrency)))

    return [
        Part("reply checked, tokens priced", _each(made, answers)),
        Part("time limit", _each(made, lambda: asyncio.run(guarded()))),
        Part("handed to the writing thread and back", _each(made, lambda: asyncio.run(entered())), times=2),
    ]


class _NoDisk(Ledger):
    """A ledger that forgets, to time the way to it."""

    def __init__(self, path: Path) -> None:
        pass

    def begin(self, entries: Sequence[Entry], *, wait: bool = True) -> list[int | None]:  # type: ignore[override]
        return [None] * len(entries)

    def commit(self) -> None:
        pass


def _ledger(made: Bench, folder: Path) -> list[Part]:
    durable, quick = (_writes(made, folder, synchronous) for synchronous in ("FULL", "OFF"))
    with closing(Ledger(folder / "FULL-0")) as ledger:
        looked = _each(made, lambda: [ledger.has(key) for key in made.keys])
        got = _each(made, lambda: [ledger.get(key) for key in made.keys])
    waits = [max(0.0, slow - fast) for slow, fast in zip(durable, quick, strict=True)]
    return [
        Part("looked up in the ledger", looked),
        Part("reserved", quick[0]),
        Part("reserved: waiting for the disk", waits[0], waits=True),
        Part("answer committed, reservation settled", quick[1]),
        Part("answer committed: waiting for the disk", waits[1], waits=True),
        Part("answer read back from the ledger", got),
    ]


def _writes(made: Bench, folder: Path, synchronous: str) -> tuple[float, float]:
    """Microseconds a call for its reservation and for its commit, in the ledger's groups."""
    rounds = []
    for number in range(_ROUNDS):
        with closing(Ledger(folder / f"{synchronous}-{number}")) as ledger:
            ledger._db.execute(f"PRAGMA synchronous={synchronous}")
            rounds.append(_write_round(made, ledger))
    reserved, committed = (1e6 * min(column) / len(made.requests) for column in zip(*rounds, strict=True))
    return reserved, committed


def _write_round(made: Bench, ledger: Ledger) -> tuple[float, float]:
    both = list(zip(made.keys, made.requests, strict=True))
    ids: list[object] = []
    reserves = [Reserve(key, request, "run", 0.01, 1e6) for key, request in both]
    reserving = _timed(lambda: ids.extend(i for group in _groups(made, reserves) for i in ledger.apply(group)))
    commits = [
        Commit(key, request, "run", made.completion, 0.001, number if isinstance(number, int) else None)
        for (key, request), number in zip(both, ids, strict=True)
    ]
    return reserving, _timed(lambda: [ledger.apply(group) for group in _groups(made, commits)])


def _groups(made: Bench, entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    return [entries[start : start + made.concurrency] for start in range(0, len(entries), made.concurrency)]


def _after_the_call(made: Bench) -> list[Part]:
    def advanced() -> None:
        with redirect_stderr(io.StringIO()), Progress().task("asking", {"server": len(made.requests)}) as shown:
            for _ in made.requests:
                shown.advance("server")

    def read() -> None:
        for query in made.queries.values():
            made.task.read(TEXT, query)

    reading = made.task.read(TEXT, next(iter(made.queries.values())))

    def written() -> None:
        file = io.StringIO()
        for query in made.queries.values():
            row = Annotation(
                query_id=query.id, teacher="server", text=TEXT, rationale=reading.rationale, label=reading.label,
                factors=reading.factors, score=reading.score,
            )  # fmt: skip
            file.write(row.model_dump_json(exclude_none=True) + "\n")

    return [
        Part("progress told", _each(made, advanced)),
        Part("label, rationale and score found in the text", _each(made, read)),
        Part("row made and written", _each(made, written)),
    ]


def _each(made: Bench, work: Callable[[], object]) -> float:
    """Microseconds a request."""
    return 1e6 * min(_timed(work) for _ in range(_ROUNDS)) / len(made.requests)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
