"""Task evaluators: kinds of question."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from twt_core.components.base import Component
from twt_core.components.context import Context
from twt_core.prompts import Message
from twt_core.records import Answered, Draft, Grade, Query, Reading
from twt_core.settings import Json


class TaskEvaluator(Component):
    """One kind of question: how to ask it, what to read out of a text, and when an answer is right."""

    kind = "task_evaluator"

    @property
    def task_names(self) -> tuple[str, ...]:
        """The tasks that queries name (`Query.task`), of a mixture; none where all queries are of one task."""
        return ()

    def of(self, query: Query) -> TaskEvaluator:
        """The task that `query` is of: this one, or one of a mixture's."""
        return self

    def factor_weights(self, query: Query) -> dict[str, float]:
        """The factors of eq. 1 with their weights, which sum to 1. The teacher is told them with the query."""
        return {"correctness": 1.0}

    def check(self, query: Query) -> None:
        """Refuse a query that this task cannot use.

        Raises:
            ValueError: with what is wrong and what would be right.
        """

    @abstractmethod
    def teacher_messages(self, query: Query) -> list[Message]:
        """The prompt p that asks a teacher for (rationale, label, confidence) (appendix A, figure 4)."""

    def rewrite_messages(self, draft: Draft) -> list[Message]:
        """The prompt p' that asks the same teacher to fit its rationale to the student (figure 8)."""
        *before, asked = self.teacher_messages(draft.query)
        right = self.completion(draft.annotation.rationale, draft.annotation.label or "", draft.query)
        wanted = (
            f"An answer that is right:\n{right}\n\n"
            f"How somebody else thinks about it:\n{draft.student_rationale or '(nothing)'}\n\n"
            "Write the right answer again, shorter, and in the other one's way of thinking."
        )
        return [*before, asked._replace(content=f"{asked.content}\n\n{wanted}")]

    def student_messages(self, query: Query) -> list[Message]:
        """The question as the student is asked it, in training and after."""
        return [Message("user", query.query)]

    def completion(self, rationale: str | None, label: str, query: Query) -> str:
        """The text the student learns to write on a query. `read` must find the same rationale and label in it."""
        return f"{rationale}\nThe answer is: {label}" if rationale else f"The answer is: {label}"

    @abstractmethod
    def read(self, text: str, query: Query) -> Reading:
        """What a teacher's or student's text says. Never raises, whatever the text."""

    def answered(self, text: str, query: Query) -> bool:
        """Whether a student's text has its whole answer, so that the student need not write on.

        It is asked at the end of each line, and the student is stopped where it says so. Never, by default: the
        student then stops by itself, or at its longest text.
        """
        return False

    @abstractmethod
    def same(self, label: str, other: str, query: Query) -> bool:
        """Whether two answers to `query` are the same answer. Used for right or wrong, and for a rewrite's answer."""

    def gradable(self, query: Query) -> bool:
        """Whether answers to `query` can be graded: where its right answer is known, if the task needs one."""
        return bool(query.answers)

    @property
    def asks_teachers(self) -> bool:
        """Whether `grade` asks teachers: its calls are then planned, and only students' answers are graded by it."""
        return False

    def grade(self, answers: Sequence[Answered], context: Context) -> list[Grade]:
        """One grade an answer, in order: right if it is the same as one of the query's answers.

        For tasks that grade otherwise: by running programs, or by asking a judge (``context.ask``).
        """
        return compared(self, answers)

    def answer_schema(self, query: Query) -> dict[str, Json] | None:
        """The JSON schema of a teacher's structured answer. `read` must find the parts in such an object, too.

        None, of a task that reads texts alone: teachers that would give structured answers are asked for a text.
        """
        scores: dict[str, Json] = {name: {"type": "number"} for name in self.factor_weights(query)}
        properties: dict[str, Json] = {
            "rationale": {"type": "string"},
            "answer": {"type": "string"},
            "scores": _object(scores),
        }
        return _object(properties)

    def tests_passed(self, label: str, query: Query) -> float | None:
        """The share of the query's tests that an answer passes, from 0 to 1; None: this task runs no tests."""
        return None


def compared(task: TaskEvaluator, answers: Sequence[Answered]) -> list[Grade]:
    """Answers graded by `TaskEvaluator.same` alone."""
    return [_compared(task, answer) for answer in answers]


def _compared(task: TaskEvaluator, answer: Answered) -> Grade:
    query, label = answer.query, answer.label
    if not query.answers:
        return Grade(correct=None, verdict="no_reference")
    if label is None:
        return Grade(correct=False, verdict="no_answer")
    right = any(task.same(label, known, query) for known in query.answers)
    return Grade(correct=right, verdict="right" if right else "wrong")


def _object(properties: dict[str, Json]) -> dict[str, Json]:
    # Providers' strict modes want every property required and no other.
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
