"""Tests passed: code is worth what it does."""

from __future__ import annotations

from collections.abc import Sequence

from twt_core.components import ConfidenceScorer, Context, TaskEvaluator
from twt_core.errors import InputError
from twt_core.records import Annotation, Query


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
        tasks = [context.task.of(query) for query in context.queries.values()] or [context.task]
        if not any(_runs_tests(task) for task in tasks):
            raise InputError(
                f"confidence_scorer tests_passed: the task {tasks[0].use!r} runs no tests. "
                "Use a task that runs code, or another scorer"
            )
        untested = [query for query in context.queries.values() if not _is_tested(query, context)]
        if len(untested) == len(context.queries):
            raise InputError('confidence_scorer tests_passed: no query has "tests". Add them, or use another scorer')
        if untested and context.task.task_names:
            raise InputError(
                f"confidence_scorer tests_passed: {len(untested)} of {len(context.queries)} queries have no tests that "
                f"their task runs, such as {untested[0].id!r}, and all answers to them would fail. "
                "Score each task in its own way: "
                f"{{use: by_task, tasks: {{{_tested(context)}: {{use: tests_passed}}}}}}"
            )

    def score(self, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
        """See `ConfidenceScorer.score`."""
        return [context.task.tests_passed(a.label or "", context.queries[a.query_id]) for a in annotations]


def _runs_tests(task: TaskEvaluator) -> bool:
    return type(task).tests_passed is not TaskEvaluator.tests_passed


def _is_tested(query: Query, context: Context) -> bool:
    return bool(query.tests) and _runs_tests(context.task.of(query))


def _tested(context: Context) -> str:
    """A task whose queries have tests."""
    return next(query.task or "" for query in context.queries.values() if _is_tested(query, context))
