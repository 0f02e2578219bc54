"""A run's queries, read and checked before anything is paid for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from twt_core.config import RunConfig
from twt_core.errors import InputError
from twt_core.records import Query
from twt_core.rows import read_queries, refuse_shared


@dataclass
class Data:
    """The queries to distil from, to test with and, if given, to choose a stage with."""

    queries: list[Query]
    test: list[Query]
    dev: list[Query]

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
        return hashlib.sha256("\n".join(query.model_dump_json() for query in queries).encode()).hexdigest()


def read_data(config: RunConfig) -> Data:
    """All query files of a config, every row checked.

    Raises:
        InputError: a bad row, a test or dev query that is also distilled from, or no answer to measure with.
    """
    task = config.task_evaluator
    queries = read_queries(config.queries.path, task)
    test = read_queries(config.test_queries.path, task)
    dev = read_queries(config.dev_queries.path, task) if config.dev_queries else []
    for held_out, file in ((test, config.test_queries), (dev, config.dev_queries)):
        if file is None:
            continue
        refuse_shared(queries, held_out, file.path)
        if all(query.answer is None for query in held_out):
            raise InputError(f'{file.path}: no row has an "answer", so nothing can be measured')
    return Data(queries, test, dev)
