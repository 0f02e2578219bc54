"""Asking teachers: through the ledger, within the budget, several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from twt_core import contract
from twt_core.components import Teacher
from twt_core.errors import BudgetExceeded, InputError, TeacherError
from twt_core.ledger import Ledger, request_key
from twt_core.progress import Progress
from twt_core.records import Completion, Failed, Query, Request


class Desk:
    """Where the run asks its teachers. No answer is handed out before it is on disk.

    Args:
        ledger: where answers are looked up and committed.
        teachers: the run's teachers.
        run: the name that costs are counted under.
        budget_usd: the most that the run may cost; None is unlimited.
        progress: told of every answer.
    """

    def __init__(
        self, ledger: Ledger, teachers: Sequence[Teacher], run: str, budget_usd: float | None, progress: Progress
    ) -> None:
        self._ledger = ledger
        self._teachers = {teacher.name: teacher for teacher in teachers}
        self._run = run
        self._budget_usd = budget_usd
        self._progress = progress
        self._passing_failures = 0

    def preflight(self, queries: Sequence[Query]) -> None:
        """Let every teacher look for what would make its calls fail, before the first.

        Raises:
            InputError: what a teacher found.
        """
        for teacher in self._teachers.values():
            contract.preflight(teacher, queries)

    def nothing_to_retry(self) -> bool:
        """Whether no call failed, since the last look, in a way that asking again may mend."""
        failures, self._passing_failures = self._passing_failures, 0
        return failures == 0

    def to_ask(self, requests: Sequence[Request]) -> list[Request]:
        """Those requests that the ledger holds no answer to, one for each key."""
        missing = {key: request for request in requests if self._ledger.get(key := self._key(request)) is None}
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
        """
        keys = [self._key(request) for request in requests]
        results: dict[str, Completion | Failed] = {}
        todo: dict[str, dict[str, Request]] = {name: {} for name in self._teachers}
        for key, request in zip(keys, requests, strict=True):
            if (known := self._ledger.get(key)) is not None:
                results[key] = known
            else:
                todo[request.teacher].setdefault(key, request)
        if any(todo.values()):
            asyncio.run(self._ask_all(todo, results))
        return [results[key] for key in keys]

    def _key(self, request: Request) -> str:
        return request_key(self._teachers[request.teacher].canonical_request(request))

    async def _ask_all(self, todo: dict[str, dict[str, Request]], results: dict[str, Completion | Failed]) -> None:
        errors: list[Exception] = []

        async def work(teacher: Teacher, waiting: Iterator[tuple[str, Request]]) -> None:
            for key, request in waiting:
                if errors:
                    return
                try:
                    results[key] = await self._ask_one(teacher, key, request)
                except Exception as error:  # noqa: BLE001  # kept for after the calls that are under way
                    errors.append(error)
                task.advance(teacher.name)

        totals = {name: len(requests) for name, requests in todo.items() if requests}
        with self._progress.task("asking", totals) as task:
            workers = []
            for name, requests in todo.items():
                waiting = iter(requests.items())
                count = min(self._teachers[name].concurrency, len(requests))
                workers += [work(self._teachers[name], waiting) for _ in range(count)]
            await asyncio.gather(*workers)
        if errors:
            raise next((e for e in errors if not isinstance(e, BudgetExceeded)), errors[0])

    async def _ask_one(self, teacher: Teacher, key: str, request: Request) -> Completion | Failed:
        worst = teacher.worst_case_usd(request)
        if worst is None and self._budget_usd is not None:
            raise InputError(f"{teacher.name}: its price is not known, so a budget cannot hold. Give its prices")
        if worst:
            self._ledger.reserve(key, request, self._run, worst, self._budget_usd)
        try:
            completion = await contract.complete(teacher, request)
        except TeacherError as error:
            if worst and not error.maybe_billed:
                self._ledger.release(key)
            self._passing_failures += not error.permanent
            return Failed(cause=str(error), permanent=error.permanent)
        cost = completion.cost_usd if completion.cost_usd is not None else worst or 0.0
        self._ledger.commit(key, request, self._run, completion, cost)
        return completion
