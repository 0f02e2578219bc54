"""A run's queries, read and checked before anything is paid for."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from twt_core import contract, hub_data
from twt_core.components import TaskEvaluator
from twt_core.config import RunConfig
from twt_core.data_file import DataFile, Sources, each_of
from twt_core.errors import InputError
from twt_core.records import Query
from twt_core.rows import (
    MOST_TASKS,
    BadRow,
    Naming,
    check_rows,
    read_file,
    refuse,
    refuse_shared,
    shared_queries,
    without_repeats,
)

#: Where downloaded rows are kept, in the project's folder of runs.
DOWNLOADS = ".data"

_MOST_REASONS = 5
#: A text as Python shows it: in ', or in " where it holds a '. A column's name, as in "choices", is none.
_QUOTED = re.compile(r"""(?<!\w)(?:'(?:[^'\\]|\\.)*'|"[^"]*'[^"]*")(?!\w)""")


@dataclass
class QuerySet:
    """The queries of one source.

    Attributes:
        source: where they come from.
        queries: those that are used; of a source that is not downloaded, one that stands for all.
        numbers: their rows, by id.
        unused_tasks: tasks that rows name where the run has one task.
        left_out: how many rows are not used, by reason.
        stands_for: how many rows each query stands for; 1 but where they are not downloaded.
        present: whether the rows are there.
    """

    source: DataFile
    queries: list[Query]
    numbers: dict[str, int] = field(default_factory=dict)
    unused_tasks: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    stands_for: int = 1
    present: bool = True

    @property
    def notes(self) -> list[str]:
        """What is to be said of it: rows that are not there, rows that are left out, tasks that are passed over."""
        if not self.present:
            counted = f"; counted as {self.stands_for} rows" if self.stands_for else ""
            return [f"{self.source.place}: not downloaded yet, which `twt run` does{counted}"]
        return [*self._of_rows_left_out(), *self._of_tasks()]

    def _of_tasks(self) -> list[str]:
        if not 2 <= len(self.unused_tasks) <= MOST_TASKS:
            return []
        shown = ", ".join([*self.unused_tasks[:_MOST_REASONS], *["others"][: len(self.unused_tasks) - _MOST_REASONS]])
        return [
            f"{self.source.place}: its rows name several tasks ({shown}), and the task_evaluator is no mixture: all "
            "are taken for one task"
        ]

    def _of_rows_left_out(self) -> list[str]:
        place = self.source.place
        if not self.left_out:
            return []
        total = self.left_out.total()
        shown = [f"{count} x {reason}" for reason, count in self.left_out.most_common(_MOST_REASONS)]
        others = ["others"] if len(self.left_out) > _MOST_REASONS else []
        return [f"{place}: {total} of {total + len(self.queries)} rows left out: {'; '.join([*shown, *others])}"]

    def place_of(self, query: Query) -> str:
        """The file and line, or data set and row, that a query comes from."""
        number = self.numbers[query.id]
        return f"{self.source.place}:{number}" if self.source.path is not None else f"{self.source.place} row {number}"


@dataclass
class Data:
    """The queries to distil from, to test with and, if given, to choose a stage with.

    Attributes:
        notes: what is to be said of them.
        stands_for: how many rows a query stands for, by id, where its rows are not downloaded; see `rows`.
        bounded: whether no row makes a longer prompt than `queries` do, as prices need.
        held_out_absent: how many test and dev rows are not downloaded, as far as the config says.
    """

    queries: list[Query]
    test: list[Query]
    dev: list[Query]
    notes: list[str] = field(default_factory=list)
    stands_for: dict[str, int] = field(default_factory=dict)
    bounded: bool = True
    held_out_absent: int = 0

    def rows(self, query_id: str) -> int:
        """How many rows one of `queries` stands for: 1 but in a plan whose rows are not downloaded."""
        return self.stands_for.get(query_id, 1)

    @cached_property
    def by_id(self) -> dict[str, Query]:
        """The queries to distil from, by id."""
        return {query.id: query for query in self.queries}

    @cached_property
    def unlabeled(self) -> dict[str, Query]:
        """The same without their answers: what the method may see."""
        return {query.id: query.unlabeled() for query in self.queries}

    @cached_property
    def queries_digest(self) -> str:
        """A hash of the queries to distil from, without their answers: the method does not see those."""
        return self.digest_of(list(self.unlabeled.values()))

    @staticmethod
    def digest_of(queries: Sequence[Query]) -> str:
        """A hash of queries, answers included."""
        return hashlib.sha256(
            "\n".join(query.model_dump_json(exclude_defaults=True) for query in queries).encode()
        ).hexdigest()


def read_data(config: RunConfig, kept_in: Path, *, download: bool = True) -> Data:
    """All queries of a config, every row checked.

    Args:
        config: the config.
        kept_in: the folder of downloaded rows.
        download: whether data sets that are not there are downloaded, or only counted.

    Raises:
        InputError: a bad row, a test or dev query that is also distilled from, no answer to measure with, or a data set
            that cannot be had or, without download, counted.
    """
    queries, test, dev = (
        _read_all(sources, config.task_evaluator, kept_in, download)
        for sources in (config.queries, config.test_queries, config.dev_queries)
    )
    for held_out in [one for one in [*test, *dev] if one.present]:
        for own in queries:
            _keep_apart(own, held_out)
        if not any(contract.gradable(config.task_evaluator, query) for query in held_out.queries):
            raise InputError(f'{held_out.source.place}: no row has an "answer", so nothing can be measured')
    for own in queries:
        _refuse_nothing(own)
    return Data(
        _joined(queries),
        _joined(test),
        _joined(dev),
        notes=[note for one in (*queries, *test, *dev) for note in one.notes]
        + _missing_tasks(config, queries, test)
        + _tested_twice(test, dev),
        stands_for={one.queries[0].id: one.stands_for for one in queries if not one.present},
        bounded=all(one.present or one.source.max_bytes is not None for one in queries),
        held_out_absent=sum(one.stands_for for one in [*test, *dev] if not one.present),
    )


def _joined(sets: Sequence[QuerySet]) -> list[Query]:
    return [query for one in sets for query in one.queries]


def _refuse_nothing(own: QuerySet) -> None:
    if not own.queries:
        raise InputError(f"{own.source.place}: no row is left to distil from. {' '.join(own.notes)}")
    if not own.stands_for:
        raise InputError(
            f"queries: {own.source.place} is not downloaded yet, so nothing can be planned: give rows, the number "
            "that its card says, or limit"
        )


def _missing_tasks(config: RunConfig, queries: Sequence[QuerySet], test: Sequence[QuerySet]) -> list[str]:
    """What is to be said of a mixture's tasks that no query is of."""
    found = []
    for option, sets in (("queries", queries), ("test_queries", test)):
        if all(one.present or one.source.task is not None for one in sets):
            there = {query.task for query in _joined(sets)}
            absent = [name for name in config.task_evaluator.task_names if name not in there]
            found += [f"{option}: none is of the task {name!r}" for name in absent]
    return found


