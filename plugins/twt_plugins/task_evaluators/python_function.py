"""Programming tasks with tests (the paper's MBPP): a program is right when it passes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from twt_core.components import Context
from twt_core.errors import InputError
from twt_core.prompts import Message
from twt_core.records import Answered, Draft, Grade, Query, Reading
from twt_core.sandbox.contained import isolation, require
from twt_core.sandbox.program import Limits, Verdict
from twt_plugins.task_evaluators.assertions import parse
from twt_plugins.task_evaluators.fenced import answer, complete, fenced
from twt_plugins.task_evaluators.judging import (
    Judged,
    Submission,
    blameless,
    judged,
    overall,
    values_expected,
    verdicts,
)
from twt_plugins.task_evaluators.prompted import PROMPTS, PromptedTask, Weight
from twt_plugins.task_evaluators.reading import read_parts
from twt_plugins.task_evaluators.structured import read_object


class PythonFunction(PromptedTask):
    """A Python function to write, with the tests that it must pass: ``assert f(1, 2) == 3`` (figures 4 and 5).

    Programs run contained: they can compute and read the standard library, and nothing else. Whether a test holds is
    decided outside, on the plain values they return; what a test compares with is not in the program's process, unless
    the arguments need it, too: of ``assert f(x) == x``, x is.
    A program may return what it likes, so it can know the tests by heart, as every program can that was shown them.
    """

    built_in: ClassVar[dict[str, Path]] = {
        "teacher_template": PROMPTS / "python_function.teacher.j2",
        "rewrite_template": PROMPTS / "python_function.rewrite.j2",
        "student_template": PROMPTS / "python_function.student.j2",
    }
    answer_form: ClassVar[str] = "the code in a ```python block"

    weights: dict[str, Weight] = Field(
        default={"correctness": 0.50, "readability": 0.20, "execution_efficiency": 0.20, "test_coverage": 0.10},
        description="The factors of eq. 1 by name, with the weights that the teacher is told; they sum to 1.",
    )
    seconds: float = Field(default=5.0, gt=0, le=600, description="The longest that a program may take for its tests.")
    memory_mb: int = Field(default=512, ge=128, description="The most memory that a program may use, in MiB.")

    def check(self, query: Query) -> None:
        """Refuse a query without usable tests, before anything is paid for.

        Raises:
            ValueError: there are none, or one that cannot be decided outside the program, has no value to compare with,
                or takes too long or too much by itself.
            InputError: this machine cannot contain programs, and nobody allowed to run them without.
        """
        if not query.tests:
            raise ValueError('python_function needs "tests": a list of tests such as "assert f(1, 2) == 3"')
        costly = tuple(test for test in query.tests if parse(test).is_costly())
        require()
        try:
            values_expected(query.tests)
            if costly:
                blameless(costly)
        except InputError as error:  # about this query: that programs can be run is known by now
            raise ValueError(str(error)) from None

    def question(self, query: Query) -> str:
        """The task and its tests (figure 5)."""
        return "\n".join([query.query, "# Test cases:", *query.tests]) if query.tests else query.query

    def rewrite_messages(self, draft: Draft) -> list[Message]:
        """The prompt p', with the teacher's program in a block (figure 8)."""
        annotation = draft.annotation.model_copy(update={"label": fenced(draft.annotation.label or "")})
        return super().rewrite_messages(draft.model_copy(update={"annotation": annotation}))

    def completion(self, rationale: str | None, label: str, query: Query) -> str:
        """The rationale, a line "Code:", and the program in a block; without a rationale the block alone."""
        return f"{rationale}\nCode:\n{fenced(label, rationale)}" if rationale else fenced(label)

    def read(self, text: str, query: Query) -> Reading:
        """The parts of a text, with the program as the label: see `fenced.answer` for which. Never raises."""
        if found := read_object(text, self.weights):
            block = answer(found.label or "")
            return found.model_copy(update={"label": block.code}) if block else found
        text = text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n")
        block = answer(text, _names(query))
        if block is None:
            return read_parts(text, self.weights).model_copy(update={"label": None})
        # Each side by itself, so that nothing in the program is taken for an answer or a score.
        before = read_parts(f"{text[: block.start]}\nThe answer is: code")
        after = read_parts(f"The answer is: code\n{text[block.end :]}", self.weights)
        return after.model_copy(update={"rationale": before.rationale, "label": block.code})

    def answered(self, text: str, query: Query) -> bool:
        """Whether an announced program is complete: after a line "Code:", or at the text's start."""
        return complete(text)

    def same(self, label: str, other: str, query: Query) -> bool:
        """Whether a program is as good an answer as another: equal in text, or both pass every test.

        The query's own answers, its reference programs, count as right: against one a program has to pass, no more.
        """
        if other not in query.answers or not query.tests:
            return label == other or (self._passes(label, query) and self._passes(other, query))
        return self._passes(label, query)

    def gradable(self, query: Query) -> bool:
        """Whether a query has tests: they say what is right, and no answer is needed."""
        return bool(query.tests)

    def grade(self, answers: Sequence[Answered], context: Context) -> list[Grade]:
        """One grade an answer, in order: right if it passes every test; the programs run at the same time.

        The verdict is how the program ended on the tests, such as ``passed`` or ``timeout`` (the first that is not
        ``passed``). Without a grade are ``infra``, a program that could not be run however often it was tried, and
        ``bad_test``, where a test breaks a limit or has no value by itself.
        """
        submitted = [_submitted(answer) for answer in answers]
        ran = [one for one in submitted if one]
        found = iter(judged(ran, self._limits) if ran else ())
        unsandboxed = bool(ran) and isolation() == "none"
        return [
            _grade(next(found), unsandboxed) if one else _ungraded(answer)
            for one, answer in zip(submitted, answers, strict=True)
        ]

    def tests_passed(self, label: str, query: Query) -> float | None:
        """The share of the query's tests that a program passes. What ends its process fails the tests after it, too.

        Raises:
            TwtError: the program could not be run.
        """
        found = self._verdicts(label, query)
        return found.count("passed") / len(found) if found else None

    def verdict(self, label: str, query: Query) -> Verdict | None:
        """How a program ends on the query's tests, such as ``passed`` or ``timeout``; None: there are no tests.

        Raises:
            TwtError: the program could not be run.
        """
        found = self._verdicts(label, query)
        return overall(found) if found else None

    def _passes(self, label: str, query: Query) -> bool:
        return self.verdict(label, query) == "passed"

    def _verdicts(self, label: str, query: Query) -> tuple[Verdict, ...]:
        return verdicts(label, query.tests, self._limits) if query.tests else ()

    @property
    def _limits(self) -> Limits:
        return Limits(seconds=self.seconds, memory_mb=self.memory_mb)


def _submitted(answer: Answered) -> Submission | None:
    return Submission(answer.label, answer.query.tests) if answer.label is not None and answer.query.tests else None


def _grade(found: Judged, unsandboxed: bool) -> Grade:
    verdict = "bad_test" if found.fault else overall(found.each)
    correct = None if verdict in ("bad_test", "infra") else verdict == "passed"
    return Grade(correct=correct, verdict=verdict, unsandboxed=unsandboxed)


def _ungraded(answer: Answered) -> Grade:
    if not answer.query.tests:
        return Grade(correct=None, verdict="no_reference")
    return Grade(correct=False, verdict="no_answer")


def _names(query: Query) -> frozenset[str]:
    try:
        return frozenset().union(*(parse(test).names for test in query.tests or ()))
    except ValueError:  # `check` says what is wrong with it
        return frozenset()
