"""Tests passed: code is worth what it does."""

from __future__ import annotations

from collections.abc import Sequence

from twt_core.components import ConfidenceScorer, Context, TaskEvaluator
from twt_core.errors import InputError
from twt_core.records import Annotation


class TestsPassed(ConfidenceScorer):
    """The share of the query's own tests that the answer passes: execution in place of the teacher's word.

    For tasks that run code, and queries with tests, which then are no labels but part of the question (as the asserts
    of MBPP are, Austin et al. 2021). A query without tests gives no confidence.
    """

    __test__ = False  # pytest takes a class of this name for one of its own

    def check_run(self, context: Context) -> None:
        """Refuse a task that runs no tests, and queries without any.

        Raises:
            InputError: with the way out.
        """
        if type(context.task).tests_passed is TaskEvaluator.tests_passed:
            raise InputError(
                f"confidence_scorer tests_passed: the task {context.task.use!r} runs no tests. "
                "Use a task that runs code, or another scorer"
            )
        untested = [query for query in context.queries.values() if not query.tests]
        if len(untested) == len(context.queries):
            raise InputError('confidence_scorer tests_passed: no query has "tests". Add them, or use another scorer')
        if untested and context.task.task_names:
            raise InputError(
                f'confidence_scorer tests_passed: {len(untested)} of {len(context.queries)} queries have no "tests", '
                f"such as {untested[0].id!r}, and all answers to them would fail. Score each task in its own way: "
                f"{{use: by_task, tasks: {{{_tested(context)}: {{use: tests_passed}}}}}}"
            )

    def score(self, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
        """See `ConfidenceScorer.score`."""
        return [context.task.tests_passed(a.label or "", context.queries[a.query_id]) for a in annotations]


def _tested(context: Context) -> str:
    """A task whose queries have tests."""
    return next(query.task or "" for query in context.queries.values() if query.tests)
