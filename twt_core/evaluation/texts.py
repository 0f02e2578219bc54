"""What a model writes on queries: by the student's own engine, or by a server. What is on disk is not made again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twt_core import contract
from twt_core.asking import Desk
from twt_core.components import Teacher
from twt_core.distillation import asked_with
from twt_core.evaluation.appending import Appending, in_order, line, read_rows
from twt_core.evaluation.folder import TEXTS, Text
from twt_core.evaluation.settings import EvaluationSettings
from twt_core.evaluation.subjects import Subject
from twt_core.progress import Progress
from twt_core.records import Completion, Failed, Generation, Query, Request
from twt_core.run import write_whole
from twt_core.student.student import Student

WAY_OUT = "Remove the folder, or give another --out"


@dataclass(frozen=True)
class Asked:
    """One text to be had: a query, and which of its samples."""

    query: Query
    sample: int

    @property
    def key(self) -> tuple[str, int]:
        """As a row on disk has it."""
        return self.query.id, self.sample


def all_asked(queries: Sequence[Query], samples: int) -> list[Asked]:
    """Every text of an evaluation, in order."""
    return [Asked(query, sample) for query in queries for sample in range(samples)]


def read_texts(folder: Path) -> list[Text]:
    """The texts that are there.

    Raises:
        TwtError: they are damaged.
    """
    return read_rows(folder / TEXTS, Text, WAY_OUT)


def put_in_order(folder: Path, texts: Sequence[Text], wanted: Sequence[Asked]) -> list[Text]:
    """All texts in the order of the queries, on disk, too."""
    keys = [(text.query_id, text.sample) for text in texts]
    ordered = in_order(texts, keys, [one.key for one in wanted])
    if ordered != list(texts):
        write_whole(folder / TEXTS, map(line, ordered))
    return ordered


def write_with_student(
    folder: Path, todo: Sequence[Asked], done: int, settings: EvaluationSettings, subject: Subject, progress: Progress
) -> None:
    """Have the student write what is missing.

    Args:
        folder: the evaluation's.
        todo: what is missing.
        done: how many texts are there.
        settings: the student and the task.
        subject: its adapter.
        progress: told of every text.
    """
    task, queries = settings.task, {one.query.id: one.query.unlabeled() for one in todo}
    prompts = [(one.query.id, asked_with(settings.prefix, one.query, task)) for one in todo]
    student = student_of(subject, settings, progress, _seed(settings.seed, done))
    with Appending[Text](folder / TEXTS) as file:

        def keep(place: int, made: Generation) -> None:
            file.add(Text(**dict(made), sample=todo[place].sample))

        student.answer(subject.adapter, prompts, lambda text, name: contract.answered(task, text, queries[name]), keep)


def student_of(subject: Subject, settings: EvaluationSettings, progress: Progress, seed: int) -> Student:
    """The student that a subject is, or is made from."""
    assert settings.student is not None  # it is no served model
    return Student(settings.student, subject.models, seed, progress)


def _seed(seed: int, done: int) -> int:
    # With the same seed, what is gone on with would repeat the samples of the beginning.
    return seed if not done else int(hashlib.sha256(f"{seed} {done}".encode()).hexdigest()[:8], 16)


def write_with_server(
    folder: Path, todo: Sequence[Asked], settings: EvaluationSettings, served: Teacher, desk: Desk
) -> dict[str, int]:
    """Have the server write what is missing; what the ledger holds is not asked again.

    Returns:
        How many questions got no answer, by cause.
    """
    requests = [_request(one, settings, served) for one in todo]
    new = {(request.query_id, request.sample) for request in desk.to_ask(requests)}
    began = time.perf_counter()
    answers = desk.fetch({served.name: requests}, {served.name: len(requests)})
    seconds = (time.perf_counter() - began) / max(1, len(new))
    failed: dict[str, int] = {}
    with Appending[Text](folder / TEXTS) as file:
        for place, one in enumerate(todo):
            found = answers.of(served.name, place)
            if isinstance(found, Failed):
                failed[found.cause] = failed.get(found.cause, 0) + 1
            else:
                file.add(_text(one, found, seconds if one.key in new else 0.0))
    return failed


def _request(one: Asked, settings: EvaluationSettings, served: Teacher) -> Request:
    messages = tuple(asked_with(settings.prefix, one.query, settings.task))
    return Request(
        query_id=one.query.id, teacher=served.name, purpose="answer", messages=messages, sample=one.sample
    )  # fmt: skip


def _text(one: Asked, found: Completion, seconds: float) -> Text:
    usage = found.usage
    return Text(
        query_id=one.query.id,
        sample=one.sample,
        text=found.text,
        tokens=usage.completion_tokens if usage else 0,
        prompt_tokens=usage.prompt_tokens if usage else 0,
        seconds=seconds,
        counted=usage is not None,
    )
