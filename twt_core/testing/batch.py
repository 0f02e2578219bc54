"""What the four kinds that work on many rows at once have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import methodcaller
from typing import Generic, TypeVar

from twt_core import contract
from twt_core.components import AskTeachers, Context, RunComponent, teachers_in
from twt_core.errors import InputError
from twt_core.records import Completion, Failed, Record, Request
from twt_core.testing.checks import Check, NotTried
from twt_core.testing.component import equal_copy, identity_of, require_importable
from twt_core.testing.elsewhere import Call, elsewhere, here, plain
from twt_core.testing.findings import Findings
from twt_core.testing.speed import check_speed

C = TypeVar("C", bound=RunComponent)
R = TypeVar("R", bound=Record)

#: Single rows that are tried alone.
_ALONE = 12


@dataclass
class Asked:
    """Passes requests on, and keeps them."""

    answer: AskTeachers
    requests: list[Request] = field(default_factory=list)

    def __call__(self, requests: Sequence[Request]) -> list[Completion | Failed]:
        """See `Context.ask`."""
        self.requests += requests
        return self.answer(requests)


def _all_fail(requests: Sequence[Request]) -> list[Completion | Failed]:
    return [Failed(cause="nobody is there") for _ in requests]


def _all_junk(requests: Sequence[Request]) -> list[Completion | Failed]:
    return [Completion(text=("", "\x00", "{", "The answer is:")[place % 4]) for place in range(len(requests))]


@dataclass
class Batch(Generic[C, R]):
    """A component, its method, and rows to try it on.

    Attributes:
        component: with the options that it is tried with.
        method: the name of the method.
        work: the method as a run calls it, checked.
        rows: what a run may hand it.
        context: with the rows' queries.
        hard: further batches, by what is hard about them.
        enlarged: a number of rows and a context with their queries.
        most: rows of the speed check; 0 for none.
    """

    component: C
    method: str
    work: Callable[[C, Sequence[R], Context], Sequence[object]]
    rows: Sequence[R]
    context: Context
    hard: Mapping[str, Sequence[R]]
    enlarged: Callable[[int], tuple[Sequence[R], Context]]
    most: int

    def checks(self) -> list[Check]:
        """Those that the four kinds share."""
        name = f"{self.method}()"
        return [
            Check("check_run", "check_run() asks nobody, and raises InputError or nothing.", self._check_run),
            Check("sample", f"{name} gives what its kind promises.", self._sample),
            Check("empty", f"{name} takes no rows at all.", self._empty),
            Check("one_row", f"{name} takes any row alone.", self._one_row),
            Check("hard_rows", f"{name} takes rows with parts missing, equal ones and odd ones.", self._hard_rows),
            Check("repeat", f"{name} gives the same for the same rows, from an equal component, too.", self._repeat),
            Check("process", f"{name} gives the same in another process.", self._process, extra=True),
            Check("inputs", f"{name} leaves rows, context and itself as they were.", self._inputs),
            Check("asks", f"{name} asks teachers of the run or its options, and takes what they say.", self._asks),
            Check("speed", f"{name} keeps in step with the number of rows.", self._speed, extra=True),
        ]

    def __post_init__(self) -> None:
        """Keep what is to stay as it is, before the component sees any of it."""
        self._options = repr(self.component)

    def result(self, findings: Findings, rows: Sequence[R], of: str, context: Context | None = None) -> list[object]:
        """What the component makes of rows; nothing, and a problem, where it fails.

        Raises:
            NotTried: it refuses a run of such rows.
        """
        self.ready()
        made = findings.call(self.place(of), lambda: self.work(self.component, rows, _own(context or self.context)))
        return list(made or ())

    def place(self, of: str) -> str:
        """How a call is named."""
        return f"{self.method}(), {of}"

    def ready(self) -> None:
        """Refuse to go on where the component would not run.

        Raises:
            NotTried: it refuses the rows, or lacks what it needs, such as a model.
        """
        if self._refusal is not None:
            raise NotTried(self._refusal)

    @cached_property
    def _refusal(self) -> str | None:
        try:
            place = "identity()"
            identity_of(self.component)
            place = "check_run()"
            contract.check_run(self.component, _own(self.context))
            place = f"{self.method}()"
            self.work(self.component, self.rows[:1], _own(self.context))
        except NotTried as error:
            return str(error)
        except InputError as error:
            return f"{place} refuses the rows that are there to try: {error}"
        except Exception:  # noqa: BLE001  # the checks of these methods tell it
            return None
        return None

    def _check_run(self, findings: Findings) -> None:
        check_run(self.component, self.context, findings)
        self.ready()

    def _sample(self, findings: Findings) -> None:
        self.result(findings, self.rows, f"on {len(self.rows)} rows")

    def _empty(self, findings: Findings) -> None:
        self.result(findings, (), "on no rows")

    def _one_row(self, findings: Findings) -> None:
        for row in self.rows[:_ALONE]:
            self.result(findings, (row,), "on one row")

    def _hard_rows(self, findings: Findings) -> None:
        for of, rows in self.hard.items():
            self.result(findings, rows, f"on {of}")

    def _repeat(self, findings: Findings) -> None:
        first = self.result(findings, self.rows, "called once")
        again = self.result(findings, self.rows, "called again")
        if not findings.expect(
            first == again,
            f"{self.method}(): another result for the same rows: draw from random.Random(...), seeded with an option "
            "and the query's id",
        ):
            return
        fresh = equal_copy(self.component)
        other = findings.call(
            self.place("of an equal component"), lambda: self.work(fresh, self.rows, _own(self.context))
        )
        findings.expect(
            other is None or list(other) == first,
            f"{self.method}(): another result from an equal component: it keeps what it met in earlier calls",
        )

    def _process(self, findings: Findings) -> None:
        self.ready()
        require_importable(type(self.component))
        calls: list[Call] = [
            (self.work, (self.component, self.rows, self.context)),
            (methodcaller("identity"), (self.component,)),
        ]
        same_process(findings, self.method, calls)

    def _inputs(self, findings: Findings) -> None:
        self.ready()
        rows = tuple(row.model_copy(deep=True) for row in self.rows)
        queries = dict(self.context.queries)
        context = replace(self.context, queries=queries)
        before, known = plain(rows), plain(queries)
        findings.call(
            self.place("handed the rows themselves"), lambda: getattr(self.component, self.method)(rows, context)
        )
        for holds, what in (
            (plain(rows) == before, "the rows that it was given: record.model_copy(update=...) makes a changed one"),
            (plain(queries) == known, "context.queries, which every component shares"),
            (repr(self.component) == self._options, "its own options, which its fingerprint was made of"),
        ):
            findings.expect(holds, f"{self.method}(): it changed {what}")

    def _asks(self, findings: Findings) -> None:
        asked = Asked(self.context.ask)
        self.result(findings, self.rows, f"on {len(self.rows)} rows", replace(self.context, ask=asked))
        known = {t.name for t in (*self.context.teachers, *teachers_in(self.component))}
        for request in asked.requests:
            findings.expect(
                request.teacher in known,
                f"{self.method}(): it asks {request.teacher!r}, whom the run does not have: ask teachers of "
                "context.teachers or of its own options, by name",
            )
            findings.expect(
                request.query_id in self.context.queries,
                f"{self.method}(): it asks about a query {request.query_id!r} that the run does not have",
            )
        if asked.requests:
            for of, answer in (("every call failing", _all_fail), ("nonsense for every answer", _all_junk)):
                self.result(findings, self.rows, f"with {of}", replace(self.context, ask=answer))

    def _speed(self, findings: Findings) -> None:
        self.ready()

        def ready(count: int) -> Callable[[], object]:
            rows, context = self.enlarged(count)
            return lambda: self.work(self.component, rows, context)

        check_speed(findings, f"{self.method}()", ready, self.most)


def _own(context: Context) -> Context:
    """A context that a component may spoil."""
    return replace(context, queries=dict(context.queries))


def check_run(component: RunComponent, context: Context, findings: Findings) -> None:
    """`check_run` asks nobody; an InputError, if it raises one, says something."""
    asked = Asked(_all_fail)

    def look() -> None:
        try:
            contract.check_run(component, replace(context, ask=asked))
        except InputError as error:
            if not str(error).strip():
                raise ValueError("an InputError without a message: say what is missing, and the way out") from error

    findings.call("check_run()", look)
    findings.expect(not asked.requests, "check_run(): it asks teachers, and it is there for what is found before that")


def same_process(findings: Findings, method: str, calls: Sequence[Call]) -> None:
    """Expect of calls that another process gives the same.

    Raises:
        NotTried: they fail here, or cannot be handed over.
    """
    try:
        expected = here(calls)
    except Exception as error:
        raise NotTried(f"it fails in this process: {error}") from error
    try:
        found = elsewhere(calls)
    except RuntimeError as error:
        findings.expect(False, f"{method}(), pickled and called in another process: {error}")
        return
    findings.expect(
        found == expected,
        f"{method}(): another result in another process: hash() of a text and the order of a set differ there. Seed "
        "with the text itself, sort sets, and take nothing from the clock",
    )
