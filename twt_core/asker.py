"""Asking one teacher: several calls at once, each tried again while its failure may pass, all of them in the ledger."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from twt_core import contract
from twt_core.clerk import Clerk
from twt_core.components import Teacher
from twt_core.entries import Commit, Release, Reserve
from twt_core.errors import BatchPending, BudgetExceeded, InputError, TeacherError, TwtError
from twt_core.ledger import Ledger, request_key
from twt_core.pacing import Pacer
from twt_core.records import Completion, Failed, Request

#: Seconds before the second try; each further wait is twice as long, up to the longest.
FIRST_WAIT = 0.5
LONGEST_WAIT = 60.0
#: So many failed calls without an answer between them are a teacher that cannot answer.
HOPELESS_AFTER = 20

_LET_OTHERS_IN_EVERY = 64


@dataclass
class Account:
    """What the askers of one run share: where it is written, who pays, what failed, and what ended the asking."""

    ledger: Ledger
    clerk: Clerk
    run: str
    budget_usd: float | None
    failures: dict[str, Failed] = field(default_factory=dict)
    #: The keys of each teacher's requests, in order, 32 bytes each.
    keys: dict[str, bytearray] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)
    #: Batches that are under way at a provider: "teacher: id".
    pending: list[str] = field(default_factory=list)

    #: Set by the first error.
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self, error: Exception) -> None:
        """End the asking, with an error that is raised once the calls that are under way are finished."""
        self.errors.append(error)
        self.stopped.set()

    async def rest(self, seconds: float) -> bool:
        """Wait, unless the asking ends. Whether it does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopped.wait()
        return self.stopped.is_set()

    def first_error(self) -> Exception | None:
        """What to tell the user: a fault before a spent budget, which more money would not mend."""
        if self.errors:
            return next((e for e in self.errors if not isinstance(e, BudgetExceeded)), self.errors[0])
        if self.pending:
            return BatchPending(
                f"under way at the provider: {', '.join(sorted(self.pending))}. "
                "Run the same command again, today or another day: it collects what is done and goes on from here"
            )
        return None


class _Stopped(Exception):
    """No error: another call ended the asking."""


