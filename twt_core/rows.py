"""Queries from rows, every row checked before anything is paid for."""

from __future__ import annotations

import ast
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from twt_core import contract
from twt_core.components import TaskEvaluator
from twt_core.errors import InputError
from twt_core.jsonl import LineProblem, column_of_key, lines, parse_line
from twt_core.records import Query
from twt_core.settings import Json

_MOST_SHOWN = 20
_LONGEST_ID = 200
_LONGEST_TASK = 50
#: A column `task` with more different texts than these is no mixture's.
MOST_TASKS = 20
_REQUIRED = ("id", "query")

# What chat templates and tokenizers give a meaning to: in a query it would open or end a message of its own.
_CONTROL_TOKEN = re.compile(
    r"<\|[A-Za-z][A-Za-z0-9_]*\|>|<\uff5c[^\uff5c>\n]+\uff5c>|</?s>|<bos>|<eos>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>"
)
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MARK = re.compile(r"answer|####|\\boxed", re.IGNORECASE)
_ID_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class BadRow(NamedTuple):
    """What is wrong with a row: its number, and the column (from 1) in its JSON."""

    number: int
    column: int
    problem: str


class Naming(NamedTuple):
    """What a source says of all its rows.

    Attributes:
        task: which of a mixture's tasks they are; None: each row says so itself.
        id_prefix: stands before each row's id.
    """

    task: str | None = None
    id_prefix: str = ""


class Checked(NamedTuple):
    """Rows that were read.

    Attributes:
        queries: those that the rows hold, in order.
        bad: the rows that cannot be used.
        numbers: each query's row, by id.
        unused_tasks: tasks that rows name where the run has one task, the queries then none; at most one more than
            `MOST_TASKS`.
    """

    queries: list[Query]
    bad: list[BadRow]
    numbers: dict[str, int]
    unused_tasks: list[str]


def read_queries(path: Path, task: TaskEvaluator, naming: Naming | None = None) -> list[Query]:
    """The queries in a JSONL file, gzipped or not, in order. Columns that no task knows are passed over.

    Raises:
        InputError: what is wrong with the file, or up to twenty rows with their line and column and what is wrong.
    """
    return read_file(path, task, naming or Naming()).queries


def read_file(path: Path, task: TaskEvaluator, naming: Naming) -> Checked:
    """The same, with all that is known of the rows."""

    def check(query: Query) -> None:
        contract.check_query(task, query)

    found = check_rows(lines(path), check, "line", naming, mixed=bool(task.task_names))
    refuse([f"{path}:{row.number}:{row.column} {row.problem}" for row in found.bad])
    return found


def check_rows(
    rows: Iterable[tuple[int, bytes]], check: Callable[[Query], None], unit: str, naming: Naming, *, mixed: bool
) -> Checked:
    """The queries that rows of JSON hold, in order, and the rows that cannot be used.

    Args:
        rows: each with its number.
        check: raises ValueError for a query that the task cannot use.
        unit: what a row is called.
        naming: what is said of all rows.
        mixed: whether the run has several tasks. If not, a column of this name is another thing, and passed over.
    """
    found = Checked([], [], {}, [])
    for number, line in rows:
        try:
            row = parse_line(line)
            query = _query(row, line, naming, check, mixed=mixed)
            if (other := found.numbers.setdefault(query.id, number)) != number:
                raise LineProblem(f"id {query.id!r} is already on {unit} {other}", column_of_key(line, "id"))
            found.queries.append(query)
            if not mixed:
                _note_task(row.get("task"), found.unused_tasks)
        except LineProblem as error:
            found.bad.append(BadRow(number, error.column, str(error)))
    return found


def _note_task(value: Json, noted: list[str]) -> None:
    if isinstance(value, str) and len(value) <= _LONGEST_TASK and len(noted) <= MOST_TASKS and value not in noted:
        noted.append(value)


def refuse(problems: Sequence[str]) -> None:
    """End the work if there are problems.

    Raises:
        InputError: the first of them.
    """
    if problems:
        more = [f"and {len(problems) - _MOST_SHOWN} more"] if len(problems) > _MOST_SHOWN else []
        raise InputError("\n".join([*problems[:_MOST_SHOWN], *more]))


