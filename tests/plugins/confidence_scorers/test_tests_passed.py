import pytest
import samples

from twt_core.errors import InputError
from twt_plugins.confidence_scorers.tests_passed import TestsPassed
from twt_plugins.task_evaluators.exact_match import ExactMatch


class Running(ExactMatch):
    """A task whose tests are texts that an answer must hold."""

    def tests_passed(self, label, query):
        return sum(test in label for test in query.tests) / len(query.tests) if query.tests else None


def score(task, tests, labels=("ab", "a", "c")):
    query = samples.QUERY.model_copy(update={"tests": tests})
    rows = [samples.annotation(label=label) for label in labels]
    return TestsPassed().score(rows, samples.context(task, queries=[query]))


def test_the_share_that_passes():
    assert score(Running(), ("a", "b")) == [1.0, 0.5, 0.0]


def test_a_query_without_tests_has_no_confidence():
    queries = [
        samples.QUERY.model_copy(update={"id": "q1", "tests": ("a",)}),
        samples.QUERY.model_copy(update={"id": "q2"}),
    ]
    rows = [samples.annotation("q1", label="a"), samples.annotation("q2", label="a")]
    assert TestsPassed().score(rows, samples.context(Running(), queries=queries)) == [1.0, None]


def test_a_task_that_runs_none_is_named():
    with pytest.raises(InputError, match="the task 'exact_match' runs no tests"):
        TestsPassed().check_run(samples.context(ExactMatch()))


def test_queries_without_any_are_named():
    with pytest.raises(InputError, match='no query has "tests"'):
        TestsPassed().check_run(samples.context(Running(), queries=[samples.QUERY]))


def test_nothing_to_score_is_no_error():
    assert score(ExactMatch(), None, labels=()) == []
