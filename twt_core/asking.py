"""Asking teachers: through the ledger, within the budget, several at once."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeAlias

from twt_core import contract
from twt_core.asker import Account, Asker
from twt_core.batches import BatchAsker
from twt_core.clerk import Clerk
from twt_core.components import Teacher
from twt_core.ledger import Ledger, request_key
from twt_core.progress import Progress
from twt_core.records import Completion, Failed, Query, Request

#: Bytes of a request's key.
_DIGEST = 32

Work: TypeAlias = Coroutine[object, object, Account]


class Answers:
    """What became of requests that were fetched, read from the ledger when it is asked for."""

    def __init__(self, ledger: Ledger, account: Account) -> None:
        self._ledger = ledger
        self._account = account

    def of(self, teacher: str, place: int) -> Completion | Failed:
        """The result of a teacher's request, by its place among those that were given."""
        key = self._account.keys[teacher][place * _DIGEST : (place + 1) * _DIGEST].hex()
        return self._ledger.get(key) or self._account.failures[key]


class Desk:
    """Where the run asks its teachers. No answer is handed out before it is on disk.

    Args:
        ledger: where answers are looked up and committed.
        teachers: the run's teachers.
        run: the name that costs are counted under.
        budget_usd: the most that the run may cost; None is unlimited.
        progress: told of every answer.
        helpers: further teachers, which the run's components ask: judges.
    """

    def __init__(
        self, ledger: Ledger, teachers: Sequence[Teacher], run: str, budget_usd: float | None, progress: Progress,
        helpers: Sequence[Teacher] = (),
    ) -> None:  # fmt: skip
        self._ledger = ledger
        self._helpers = [helper for helper in helpers if helper not in teachers]
        self._teachers = {teacher.name: teacher for teacher in [*teachers, *self._helpers]}
        self._run = run
        self._budget_usd = budget_usd
        self._progress = progress
        self._passing_failures = 0

    def preflight(self, queries: Sequence[Query]) -> None:
        """Let every teacher look for what would make its calls fail, before the first.

        Raises:
            InputError: what a teacher found.
        """
        for name, teacher in self._teachers.items():
            contract.preflight(teacher, [] if name in {helper.name for helper in self._helpers} else queries)

    def nothing_to_retry(self) -> bool:
        """Whether no call failed, since the last look, in a way that asking again may mend."""
        failures, self._passing_failures = self._passing_failures, 0
        return failures == 0

    def to_ask(self, requests: Iterable[Request], asked: set[str] | None = None) -> list[Request]:
        """Those requests that the ledger holds no answer to, one for each key.

        Args:
            requests: what is to be answered.
            asked: the keys of what others ask for, which is left out too. Those of what is given back are added.
        """
        asked = set() if asked is None else asked
        missing = {key: request for request in requests if (key := self._key(request)) not in asked}
        missing = {key: request for key, request in missing.items() if not self._ledger.has(key)}
        asked.update(missing)
        return list(missing.values())

    def worst_case_usd(self, requests: Sequence[Request]) -> float | None:
        """The most that these calls can cost; None when a price is not known."""
        prices = [self._teachers[request.teacher].worst_case_usd(request) for request in requests]
        return None if None in prices else sum(price for price in prices if price is not None)

    def ask(self, requests: Sequence[Request]) -> list[Completion | Failed]:
        """One result per request, in order. Calls under way are finished and committed before an error leaves here.

        Raises:
            BudgetExceeded: the next call could pass the budget.
            PluginError: a teacher broke the contract.
            TwtError: a teacher fails all the time.
            BatchPending: batches are under way at a provider; asking the same later collects them.
        """
        by_teacher: dict[str, list[Request]] = {}
        places = []
        for request in requests:
            own = by_teacher.setdefault(request.teacher, [])
            places.append((request.teacher, len(own)))
            own.append(request)
        answers = self.fetch(by_teacher, {name: len(own) for name, own in by_teacher.items()})
        return [answers.of(*place) for place in places]

    def fetch(self, requests: Mapping[str, Iterable[Request]], totals: Mapping[str, int]) -> Answers:
        """Have every request answered in the ledger, without keeping requests or answers in memory.

        Args:
            requests: each teacher's, read one by one as its calls go out.
            totals: how many those are.

        Raises: as `ask`.
        """
        account = _run(self._fetch(requests, totals))
        self._passing_failures += sum(not failure.permanent for failure in account.failures.values())
        if (error := account.first_error()) is not None:
            raise error
        return Answers(self._ledger, account)

    def _key(self, request: Request) -> str:
        return request_key(self._teachers[request.teacher].canonical_request(request))

    async def _fetch(self, requests: Mapping[str, Iterable[Request]], totals: Mapping[str, int]) -> Account:
        async with Clerk(self._ledger) as clerk:
            account = Account(self._ledger, clerk, self._run, self._budget_usd)
            with self._progress.task("asking", {name: total for name, total in totals.items() if total}) as task:

                def asker(name: str) -> Asker | BatchAsker:
                    teacher = self._teachers[name]

                    def advance(note: str) -> None:
                        task.advance(name, note=note)

                    service = teacher.batch_service()
                    if service is None:
                        return Asker(teacher, account, advance)
                    return BatchAsker(teacher, service, account, advance)

                try:
                    async with asyncio.TaskGroup() as askers:
                        for name, own in requests.items():
                            askers.create_task(asker(name).ask(own))
                finally:
                    for name in requests:
                        await contract.close(self._teachers[name])
            return account


def _run(work: Work) -> Account:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run_here(work)
    return _run_in_thread(work)  # a notebook has a loop of its own, which cannot be entered again


def _run_here(work: Work) -> Account:
    with asyncio.Runner() as runner, _Interrupts() as interrupts:
        try:
            account = runner.run(interrupts.cancelling(work))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        if interrupts.came:  # with the last answer
            raise KeyboardInterrupt
        return account


def _run_in_thread(work: Work) -> Account:
    interrupts = _Interrupts()

    def go() -> Account:
        with asyncio.Runner() as runner:
            return runner.run(interrupts.cancelling(work))

    with ThreadPoolExecutor(1) as thread:
        account = thread.submit(go)
        try:
            return account.result()
        except BaseException:  # the notebook's stop button
            interrupts.note()
            raise


class _Interrupts:
    """Lets Ctrl-C and SIGTERM end a loop's work by cancelling it once, so that what was answered is still written.

    A second one changes nothing, since what is left takes no time; raised just anywhere it would leave work undone.
    """

    def __init__(self) -> None:
        self.came = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[object] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # signals come to no other
            before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
            self._before = {n: handler for n, handler in before.items() if callable(handler)}  # else it is ignored
        for number in self._before:
            signal.signal(number, self.note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    async def cancelling(self, work: Work) -> Account:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self.came:
            self._cancel()
        return await work

    def note(self, *_: object) -> None:
        """Cancel the work, if nothing has before."""
        if not self.came:
            self.came = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