def shared_queries(first: Sequence[Query], second: Sequence[Query]) -> list[tuple[Query, Query]]:
    """Pairs that ask the same: equal texts and choices but for case, spaces and Unicode forms."""
    known = {_normal(query): query for query in first}
    return [(known[key], query) for query in second if (key := _normal(query)) in known]


def without_repeats(queries: Sequence[Query], before: Sequence[Query] = ()) -> list[Query]:
    """The queries that ask what none before them does, in the sense of `shared_queries`; `before` is before all."""
    first = {_normal(query): query for query in before}
    return [query for query in queries if first.setdefault(_normal(query), query) is query]


def refuse_shared(training: Sequence[Query], test: Sequence[Query], test_place: Path | str) -> None:
    """Make sure that nothing is measured on what was trained on.

    Raises:
        InputError: some queries are in both sets; the first few are named.
    """
    if shared := shared_queries(training, test):
        named = ", ".join(f"{theirs.id} (= {ours.id})" for ours, theirs in shared[:5])
        more = f" and {len(shared) - 5} more" if len(shared) > 5 else ""
        raise InputError(
            f"{test_place}: {len(shared)} of its queries are among the training queries: {named}{more}. "
            "Remove them from one of the two"
        )


def _normal(query: Query) -> tuple[str, ...]:
    texts = (query.query, *(query.choices or ()))
    return tuple(" ".join(unicodedata.normalize("NFKC", text).casefold().split()) for text in texts)


def _query(row: dict[str, Json], line: bytes, naming: Naming, check: Callable[[Query], None], *, mixed: bool) -> Query:
    columns = {name: read for name, read in _COLUMNS.items() if mixed or name != "task"}
    _check_columns(row, line, tuple(columns))
    values: dict[str, str | tuple[str, ...] | None] = {}
    column = "id"
    try:
        for column, read in columns.items():
            values[column] = read(row.get(column))
        column = "task"
        values |= _named(values, naming)
        column = "query"
        answers = values.pop("answer") or ()
        query = Query.model_validate({**values, "answer": next(iter(answers), None), "other_answers": answers[1:]})
        _check_leak(query)
        check(query)
    except ValueError as error:
        raise LineProblem(str(error), column_of_key(line, column)) from None
    return query


def _named(values: Mapping[str, str | tuple[str, ...] | None], naming: Naming) -> dict[str, str]:
    """The parts that a row's source has a say in."""
    named = {"id": f"{naming.id_prefix}{values['id']}"}
    if naming.task is None:
        return named
    if (own := values.get("task")) not in (None, naming.task):
        raise ValueError(f"task {own!r}: the config says that all rows of this source are of {naming.task!r}")
    return {**named, "task": naming.task}


def _check_columns(row: dict[str, Json], line: bytes, known: Sequence[str]) -> None:
    others = [name for name in row if name not in known]
    for name in known:
        if name in row:
            continue
        near = get_close_matches(name, others, n=1, cutoff=0.8)
        if name in _REQUIRED:
            rename = f' Rename "{near[0]}" to "{name}"?' if near else ""
            raise LineProblem(f'no column "{name}". There are: {", ".join(row) or "none"}.{rename}')
        if near:
            raise LineProblem(f'unknown column "{near[0]}". Did you mean "{name}"?', column_of_key(line, near[0]))


def _id(value: Json) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError("id must be text or a whole number")
    text = str(value)
    if not text.strip() or len(text) > _LONGEST_ID:
        raise ValueError(f"id must have 1 to {_LONGEST_ID} characters")
    if text != text.strip() or _ID_CONTROL.search(text) or "\\" in text:
        raise ValueError("id must not have control characters, backslashes, or spaces at its ends")
    # "cqa/12" is how many public sets write theirs; only what leads out of a folder is refused.
    if any(part in ("", ".", "..") for part in text.split("/")):
        raise ValueError('id must not read as a path: no "../", no "/" at its ends')
    return text


