"""Answers graded: right ones, wrong ones, none, and those to queries whose answer nobody knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING

from twt_core import contract
from twt_core.components import Context, TaskEvaluator, teachers_in
from twt_core.errors import TwtError
from twt_core.records import Answered, Completion, Failed, Grade, Query, Request
from twt_core.testing.findings import Findings, shown
from twt_core.testing.speed import ROWS, check_speed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: An answer to no question.
NO_ANSWER = "twt kit: no such answer"


class Grading:
    """All queries, graded together."""

    def __init__(self, task: TaskEvaluator, queries: Sequence[Query], findings: Findings) -> None:
        self.task, self.queries, self.findings = task, queries, findings
        self.judges = {teacher.name for teacher in teachers_in(task)}

    def check(self) -> None:
        """Grade all of them, twice, and see."""
        answers = list(self._answers())
        before = [answer.model_dump_json() for answer in answers]
        grades = self._grade(answers)
        if grades is None:
            return
        for answer, grade in zip(answers, grades, strict=True):
            self._expect_grade(answer, grade)
        backwards = self._grade(answers[::-1])
        self.findings.expect(
            backwards is not None and backwards[::-1] == grades, "grade(): other grades in another order: one an answer"
        )
        self.findings.expect(self._grade([]) == [], "grade([]): expected no grades")
        self.findings.expect(
            [answer.model_dump_json() for answer in answers] == before, "grade(): it changed the answers it was given"
        )

    def check_speed(self) -> None:
        """Grade more and more answers that say nothing: those run no program and are put to no judge."""
        check_speed(self.findings, "grade()", self._many, ROWS)

    def _many(self, count: int) -> Callable[[], object]:
        queries = [
            query.model_copy(update={"id": f"{query.id}/{number}"})
            for number, query in enumerate(islice(cycle(self.queries), count))
        ]
        answers = [Answered(query=query, text="", label=None) for query in queries]
        context = Context(self.task, {query.id: query.unlabeled() for query in queries}, self._ask, _no_vectors)
        return lambda: contract.grade(self.task, answers, context)

    def _answers(self) -> Iterator[Answered]:
        for query in self.queries:
            for label in (*query.answers, NO_ANSWER, None):
                yield Answered(query=query, text="", label=label)
            yield Answered(query=query.unlabeled(), text="", label=next(iter(query.answers), None))

    def _grade(self, answers: Sequence[Answered]) -> list[Grade] | None:
        queries = {query.id: query.unlabeled() for query in self.queries}
        context = Context(self.task, queries, self._ask, _no_vectors)
        return self.findings.call("grade()", lambda: contract.grade(self.task, answers, context))

    def _ask(self, requests: Sequence[Request]) -> list[Completion | Failed]:
        self.findings.expect(self.task.asks_teachers, "grade() asks teachers, and asks_teachers does not say so")
        for request in requests:
            self.findings.expect(
                request.teacher in self.judges and request.purpose == "grade",
                f'grade() asks {request.teacher!r} for {request.purpose!r}: ask teachers of its options, for "grade"',
            )
        return [Failed(cause="nobody is asked in a test") for _ in requests]

    def _expect_grade(self, answer: Answered, grade: Grade) -> None:
        query, label = answer.query, answer.label
        place = f"grade() of {shown(label)}, on query {query.id!r}"
        self.findings.expect(bool(grade.verdict.strip()), f"{place}: the verdict is empty: give it in a word")
        if label is None or label == NO_ANSWER:
            self.findings.expect(grade.correct is not True, f"{place}: correct is True, which it is not")
        if label in query.answers:
            # A judge that nobody asks has no opinion; all others know.
            allowed = (True, None) if self.task.asks_teachers else (True,)
            self.findings.expect(
                grade.correct in allowed, f"{place}: correct is {grade.correct}, and it counts as right"
            )
        if not self._gradable(query):
            self.findings.expect(grade.correct is None, f"{place}, whose answer is not known: correct has to be None")

    def _gradable(self, query: Query) -> bool:
        place = f"gradable(), on query {query.id!r}"
        return self.findings.call(place, lambda: contract.gradable(self.task, query)) is not False


def _no_vectors(_embedder: str, _texts: Sequence[str]) -> NDArray[np.float32]:
    raise TwtError("grade() embeds texts, for which no model is there in a test")
