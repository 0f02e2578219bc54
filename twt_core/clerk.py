"""Writing to the ledger while calls go on: what arrives during one commit shares the next one's trip to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from twt_core.entries import Entry, Release, Reserve
from twt_core.ledger import Busy, Ledger

T = TypeVar("T")
_Waiting = tuple[Entry, "asyncio.Future[int | None]"]


class Clerk:
    """The one writer of an open ledger, for an event loop. Use it in an `async with`.

    A commit waits for the disk, so it is done in a thread; and only that is, since whatever else a thread did it would
    do in turns with the loop. Entries that come meanwhile are written together by the next commit. Leaving the block
    waits for all that was entered, a cancelled caller's entries included.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writing is not None:
            await self._writing
        self._thread.shutdown()

    async def enter(self, entry: Entry) -> int | None:
        """Write an entry. When this returns, it is on disk.

        Returns:
            A reservation's id; None for the other entries.

        Raises:
            BudgetExceeded: a reservation would pass the budget.
            TwtError: the disk or the file failed.
        """
        done: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await done

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            outcomes = await self._outcomes([entry for entry, _ in batch])
            for (entry, done), outcome in zip(batch, outcomes, strict=True):
                if done.done():  # its caller was cancelled; what it entered is written all the same
                    self._give_back(entry, outcome)
                elif isinstance(outcome, Exception):
                    done.set_exception(outcome)
                else:
                    done.set_result(outcome)
        self._writing = None

    def _give_back(self, entry: Entry, outcome: int | Exception | None) -> None:
        """Release a reservation whose caller will not send its call any more."""
        if isinstance(entry, Reserve) and entry.batch is None and isinstance(outcome, int):
            self._waiting.append((Release(outcome), asyncio.get_running_loop().create_future()))

    async def _outcomes(self, entries: list[Entry]) -> Sequence[int | Exception | None]:
        try:
            outcomes = await self._begun(entries)
            await self._in_thread(self._ledger.commit)
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody is to wait for ever
            return [error] * len(entries)
        return outcomes

    async def _begun(self, entries: list[Entry]) -> Sequence[int | Exception | None]:
        try:
            return self._ledger.begin(entries, wait=False)
        except Busy:  # with another process: the calls under way go on meanwhile
            return await self._in_thread(lambda: self._ledger.begin(entries))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
