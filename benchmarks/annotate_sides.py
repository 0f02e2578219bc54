"""One measurement of `annotate.py`: made-up queries asked through TwT, or by the loop that one writes without it."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing, redirect_stderr
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from annotate_server import MODEL, TEXT

from twt_core import sampling
from twt_core.asking import Desk
from twt_core.components import TaskEvaluator, Teacher
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.records import Query
from twt_core.run import ROWS, write_whole

#: What the bare loops send besides the messages: the teachers' defaults.
OPTIONS = {"temperature": 0.7, "top_p": 1.0, "max_tokens": 2048}
TIMEOUT = 300.0
CLIENTS = ("aiohttp", "litellm")
#: The loop, TwT with prices, so that each call's worst case is reserved first, and TwT with prices of 0, without that.
BARE, TWT, FREE = "bare", "twt", "twt, price 0"
SIDES = (BARE, TWT, FREE)

Chat = list[dict[str, str]]
Send = Callable[[Chat], Coroutine[object, object, str]]


class Cell(NamedTuple):
    """What is measured in one process. `url` ends in ``/v1``; the ledger and the rows go to a folder in `folder`."""

    client: str
    side: str
    concurrency: int
    queries: int
    url: str
    folder: str


class Measured(NamedTuple):
    """A cell's time, the processor time in it, and memory in MB.

    The memory is the process's peak, and how far that is above what it held, queries included, before the first call.
    """

    seconds: float
    cpu_seconds: float
    peak_megabytes: float
    grown_megabytes: float


def made_queries(count: int) -> dict[str, Query]:
    """Short word problems by id, no two alike."""
    texts = (
        f"A shop has {n} boxes with 24 apples each and sells a quarter of them in the morning. How many bags of 10 can "
        "it fill with the rest?"
        for n in range(count)
    )
    return {f"q{n}": Query(id=f"q{n}", query=text) for n, text in enumerate(texts)}


def task() -> TaskEvaluator:
    """The kind of question: its prompt has a system message and two demonstrations."""
    return TaskEvaluator.model_validate({"use": "math"})


def teacher(cell: Cell) -> Teacher:
    """TwT's teacher over the cell's client."""
    million = 0.0 if cell.side == FREE else 1.0
    options = {
        "aiohttp": {"use": "openai_compatible", "base_url": cell.url, "model": MODEL},
        "litellm": {"use": "litellm", "api_base": cell.url, "model": f"hosted_vllm/{MODEL}"},
    }[cell.client]
    prices = {"input_usd_per_million": million, "output_usd_per_million": 3 * million}
    return Teacher.model_validate({"name": "server", "concurrency": cell.concurrency, **options, **prices})


def chats(queries: dict[str, Query]) -> list[Chat]:
    """The messages of each query, as a server takes them."""
    requests = sampling.requests_for(queries.values(), [teacher(Cell("aiohttp", BARE, 1, 0, "http://", ""))], task())
    return [[{"role": m.role, "content": m.content} for m in request.messages] for request in requests]


def through_twt(cell: Cell, queries: dict[str, Query], folder: Path) -> Callable[[], None]:
    """The step "annotations" of a run: every answer committed to the ledger, then read, then written as a row.

    What a run does once, whatever the number of queries, is done before: the ledger is open, the templates are read.
    """
    asked, kind = teacher(cell), task()
    kind.teacher_messages(next(iter(queries.values())))
    ledger = Ledger(folder / "ledger.sqlite")
    desk = Desk(ledger, [asked], "run", 1e6, Progress())
    desk.preflight(list(queries.values()))

    def ask() -> None:
        with closing(ledger), redirect_stderr(io.StringIO()):
            rows = sampling.annotate(queries, [asked], kind, desk)
            write_whole(folder / ROWS, (row.model_dump_json(exclude_none=True) + "\n" for row in rows))

    return ask


def by_hand(cell: Cell, asked: Sequence[Chat]) -> list[str]:
    """The same messages to the same server over the same client; the texts stay in memory."""
    return asyncio.run({"aiohttp": _over_aiohttp, "litellm": _over_litellm}[cell.client](cell, asked))


async def _over_aiohttp(cell: Cell, asked: Sequence[Chat]) -> list[str]:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as session:

        async def send(messages: Chat) -> str:
            body = {"model": MODEL, "messages": messages, **OPTIONS}
            async with session.post(f"{cell.url}/chat/completions", json=body) as response:
                text: str = (await response.json())["choices"][0]["message"]["content"]
                return text

        return await _pool(send, asked, cell.concurrency)


async def _over_litellm(cell: Cell, asked: Sequence[Chat]) -> list[str]:
    from twt_plugins.teachers.litellm_library import library

    litellm = library()

    async def send(messages: Chat) -> str:
        response: Any = await litellm.acompletion(
            model=f"hosted_vllm/{MODEL}", api_base=cell.url, api_key="not-needed", messages=messages,
            num_retries=0, max_retries=0, timeout=TIMEOUT, **OPTIONS,
        )  # fmt: skip
        text: str = response.choices[0].message.content
        return text

    return await _pool(send, asked, cell.concurrency)


async def _pool(send: Send, asked: Sequence[Chat], workers: int) -> list[str]:
    texts = [""] * len(asked)
    waiting = enumerate(asked)

    async def work() -> None:
        for place, messages in waiting:
            texts[place] = await send(messages)

    await asyncio.gather(*(work() for _ in range(workers)))
    return texts


def measure(cell: Cell) -> Measured:
    """Ask, in this process, after a few calls that are not timed."""
    with TemporaryDirectory(dir=cell.folder) as folder:
        _asked(cell._replace(queries=2 * min(cell.concurrency, 8)), Path(folder, "warm"))
        time.sleep(0.05)  # what the client does behind a call's back
        return _asked(cell, Path(folder, "cell"))


def _asked(cell: Cell, folder: Path) -> Measured:
    folder.mkdir()
    queries = made_queries(cell.queries)
    ask, check = _side(cell, queries, folder)
    gc.collect()  # a collection of what the imports made would be the one's whose calls it happens to hit
    held, began, cpu = _held_megabytes(), time.perf_counter(), time.process_time()
    ask()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    peak = _peak_megabytes()
    if (texts := list(check())) != [TEXT] * cell.queries:
        raise SystemExit(f"{cell}: {len(texts)} answers, not all of them as the server gave them")
    return Measured(seconds, cpu_seconds, peak, peak - held)


def _side(
    cell: Cell, queries: dict[str, Query], folder: Path
) -> tuple[Callable[[], None], Callable[[], Iterator[str]]]:
    """What is timed, and the texts that came of it."""
    if cell.side != BARE:
        return through_twt(cell, queries, folder), lambda: _rows(folder / ROWS)
    asked = chats(queries)
    texts: list[str] = []
    return lambda: texts.extend(by_hand(cell, asked)), lambda: iter(texts)


def _rows(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        for row in map(json.loads, file):
            yield "" if "failure" in row else row["text"]


def _peak_megabytes() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _held_megabytes() -> float:
    status = Path("/proc/self/statm")
    if not status.exists():
        return _peak_megabytes()
    return int(status.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
