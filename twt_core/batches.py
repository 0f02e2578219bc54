"""Asking a teacher through its provider's batch API: hand in, leave, come back another day, collect.

A batch is noted in the ledger, with its requests reserved, before it is handed in, under a tag that goes with it. So a
process may die at any point: the next one finds the batch by its tag, or hands the requests in anew if none arrived.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

from twt_core.asker import Account
from twt_core.components import BatchService, Teacher
from twt_core.entries import CloseBatch, Commit, InBatch, NameBatch, OpenBatch, Reserve, Unanswered
from twt_core.errors import BudgetExceeded, InputError, TeacherError, TwtError
from twt_core.ledger import request_key
from twt_core.records import Completion, Failed, Request

#: Requests in one batch, at most. OpenAI takes 50,000 and 200 MB.
LARGEST = 20_000


class BatchAsker:
    """Has one teacher's requests answered in batches.

    Args:
        teacher: who is asked.
        service: the provider's batch API.
        account: shared with the other teachers' askers.
        advance: told of every request that is done with, and how many failed so far.
    """

    def __init__(
        self, teacher: Teacher, service: BatchService, account: Account, advance: Callable[[str], None]
    ) -> None:
        self._teacher = teacher
        self._service = service
        self._account = account
        self._advance = advance
        self._failed_calls = 0

    async def ask(self, requests: Iterable[Request]) -> None:
        """Every request that has no answer yet. What is under way in the end is in the account's `pending`."""
        try:
            await self._ask(self._missing(requests))
        except TeacherError as error:
            self._account.stop(TwtError(f"teacher {self._teacher.name!r}, batches: {error}"))
        except Exception as error:  # noqa: BLE001  # raised once the other teachers' calls under way are finished
            self._account.stop(error)

    async def _ask(self, missing: Mapping[str, Request]) -> None:
        """First collect, since what is answered makes room in the budget; then hand in; then wait."""
        waiting = [tag for tag in await self._open_tags(missing) if not await self._collected(tag)]
        try:
            await self._hand_in(self._to_hand_in(missing), waiting)
        finally:
            await self._wait_for(waiting)
        for key in missing:
            if not (self._account.pending or self._account.ledger.has(key)):
                self._account.failures.setdefault(key, Failed(cause="its batch was collected by another run"))

    async def _open_tags(self, missing: Mapping[str, Request]) -> list[str]:
        """The run's own open batches, whatever its config has become, and other runs' that hold the same requests."""
        ledger = self._account.ledger
        own = ledger.open_batches(self._teacher.name, self._account.run)
        held = dict.fromkeys(tag for key in missing if (tag := ledger.batch_with(key)) is not None)
        return [tag for tag in own if not await self._gone(tag)] + [tag for tag in held if tag not in own]

    def _missing(self, requests: Iterable[Request]) -> dict[str, Request]:
        missing: dict[str, Request] = {}
        keys = self._account.keys.setdefault(self._teacher.name, bytearray())
        for request in requests:
            key = request_key(self._teacher.canonical_request(request))
            keys += bytes.fromhex(key)
            if self._account.ledger.has(key):
                self._move_on()
            else:
                missing.setdefault(key, request)
        return missing

    def _to_hand_in(self, missing: Mapping[str, Request]) -> dict[str, Request]:
        ledger, failed = self._account.ledger, self._account.failures
        return {
            key: request
            for key, request in missing.items()
            if key not in failed and not ledger.has(key) and ledger.batch_with(key) is None
        }

    async def _gone(self, tag: str) -> bool:
        """Whether a batch noted by a process that died never arrived at the provider."""
        if self._account.ledger.batch_id(tag) is not None:
            return False
        batch = await self._service.find(tag)
        await self._account.clerk.enter(CloseBatch(tag) if batch is None else NameBatch(tag, batch))
        return batch is None

    async def _hand_in(self, requests: Mapping[str, Request], tags: list[str]) -> None:
        """Hand requests in, and note the tags of the batches that arrived."""
        rest = iter(requests.items())
        while chunk := dict(islice(rest, LARGEST)):
            tag = uuid.uuid4().hex
            await self._reserve(tag, chunk)
            await self._submit(tag, chunk)
            tags.append(tag)

    async def _reserve(self, tag: str, chunk: Mapping[str, Request]) -> None:
        clerk, budget = self._account.clerk, self._account.budget_usd
        await clerk.enter(OpenBatch(tag, self._account.run, self._teacher.name))
        entries = [
            Reserve(key, request, self._account.run, self._worst(request), budget, tag)
            for key, request in chunk.items()
        ]
        reserved = await asyncio.gather(*(clerk.enter(entry) for entry in entries), return_exceptions=True)
        refused = next((error for error in reserved if isinstance(error, BaseException)), None)
        if refused is not None:  # all or none: a batch that was handed in cannot be stopped at the budget
            await clerk.enter(CloseBatch(tag))
            raise BudgetExceeded(f"a batch of {len(chunk)} requests: {refused}") from refused

    def _worst(self, request: Request) -> float:
        worst = self._teacher.worst_case_usd(request)
        if worst is None and self._account.budget_usd is not None:
            raise InputError(f"{self._teacher.name}: its price is not known, so a budget cannot hold. Give its prices")
        return worst or 0.0

    async def _submit(self, tag: str, chunk: Mapping[str, Request]) -> None:
        try:
            batch = await self._service.submit(chunk, tag)
        except TeacherError as error:
            if not error.maybe_billed:  # else it may have arrived: the next run looks for its tag
                await self._account.clerk.enter(CloseBatch(tag))
            raise
        await self._account.clerk.enter(NameBatch(tag, batch))

    async def _wait_for(self, tags: Sequence[str]) -> None:
        ends = time.monotonic() + self._service.wait_seconds
        waiting = [tag for tag in tags if not await self._collected(tag)]
        while waiting and time.monotonic() < ends and not self._account.errors:
            await self._account.rest(min(self._service.poll_seconds, max(ends - time.monotonic(), 0.0)))
            waiting = [tag for tag in waiting if not await self._collected(tag)]
        for tag in waiting:
            batch = self._account.ledger.batch_id(tag) or "one that another run is handing in"
            self._account.pending.append(f"{self._teacher.name}: {batch}")

    async def _collected(self, tag: str) -> bool:
        ledger = self._account.ledger
        batch = ledger.batch_id(tag)
        held = ledger.held_by(tag)
        results = await self._service.collect(batch) if batch is not None else None
        if results is None:
            return not held  # another run has collected it
        unanswered = Failed(cause=f"batch {batch} gave no answer to it")
        await asyncio.gather(*(self._settle(one, results.get(one.key, unanswered)) for one in held))
        await self._account.clerk.enter(CloseBatch(tag))
        return True

    async def _settle(self, held: InBatch, result: Completion | Failed) -> None:
        self._failed_calls += isinstance(result, Failed)
        self._move_on()
        clerk = self._account.clerk
        if isinstance(result, Completion):
            cost = self._charge(held, result)
            await clerk.enter(Commit(held.key, held.request, held.run, result, cost, held.reservation))
            return
        self._account.failures[held.key] = result
        if result.maybe_billed:  # else its reservation goes with the batch
            await clerk.enter(Unanswered(held.reservation))

    def _charge(self, held: InBatch, completion: Completion) -> float:
        """The answer's price, unless the config's prices and limits have become others than it was handed in with."""
        as_then = request_key(self._teacher.canonical_request(held.request)) == held.key
        if completion.cost_usd is None or not as_then:
            return held.usd
        return min(completion.cost_usd, held.usd)

    def _move_on(self) -> None:
        self._advance(f"{self._failed_calls} failed" if self._failed_calls else "")
