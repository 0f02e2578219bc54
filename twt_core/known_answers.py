"""What is known of right answers, kept in a run folder for people who look at it. No step of the method reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from twt_core.data import Data
from twt_core.records import Query, Record
from twt_core.run import write_whole

#: The questions of the evaluation, with their answers.
TEST_QUERIES, DEV_QUERIES = "test_queries.jsonl", "dev_queries.jsonl"
#: The right answers to the queries that are distilled from, and whether each label is right.
KNOWN_ANSWERS, LABEL_GRADES = "known_answers.jsonl", "label_grades.jsonl"


class KnownAnswer(Record):
    """The answers that count as right for a query; a query without any has no row."""

    query_id: str
    answers: tuple[str, ...]


class LabelGrade(Record):
    """Whether an annotation's label is right; one to a query without an answer has no row."""

    query_id: str
    teacher: str
    sample: int
    correct: bool


def note_questions(run: Path, data: Data) -> None:
    """Write what was asked in the evaluation, and the known answers to the other queries.

    Raises:
        TwtError: the folder cannot be written.
    """
    _write(run / TEST_QUERIES, data.test)
    _write(run / DEV_QUERIES, data.dev)
    _write(run / KNOWN_ANSWERS, (KnownAnswer(query_id=q.id, answers=q.answers) for q in data.queries if q.answers))


def note_grades(run: Path, right: Mapping[tuple[str, str, int], bool]) -> None:
    """Write whether labels are right, by annotation.

    Raises:
        TwtError: the folder cannot be written.
    """
    rows = (LabelGrade(query_id=q, teacher=t, sample=s, correct=correct) for (q, t, s), correct in right.items())
    _write(run / LABEL_GRADES, rows)


def _write(file: Path, rows: Iterable[Query | KnownAnswer | LabelGrade]) -> None:
    write_whole(file, (row.model_dump_json(exclude_none=True) + "\n" for row in rows))
