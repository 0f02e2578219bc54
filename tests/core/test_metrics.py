from math import comb

import pytest
import samples

from twt_core.metrics import mcnemar, recommend, score_stage, wilson_interval


def test_wilson_interval_as_published():
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)  # Newcombe 1998, table I
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson_interval(20, 20)[1] == pytest.approx(1.0)


def test_mcnemar_counts_what_differs_only():
    first, second = [True] * 10 + [False] * 5, [False] * 8 + [True] * 7
    p = 2 * sum(comb(13, k) for k in range(6)) / 2**13  # 8 against 5
    assert mcnemar(first, second) == pytest.approx(p)
    assert mcnemar(first, second) == mcnemar(second, first)
    assert mcnemar([True, False], [True, False]) == 1.0
    assert mcnemar([], []) == 1.0


def test_mcnemar_of_a_sweep():
    assert mcnemar([True] * 6, [False] * 6) == pytest.approx(2 * 0.5**6)


def test_a_stages_score():
    score = score_stage("full", [*samples.predictions("++-?", 10), *samples.predictions("-", 20)])
    assert (score.name, score.accuracy, score.questions) == ("full", 0.5, 4)
    assert (score.mean_output_tokens, score.seconds_per_answer) == (12.0, 0.5)
    assert score.accuracy_ci == pytest.approx((0.15, 0.85), abs=5e-5)


def test_the_tersest_that_is_not_significantly_worse_is_recommended():
    stages = {
        "untouched": samples.predictions("-" * 20, 30),
        "full": samples.predictions("+" * 20, 50),
        "compressed": samples.predictions("+" * 18 + "--", 20),
        "answer_only": samples.predictions("+" * 10 + "-" * 10, 5),
    }
    found = recommend(stages, "dev_queries")
    assert found.stage == "compressed"
    assert "20.0 output tokens" in found.why
    assert "90.0%" in found.why
    assert "not significantly below that of the best, full (100.0% at 50.0" in found.why
    assert "20 questions of dev_queries" in found.why
    assert "p = 0.50" in found.why


def test_the_best_is_recommended_when_nothing_terser_is_as_good():
    stages = {"untouched": samples.predictions("-" * 20, 5), "full": samples.predictions("+" * 20, 50)}
    found = recommend(stages, "test_queries")
    assert found.stage == "full"
    assert "no terser one is as good" in found.why


def test_of_equals_the_tersest_then_the_better():
    stages = {
        "full": samples.predictions("+++-", 50),
        "long": samples.predictions("+++-", 60),
        "short": samples.predictions("++--", 5),
        "answer_only": samples.predictions("+++-", 5),
    }
    assert recommend(stages, "x").stage == "answer_only"


def test_a_student_that_knows_nothing_still_gets_a_row():
    stages = {"untouched": samples.predictions("----", 9), "full": samples.predictions("----", 4)}
    assert recommend(stages, "x").stage == "full"
