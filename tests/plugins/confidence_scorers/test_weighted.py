import math

import pytest
import samples
from pydantic import ValidationError

from twt_core.components import ConfidenceScorer
from twt_plugins.confidence_scorers.weighted import Weighted

HALF = {"use": "logprob"}, {"use": "self_reported"}


def weighted(*factors):
    return Weighted(factors=[{"weight": w, "scorer": s} for w, s in factors])


def score(scorer, **annotation):
    return scorer.score([samples.annotation(**annotation)], samples.context(queries=[samples.QUERY]))


def test_equation_1_over_scorers():
    scorer = weighted((0.25, HALF[0]), (0.75, HALF[1]))
    assert score(scorer, logprobs=(("a", math.log(0.4)),), score=0.8) == [pytest.approx(0.7)]


def test_one_that_cannot_score_leaves_no_confidence():
    scorer = weighted((0.5, HALF[0]), (0.5, HALF[1]))
    assert score(scorer, logprobs=None, score=0.8) == [None]
    assert score(scorer, score=None) == [None]


def test_a_factor_of_zero_counts_as_zero():
    assert score(weighted((1, HALF[1])), score=0.0) == [0.0]


@pytest.mark.parametrize("weights", [(0.5, 0.4), (0.5, 0.6), (1.0, 1.0)])
def test_weights_that_do_not_sum_to_one_are_refused(weights):
    with pytest.raises(ValidationError, match="the weights sum to"):
        weighted(*zip(weights, HALF, strict=True))


@pytest.mark.parametrize("factors", [[], [{"weight": 1.0}], [{"weight": 1.0, "scorer": {"use": "no_such"}}]])
def test_factors_are_checked(factors):
    with pytest.raises(Exception, match=r"factors|no_such"):
        Weighted(factors=factors)


def test_a_config_gives_it_back_whole():
    scorer = weighted((0.5, {"use": "logprob", "over": "local", "window": 3}), (0.5, HALF[1]))
    assert ConfidenceScorer.model_validate(scorer.model_dump(mode="json")) == scorer


def test_its_identity_holds_those_of_its_scorers():
    first = weighted((0.5, {"use": "logprob", "window": 3}), (0.5, HALF[1]))
    second = weighted((0.5, {"use": "logprob", "window": 4}), (0.5, HALF[1]))
    assert first.identity() != second.identity()


def test_it_nests():
    inner = {"use": "weighted", "factors": [{"weight": 1.0, "scorer": HALF[1]}]}
    assert score(weighted((1.0, inner)), score=0.8) == [0.8]
