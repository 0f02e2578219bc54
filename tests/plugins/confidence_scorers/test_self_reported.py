import pytest
import samples

from twt_plugins.confidence_scorers.self_reported import SelfReported
from twt_plugins.task_evaluators.exact_match import ExactMatch

TASK = ExactMatch(weights={"correctness": 0.5, "logical_reasoning": 0.25, "clarity": 0.25})


def score(**annotation):
    # Checked or not: a plugin's task may read what the built-in ones refuse.
    row = samples.annotation().model_copy(update=annotation)
    [found] = SelfReported().score([row], samples.context(TASK, [samples.QUERY]))
    return found


def test_equation_1_where_every_factor_is_given():
    factors = {"correctness": 0.9, "logical_reasoning": 0.8, "clarity": 0.4}
    assert score(factors=factors, score=0.1) == 0.75  # the teacher's own sum is not trusted
    assert score(factors={**factors, "wit": 0.0}) == 0.75


def test_the_total_where_a_factor_is_missing():
    assert score(factors={"correctness": 1.0}, score=0.6) == 0.6
    assert score(factors={}, score=0.0) == 0.0


def test_nothing_is_made_up():
    assert score(factors={"correctness": 1.0}, score=None) is None


@pytest.mark.parametrize("malformed", [1.2, -0.1, 97.0, float("nan"), float("inf")])
def test_a_malformed_number_fails_the_row(malformed):
    factors = {"correctness": malformed, "logical_reasoning": 0.8, "clarity": 0.4}
    assert score(factors=factors, score=0.9) is None
    assert score(factors={"correctness": malformed}, score=0.9) is None
    assert score(factors={}, score=malformed) is None
    assert score(factors={"wit": malformed}, score=0.9) == 0.9  # no factor of this task


def test_borders():
    assert score(factors=dict.fromkeys(TASK.factor_weights(samples.QUERY), 1.0)) == 1.0
    assert score(factors=dict.fromkeys(TASK.factor_weights(samples.QUERY), 0.0)) == 0.0
