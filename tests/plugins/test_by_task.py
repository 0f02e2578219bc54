"""Scorers and filters of their own for a mixture's tasks."""

import pytest
import samples

from twt_core.components import ConfidenceScorer, QualityFilter, TaskEvaluator
from twt_core.errors import InputError
from twt_core.records import Query

MIXED = TaskEvaluator.model_validate(
    {"use": "mixture", "tasks": {"sums": {"use": "exact_match"}, "code": {"use": "python_function"}}}
)
QUERIES = [
    Query(id="s", query="One and one?", task="sums"),
    Query(id="c", query="Add one.", tests=("assert add(1) == 2", "assert add(1) == 3"), task="code"),
]
RIGHT_ONCE = "def add(x):\n    return x + 1"
BY_TESTS = {"use": "by_task", "tasks": {"code": {"use": "tests_passed"}}}


def scorer(**options):
    return ConfidenceScorer.model_validate({**BY_TESTS, **options})


def test_each_task_is_scored_in_its_own_way_and_the_order_stays():
    rows = [
        samples.annotation("c", label=RIGHT_ONCE), samples.annotation("s", score=0.9),
        samples.annotation("c", "ben", label="def add(x):\n    return 0"), samples.annotation("s", "ben", score=0.8),
    ]  # fmt: skip
    context = samples.context(MIXED, QUERIES)
    assert scorer().score(rows, context) == [0.5, 0.9, 0.0, 0.8]
    assert scorer(otherwise={"use": "agreement"}).score(rows, context) == [0.5, 1.0, 0.0, 1.0]
    assert scorer().score([], context) == []


def test_tests_alone_would_fail_the_other_tasks_and_the_way_out_is_named():
    context = samples.context(MIXED, QUERIES)
    with pytest.raises(InputError) as caught:
        ConfidenceScorer.model_validate({"use": "tests_passed"}).check_run(context)
    assert "1 of 2 queries have no tests that their task runs, such as 's'" in str(caught.value)
    assert "{use: by_task, tasks: {code: {use: tests_passed}}}" in str(caught.value)
    scorer().check_run(context)


def test_tests_that_no_task_runs_are_none():
    tested = QUERIES[0].model_copy(update={"tests": ("assert f(1) == 2",)})
    with pytest.raises(InputError, match="1 of 2 queries have no tests that their task runs, such as 's'"):
        ConfidenceScorer.model_validate({"use": "tests_passed"}).check_run(samples.context(MIXED, [tested, QUERIES[1]]))
    with pytest.raises(InputError, match="the task 'exact_match' runs no tests"):
        scorer(tasks={"sums": {"use": "tests_passed"}}).check_run(samples.context(MIXED, [tested, QUERIES[1]]))


@pytest.mark.parametrize(
    ("options", "task", "words"),
    [
        ({"tasks": {"cod": {"use": "tests_passed"}}}, MIXED, "no task is called 'cod'. Did you mean \"code\"?"),
        ({"tasks": {"sums": {"use": "tests_passed"}}}, MIXED, "the task 'exact_match' runs no tests"),
        ({}, None, "the task_evaluator exact_match is no mixture of tasks"),
    ],
)
def test_what_cannot_work_is_found_before_anything_is_asked(options, task, words):
    with pytest.raises(InputError) as caught:
        scorer(**options).check_run(samples.context(task, QUERIES))
    assert words in str(caught.value)


def keep(rows, **options):
    quality_filter = QualityFilter.model_validate({"use": "by_task", **options})
    verdicts = quality_filter.judge(rows, samples.context(MIXED, QUERIES))
    return [verdict is None for verdict in verdicts]


def test_each_task_has_its_own_border():
    rows = [samples.annotation(id_, confidence=c) for id_, c in (("s", 0.9), ("c", 0.5), ("s", 0.8), ("c", 0.2))]
    half = {"use": "top_fraction", "fraction": 0.5}
    assert keep(rows, otherwise=half) == [True, True, False, False]
    pooled = QualityFilter.model_validate(half).judge(rows, samples.context(MIXED, QUERIES))
    assert [verdict is None for verdict in pooled] == [True, False, True, False]
    assert keep(rows, tasks={"code": {"use": "threshold", "minimum": 0.1}}) == [False, True, False, True]


def test_a_filters_options_are_checked_by_task():
    quality_filter = QualityFilter.model_validate({"use": "by_task", "tasks": {"x": {"use": "threshold"}}})
    with pytest.raises(InputError, match="quality_filter by_task: no task is called 'x'"):
        quality_filter.check_run(samples.context(MIXED, QUERIES))