def _question(value: Json) -> str:
    if not isinstance(value, str) or not value.strip():
        found = "null" if value is None else "empty" if isinstance(value, str) else "no text"
        raise ValueError(f"query is {found}: write the question as text")
    _check_text(value, "query")
    return value


def _check_text(text: str, name: str) -> None:
    if token := _CONTROL_TOKEN.search(text):
        raise ValueError(f"{name} has the chat control token {token[0]}: take it out")
    if control := _CONTROL_CHARACTER.search(text):
        raise ValueError(f"{name} has the control character U+{ord(control[0]):04X}: take it out")


def _answers(value: Json) -> tuple[str, ...]:
    """A right answer, or a list of those that count as right."""
    if value is None:
        return ()
    if not isinstance(value, list):
        return (_plain_text(value, "answer"),)
    texts = [_plain_text(inner, f"answer[{i}]") for i, inner in enumerate(_filled_list(value, "answer"))]
    return tuple(dict.fromkeys(texts))


def _task(value: Json) -> str | None:
    return None if value is None else _plain_text(value, "task")


def _choices(value: Json) -> tuple[str, ...] | None:
    if value is None:
        return None
    choices = tuple(_plain_text(inner, f"choices[{i}]") for i, inner in enumerate(_filled_list(value, "choices")))
    if len(set(choices)) < len(choices):
        raise ValueError("choices has the same choice twice")
    for index, choice in enumerate(choices):
        _check_text(choice, f"choices[{index}]")
    return choices


def _tests(value: Json) -> tuple[str, ...] | None:
    if value is None:
        return None
    tests = tuple(_plain_text(inner, f"tests[{i}]") for i, inner in enumerate(_filled_list(value, "tests")))
    for index, test in enumerate(tests):
        try:
            with warnings.catch_warnings(action="ignore"):  # an odd escape in a test is no fault of ours to report
                ast.parse(test)
        except SyntaxError as error:
            raise ValueError(f"tests[{index}] is no Python: {error.msg} (its line {error.lineno})") from None
        except (ValueError, RecursionError, MemoryError):
            raise ValueError(f"tests[{index}] is no Python") from None
    return tests


def _filled_list(value: Json, name: str) -> list[Json]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{name} must be a list of texts, at least one; leave it out if there is none")
    return value


def _plain_text(value: Json, name: str) -> str:
    """A text, or a number as text: many sets write their answers and choices as numbers."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"{name} must be text: put quotes around it")
    if not str(value).strip():
        raise ValueError(f"{name} is empty: leave it out if there is none")
    return str(value)


#: How each column of a query is read. All raise ValueError.
_COLUMNS: dict[str, Callable[[Json], str | tuple[str, ...] | None]] = {
    "id": _id,
    "query": _question,
    "answer": _answers,
    "choices": _choices,
    "tests": _tests,
    "task": _task,
}


def _check_leak(query: Query) -> None:
    """Refuse a query that gives its answer away.

    Only where the answer is marked as one and ends its sentence: the answer to "Is it on or off?" stands in the
    question by right, and so does a list of what may be answered ("Answer: yes or no").
    """
    if not _MARK.search(query.query):  # a pattern for each answer takes long to compile
        return
    for answer in query.answers:
        _check_gives_away(query.query, answer)


def _check_gives_away(question: str, answer: str) -> None:
    answer = re.escape(answer.strip()).replace(r"\ ", r"\s+")
    line_end = r"[\"'*)\].!]*[ \t]*$"
    marked = rf"(?:\banswer\s*(?:is\s*:?|[:=])|####)\s*[\"'*(\[$]*{answer}(?!\w){line_end}"
    stated = rf"\banswer\s+is\s*:?\s*[\"'*(\[$]*{answer}[\"'*)\]]*[.!;]\s"
    boxed = rf"\\boxed\{{\s*{answer}\s*\}}"
    if re.search(f"{marked}|{stated}|{boxed}", question, re.IGNORECASE | re.MULTILINE):
        raise ValueError("query holds its own answer: take the answer out of the question")
