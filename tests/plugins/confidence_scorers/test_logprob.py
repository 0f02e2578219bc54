import math

import pytest
import samples

from twt_plugins.confidence_scorers.logprob import Logprob
from twt_plugins.task_evaluators.exact_match import ExactMatch


def score(logprobs):
    [found] = Logprob().score([samples.annotation(logprobs=logprobs)], ExactMatch())
    return found


def test_geometric_mean_of_the_token_probabilities():
    assert score((("a", math.log(0.5)), ("b", math.log(0.125)))) == pytest.approx(0.25)


def test_length_alone_changes_nothing():
    assert score((("a", -0.5),)) == pytest.approx(score((("a", -0.5),) * 100))


def test_without_logprobs_no_confidence():
    assert score(None) is None
    assert score(()) is None


def test_it_stays_in_range():
    assert score((("a", 1e-9),)) == 1.0  # a server's rounding
    assert score((("a", -1e6),)) == 0.0