class Asker:
    """Asks one teacher for all that the ledger lacks.

    Args:
        teacher: who is asked.
        account: shared with the other teachers' askers.
        advance: told of every request that is done with, and how many failed so far.
    """

    def __init__(self, teacher: Teacher, account: Account, advance: Callable[[str], None]) -> None:
        self._teacher = teacher
        self._account = account
        self._advance = advance
        self._failed_calls = 0
        self._pace = teacher.pace()
        self._pacer = Pacer(self._pace, account.rest)
        self._under_way: set[str] = set()
        self._failed_in_a_row = 0

    async def ask(self, requests: Iterable[Request]) -> None:
        """Every request that has no answer yet, `concurrency` at a time. What ends it is in the account's errors."""
        waiting = self._unanswered(requests)
        async with asyncio.TaskGroup() as workers:  # which, unlike gather, waits for all of them when it is cancelled
            for _ in range(self._teacher.concurrency):
                workers.create_task(self._work(waiting))

    def _unanswered(self, requests: Iterable[Request]) -> Iterator[tuple[str, Request] | None]:
        keys = self._account.keys.setdefault(self._teacher.name, bytearray())
        batches = self._account.ledger.open_batches(self._teacher.name)
        for count, request in enumerate(requests, 1):
            key = request_key(self._teacher.canonical_request(request))
            keys += bytes.fromhex(key)
            if key in self._under_way or key in self._account.failures or self._account.ledger.has(key):
                self._move_on()
                if count % _LET_OTHERS_IN_EVERY == 0:
                    yield None
            elif batches and (tag := self._account.ledger.batch_with(key)) is not None:
                raise InputError(
                    f"teacher {self._teacher.name!r}: query {request.query_id!r} is in batch "
                    f"{self._account.ledger.batch_id(tag)}, which is under way. Collect it first, with batch: true"
                )
            else:
                self._under_way.add(key)
                yield key, request

    async def _work(self, waiting: Iterator[tuple[str, Request] | None]) -> None:
        try:
            for found in waiting:
                if self._account.errors:
                    return
                await (asyncio.sleep(0) if found is None else self._answer(*found))
        except _Stopped:
            return
        except Exception as error:  # noqa: BLE001  # it is raised later
            self._account.stop(error)

    async def _answer(self, key: str, request: Request) -> None:
        failure = await self._tries(key, request)
        if failure is not None:
            self._account.failures[key] = failure
            self._failed_calls += 1
        self._under_way.discard(key)
        self._move_on()
        self._despair(failure)

    def _move_on(self) -> None:
        self._advance(f"{self._failed_calls} failed" if self._failed_calls else "")

    def _despair(self, failure: Failed | None) -> None:
        if failure is None:
            self._failed_in_a_row = 0
            return
        self._failed_in_a_row += not failure.permanent
        if self._failed_in_a_row >= HOPELESS_AFTER:
            raise TwtError(
                f"teacher {self._teacher.name!r}: {self._failed_in_a_row} calls in a row failed, the last one with: "
                f"{failure.cause.rstrip('.')}. Nothing that was paid for is lost: mend it and run the same command "
                "again"
            )

    async def _tries(self, key: str, request: Request) -> Failed | None:
        ends, error = float("inf"), None
        for attempt in range(self._pace.retries + 1):
            expected = self._pacer.expected_tokens(request)
            waited = await self._pacer.turn(expected)
            if self._account.errors:
                raise _Stopped
            if (waited or error is not None) and self._account.ledger.has(key):
                return None  # another run was answered the same meanwhile
            began = time.monotonic()
            if error is None:
                ends = began + (self._pace.deadline or float("inf"))
            elif began >= ends:  # its turn came too late
                return self._failed(error, attempt, 0.0)
            try:
                completion = await self._try(key, request, min(self._pace.timeout or float("inf"), ends - began))
            except TeacherError as failed:
                error, wait = failed, self._wait(failed, attempt)
                last = error.retry != "now" or attempt == self._pace.retries
                if last or time.monotonic() + wait > ends:
                    return self._failed(error, attempt + 1, wait)
                if error.retry_after is not None:
                    self._pacer.pause(wait)
                await self._account.rest(wait)
            else:
                self._pacer.settle(expected, completion)
                return None
        raise AssertionError("the last try returns")

    @staticmethod
    def _wait(error: TeacherError, attempt: int) -> float:
        own = min(LONGEST_WAIT, FIRST_WAIT * 2.0**attempt) * random.uniform(
            0.75, 1.25
        )  # so that not all come back at once
        return max(own, error.retry_after or 0.0)

    @staticmethod
    def _failed(error: TeacherError, tries: int, wait: float) -> Failed:
        asked = (
            f"; the server asks to wait {wait:.0f} s, which is past the deadline" if error.retry_after == wait else ""
        )
        often = f" ({tries} tries)" if tries > 1 else ""
        return Failed(cause=f"{error}{often}{asked}", permanent=error.retry == "never")

    async def _try(self, key: str, request: Request, seconds: float) -> Completion:
        account, worst = self._account, self._teacher.worst_case_usd(request)
        if worst is None and account.budget_usd is not None:
            raise InputError(f"{self._teacher.name}: its price is not known, so a budget cannot hold. Give its prices")
        reservation = None
        if worst != 0:  # one of unknown price is listed, too
            reservation = await account.clerk.enter(
                Reserve(key, request, account.run, worst or 0.0, account.budget_usd)
            )
        try:
            completion = await self._call(request, seconds)
        except TeacherError as error:
            if reservation is not None and not error.maybe_billed:
                await account.clerk.enter(Release(reservation))
            raise
        cost = charge(completion, worst)
        await account.clerk.enter(Commit(key, request, account.run, completion, cost, reservation))
        return completion

    async def _call(self, request: Request, seconds: float) -> Completion:
        limit = None if seconds == float("inf") else max(seconds, 0.0)
        try:
            async with asyncio.timeout(limit):
                return await contract.complete(self._teacher, request)
        except TimeoutError:
            raise TeacherError(f"no answer within {limit:.3g} s", maybe_billed=True) from None


def charge(completion: Completion, worst: float | None) -> float:
    """What an answer is charged: its price, or its reservation where that is missing or can't be (a usage of 1e12)."""
    if worst is None:
        return completion.cost_usd or 0.0
    return worst if completion.cost_usd is None else min(completion.cost_usd, worst)
