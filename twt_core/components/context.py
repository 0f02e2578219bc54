"""What the run offers to a component besides its input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from twt_core.errors import InputError
from twt_core.prompts import Message
from twt_core.records import Completion, Failed, Query, Request, TokenLogprob

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twt_core.components.task_evaluator import TaskEvaluator
    from twt_core.components.teacher import Teacher

#: Asks teachers on behalf of a component. Every answer passes the ledger and the budget; one result a request.
AskTeachers = Callable[[Sequence[Request]], list[Completion | Failed]]

#: ``embed(embedder, texts)``: unit vectors, float32, shape (texts, dimensions). `embedder` is a folder, a hub id, or
#: ``package:NAME/PATH``. A text is embedded once; its vector is kept on disk for every later run.
Embed: TypeAlias = "Callable[[str, Sequence[str]], NDArray[np.float32]]"

#: ``student_logprobs([(messages, text), ...])``: the tokens of each text with the log-probabilities that the student of
#: the stage before gives them as its answer. The tokens of a text, joined, are the text.
StudentLogprobs: TypeAlias = Callable[[Sequence[tuple[Sequence[Message], str]]], list[list[TokenLogprob]]]


def _no_student(_: Sequence[tuple[Sequence[Message], str]]) -> list[list[TokenLogprob]]:
    raise InputError("student_logprobs: only a compressor that says reads_logprobs is given the student")


@dataclass(frozen=True)
class Context:
    """What the run offers to a component besides its input.

    Attributes:
        task: the run's kind of question.
        queries: the run's queries by id, without their answers.
        ask: asks the run's teachers, and those that the component names in its options.
        embed: sentence vectors.
        teachers: the run's teachers.
        student_logprobs: how likely the student finds texts; for compressors that say `reads_logprobs`.
    """

    task: TaskEvaluator
    queries: Mapping[str, Query]
    ask: AskTeachers
    embed: Embed
    teachers: tuple[Teacher, ...] = ()
    student_logprobs: StudentLogprobs = _no_student