def _tested_twice(test: Sequence[QuerySet], dev: Sequence[QuerySet]) -> list[str]:
    """What is to be said of dev queries that test queries ask, too: what they choose is no longer measured apart."""
    own = _joined([one for one in dev if one.present])
    shared = shared_queries(_joined([one for one in test if one.present]), own)
    if not shared:
        return []
    return [
        f"dev_queries: {len(shared)} of {len(own)} ask the same as a test query, such as {shared[0][1].id!r}: the "
        "accuracy of the stage that they choose is then flattered"
    ]


def _read_all(sources: Sources | None, task: TaskEvaluator, kept_in: Path, download: bool) -> list[QuerySet]:
    found = [_read(source, number, task, kept_in, download) for number, source in enumerate(each_of(sources))]
    _refuse_ids_twice(found)
    before: list[Query] = []
    for one in [one for one in found if one.present]:
        if "repeated" in one.source.leave_out:
            _leave(one, without_repeats(one.queries, before), "asks the same as a row before")
        before += one.queries
    return found


def _refuse_ids_twice(sets: Sequence[QuerySet]) -> None:
    first: dict[str, QuerySet] = {}
    again = [(one, query) for one in sets for query in one.queries if first.setdefault(query.id, one) is not one]
    if again:
        one, query = again[0]
        others = f", and so with {len(again) - 1} more" if len(again) > 1 else ""
        raise InputError(
            f"{one.place_of(query)}: id {query.id!r} is already on {first[query.id].place_of(query)}{others}. Give one "
            "of the two sources an id_prefix"
        )


def _read(source: DataFile, number: int, task: TaskEvaluator, kept_in: Path, download: bool) -> QuerySet:
    if source.path is not None:
        found = read_file(source.path, task, _naming(source))
        return QuerySet(source, found.queries, found.numbers, found.unused_tasks)
    if download or hub_data.downloaded(source, kept_in):
        return _read_data_set(source, task, kept_in)
    return QuerySet(source, [_placeholder(source, number, task)], stands_for=source.declared or 0, present=False)


def _naming(source: DataFile) -> Naming:
    return Naming(source.task, source.prefix)


def _placeholder(source: DataFile, number: int, task: TaskEvaluator) -> Query:
    """One query for all rows; where each row says which task it is, one of the task with the longest prompt."""
    names = (source.task,) if source.task is not None or not task.task_names else task.task_names
    asked = [hub_data.placeholder(source, number, name) for name in names]
    return max(asked, key=lambda query: sum(len(one.content) for one in contract.teacher_messages(task, query)))


def _read_data_set(source: DataFile, task: TaskEvaluator, kept_in: Path) -> QuerySet:
    def check(query: Query) -> None:
        if source.max_bytes is not None and hub_data.size(query) > source.max_bytes:
            raise ValueError(f"the question has more than {source.max_bytes} bytes (max_bytes)")
        contract.check_query(task, query)

    rows = hub_data.read_rows(source, kept_in)
    found = check_rows(rows, check, "row", _naming(source), mixed=bool(task.task_names))
    if "unusable" not in source.leave_out:
        refuse([f"{source.place} row {row.number}: {row.problem}" for row in found.bad] + _way_out(found.bad))
    left_out = Counter(_reason(row) for row in found.bad)
    return QuerySet(source, found.queries, found.numbers, found.unused_tasks, left_out)


def _way_out(bad: Sequence[BadRow]) -> list[str]:
    return ["To leave such rows out and count them: leave_out: [unusable]"] if bad else []


def _reason(row: BadRow) -> str:
    """A problem without what is particular to its row."""
    return re.sub(r"\d+", "…", _QUOTED.sub("…", row.problem).partition(":")[0])


def _keep_apart(training: QuerySet, held_out: QuerySet) -> None:
    if not training.present:
        return
    if "held_out" not in training.source.leave_out:
        refuse_shared(training.queries, held_out.queries, held_out.source.place)
        return
    # Here each training query is looked up, so that all of those that ask the same are found.
    shared = {ours.id for _, ours in shared_queries(held_out.queries, training.queries)}
    _leave(training, [query for query in training.queries if query.id not in shared], "asks the same as a held-out row")


def _leave(found: QuerySet, kept: list[Query], reason: str) -> None:
    if fewer := len(found.queries) - len(kept):
        found.left_out[reason] += fewer
        found.queries = kept
