"""What the task says of texts, some at a time; what is graded is not graded again, what could not be, is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from twt_core.components import Context
from twt_core.distillation import graded
from twt_core.evaluation.appending import Appending, in_order, line, read_rows
from twt_core.evaluation.folder import PREDICTIONS, Text
from twt_core.progress import Progress
from twt_core.records import Prediction, Query
from twt_core.run import write_whole

#: Answers that a task grades at once.
_AT_ONCE = 256
#: The verdict on an answer to a question whose answer is not known: no grading mends that.
_NO_REFERENCE = "no_reference"


def read_predictions(folder: Path) -> list[Prediction]:
    """The predictions that are there.

    Raises:
        TwtError: they are damaged.
    """
    return read_rows(folder / PREDICTIONS, Prediction, "Give --regrade: the texts are then graded anew")


def grade_texts(
    folder: Path, texts: Sequence[Text], queries: Mapping[str, Query], context: Context, progress: Progress
) -> tuple[list[Prediction], int]:
    """Grade what is not graded yet, and again what could not be, or was another text.

    Args:
        folder: the evaluation's.
        texts: all of them, in order.
        queries: by id, with their answers.
        context: with the task.
        progress: told of every grade.

    Returns:
        All predictions, in the order of the texts, and how many of them are new.
    """
    path, there = folder / PREDICTIONS, read_predictions(folder)
    written = {_key(text): text.text for text in texts}
    held = {_key(row): row for row in there if written.get(_key(row)) == row.text and not _to_be_tried_again(row)}
    todo = [text for text in texts if _key(text) not in held]
    if len(held) < len(there):
        progress.say(f"{len(there) - len(held)} answers could not be graded, or their texts changed: graded anew")
        write_whole(path, map(line, held.values()))
    for rows in _graded_now(path, todo, queries, context, progress) if todo else ():
        held.update((_key(row), row) for row in rows)
    ordered = in_order(list(held.values()), list(held), [_key(text) for text in texts])
    if list(held.values()) != ordered:
        write_whole(path, map(line, ordered))
    return ordered, len(todo)


def _graded_now(
    path: Path, texts: Sequence[Text], queries: Mapping[str, Query], context: Context, progress: Progress
) -> Iterator[list[Prediction]]:
    """The predictions of some texts at a time, on disk before they come."""
    with Appending[Prediction](path) as file, progress.task("grading", {"answers": len(texts)}) as task:
        for start in range(0, len(texts), _AT_ONCE):
            rows = _graded(texts[start : start + _AT_ONCE], queries, context)
            file.add(*rows)
            yield rows
            task.advance("answers", len(rows))


def _graded(texts: Sequence[Text], queries: Mapping[str, Query], context: Context) -> list[Prediction]:
    rows = graded([queries[text.query_id] for text in texts], texts, context)
    return [row.model_copy(update={"sample": text.sample}) for text, row in zip(texts, rows, strict=True)]


def _key(row: Text | Prediction) -> tuple[str, int]:
    return row.query_id, row.sample


def _to_be_tried_again(row: Prediction) -> bool:
    return row.correct is None and row.verdict != _NO_REFERENCE
