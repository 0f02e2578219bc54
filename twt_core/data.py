"""A run's queries, read and checked before anything is paid for."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from twt_core import hub_data
from twt_core.components import TaskEvaluator
from twt_core.config import RunConfig
from twt_core.data_file import DataFile
from twt_core.errors import InputError
from twt_core.records import Query
from twt_core.rows import BadRow, check_rows, read_queries, refuse, refuse_shared, shared_queries, without_repeats

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
        left_out: how many rows are not used, by reason.
        stands_for: how many rows each query stands for; 1 but where they are not downloaded.
        present: whether the rows are there.
    """

    source: DataFile
    queries: list[Query]
    left_out: Counter[str] = field(default_factory=Counter)
    stands_for: int = 1
    present: bool = True

    @property
    def notes(self) -> list[str]:
        """What is to be said of it: rows that are not there, rows that are left out."""
        place = self.source.place
        if not self.present:
            counted = f"; counted as {self.stands_for} rows" if self.stands_for else ""
            return [f"{place}: not downloaded yet, which `twt run` does{counted}"]
        if not self.left_out:
            return []
        total = self.left_out.total()
        shown = [f"{count} x {reason}" for reason, count in self.left_out.most_common(_MOST_REASONS)]
        others = ["others"] if len(self.left_out) > _MOST_REASONS else []
        return [f"{place}: {total} of {total + len(self.queries)} rows left out: {'; '.join([*shown, *others])}"]


@dataclass
class Data:
    """The queries to distil from, to test with and, if given, to choose a stage with.

    Attributes:
        notes: what is to be said of them.
        stands_for: how many rows each of `queries` stands for; 1 but in a plan whose rows are not downloaded.
        bounded: whether no row makes a longer prompt than `queries` do, as prices need.
    """

    queries: list[Query]
    test: list[Query]
    dev: list[Query]
    notes: list[str] = field(default_factory=list)
    stands_for: int = 1
    bounded: bool = True

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
    task = config.task_evaluator
    queries, test = (_read(source, task, kept_in, download) for source in (config.queries, config.test_queries))
    dev = _read(config.dev_queries, task, kept_in, download) if config.dev_queries else None
    held_out = [one for one in (test, dev) if one is not None and one.present]
    for one in held_out:
        _keep_apart(queries, one)
        if all(query.answer is None for query in one.queries):
            raise InputError(f'{one.source.place}: no row has an "answer", so nothing can be measured')
    if not queries.queries:
        raise InputError(f"{config.queries.place}: no row is left to distil from. {' '.join(queries.notes)}")
    if not queries.stands_for:
        raise InputError(
            f"queries: {config.queries.place} is not downloaded yet, so nothing can be planned: give rows, the number "
            "that its card says, or limit"
        )
    return Data(
        queries.queries,
        test.queries,
        dev.queries if dev else [],
        notes=[note for one in (queries, test, dev) if one is not None for note in one.notes],
        stands_for=queries.stands_for,
        bounded=queries.present or config.queries.max_bytes is not None,
    )


def _read(source: DataFile, task: TaskEvaluator, kept_in: Path, download: bool) -> QuerySet:
    if source.path is not None:
        return QuerySet(source, read_queries(source.path, task))
    if download or hub_data.downloaded(source, kept_in):
        return _read_data_set(source, task, kept_in)
    return QuerySet(source, [hub_data.placeholder(source)], stands_for=source.declared or 0, present=False)


def _read_data_set(source: DataFile, task: TaskEvaluator, kept_in: Path) -> QuerySet:
    def check(query: Query) -> None:
        if source.max_bytes is not None and hub_data.size(query) > source.max_bytes:
            raise ValueError(f"the question has more than {source.max_bytes} bytes (max_bytes)")
        task.check(query)

    queries, bad = check_rows(hub_data.read_rows(source, kept_in), check, "row")
    if "unusable" not in source.leave_out:
        refuse([f"{source.place} row {row.number}: {row.problem}" for row in bad] + _way_out(bad))
    found = QuerySet(source, queries, Counter(_reason(row) for row in bad))
    if "repeated" in source.leave_out:
        _leave(found, without_repeats(queries), "asks the same as a row before")
    return found


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
