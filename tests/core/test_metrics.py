from itertools import combinations

import pytest
import samples
from scipy.stats import binomtest

from twt_core.errors import InputError
from twt_core.evaluation.config import EvaluationConfig
from twt_core.metrics import pass_at_k, score_stage, score_stages, score_tasks, share_interval, wilson_interval
from twt_core.records import Prediction


def answers(verdicts, tokens=10, **more):
    """One question a word, one answer a letter: ``++- +-?``."""
    right = {"+": True, "-": False, "?": None}
    return [
        Prediction(
            **{"query_id": str(n), "sample": k, "text": "", "tokens": tokens, "seconds": 1.0, **more},
            correct=right[letter],
            verdict="infra" if letter == "?" else "",
        )
        for n, word in enumerate(verdicts.split())
        for k, letter in enumerate(word)
    ]


def test_wilson_interval_as_published():
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)  # Newcombe 1998, table I
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson_interval(20, 20)[1] == pytest.approx(1.0)


@pytest.mark.parametrize("total", [1, 2, 7, 100, 1000])
def test_wilson_interval_as_scipy_has_it(total):
    for right in {0, 1, total // 3, total - 1, total}:
        known = binomtest(right, total).proportion_ci(0.95, method="wilson")
        assert wilson_interval(right, total) == pytest.approx((known.low, known.high), abs=1e-12)


def test_one_answer_a_question_has_wilsons_own_interval():
    for right, total in ((3, 10), (0, 10), (10, 10), (1, 1), (57, 100)):
        shares = [1.0] * right + [0.0] * (total - right)
        assert share_interval(shares, total) == pytest.approx(wilson_interval(right, total), abs=1e-12)


def test_answers_that_are_all_alike_are_worth_no_more_than_one():
    assert share_interval([1.0, 0.0, 0.0, 1.0], 40) == pytest.approx(wilson_interval(2, 4))


def test_answers_that_have_nothing_in_common_are_worth_as_many_as_they_are():
    assert share_interval([0.5] * 20, 80) == pytest.approx(wilson_interval(40, 80))


def test_one_question_says_nothing_of_others_however_often_it_was_asked():
    assert share_interval([0.5], 10) == pytest.approx(wilson_interval(0.5, 1))


def test_all_right_ten_times_over_is_no_surer_than_once():
    assert share_interval([1.0] * 6, 60) == pytest.approx(wilson_interval(6, 6))


@pytest.mark.parametrize(("n", "right", "k"), [(5, 2, 1), (5, 2, 3), (5, 0, 2), (5, 5, 5), (10, 3, 10), (4, 1, 4)])
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(n, right, k):
    drawn = list(combinations([True] * right + [False] * (n - right), k))
    assert pass_at_k(n, right, k) == pytest.approx(sum(any(draw) for draw in drawn) / len(drawn))


def test_a_stages_score():
    score = score_stage("full", [*answers("+ + - ?", 10), *answers("-", 20, query_id="5")])
    assert (score.name, score.accuracy, score.questions) == ("full", 0.5, 4)
    assert (score.answers, score.graded, score.ungraded) == (5, 4, {"infra": 1})
    assert score.verdicts == {"infra": 1, "right": 2, "wrong": 2}
    assert (score.mean_output_tokens, score.seconds_per_answer) == (12.0, 1.0)
    assert (score.median_output_tokens, score.p95_output_tokens) == (10.0, 18.0)
    assert score.accuracy_ci == pytest.approx((0.15, 0.85), abs=5e-5)
    assert (score.judged_by, score.unsandboxed, score.on_frontier) == ([], False, None)


def test_what_could_not_be_graded_is_no_wrong_answer():
    score = score_stage("full", answers("+ ? ? ?"))
    assert (score.accuracy, score.questions, score.ungraded) == (1.0, 1, {"infra": 3})


def test_nothing_graded_is_no_number():
    score = score_stage("full", answers("? ?"))
    assert (score.accuracy, score.accuracy_ci, score.questions, score.graded) == (None, None, 0, 0)
    assert (score.pass_at, score.pass_at_ci) == ({1: None}, {1: None})
    assert score.mean_output_tokens == 10.0


def test_no_answers_at_all_are_refused():
    with pytest.raises(InputError, match="full: there are no answers"):
        score_stage("full", [])


def test_several_answers_count_by_question():
    score = score_stage("full", answers("++++ -", 10))  # four of five answers, one of two questions
    assert (score.accuracy, score.questions, score.graded) == (0.5, 2, 5)


def test_pass_at_k_over_questions_with_enough_answers():
    evaluation = EvaluationConfig(samples=4, pass_at=(1, 2, 4))
    score = score_stage("full", answers("+--- ++-- ---- +???"), evaluation)
    assert score.pass_at[1] == score.accuracy == pytest.approx((0.25 + 0.5 + 0 + 1) / 4, abs=5e-5)
    assert score.pass_at[2] == pytest.approx((0.5 + (1 - 1 / 6) + 0) / 3, abs=5e-5)
    assert score.pass_at[4] == pytest.approx(2 / 3, abs=5e-5)
    assert score.pass_at_ci[4] == pytest.approx(wilson_interval(2, 3), abs=5e-5)


def test_the_price_of_a_thousand_answers():
    evaluation = EvaluationConfig(input_usd_per_million=0.5, output_usd_per_million=2.0)
    rows = [*answers("+", 30, prompt_tokens=100), *answers("-", 10, prompt_tokens=300)]
    assert score_stage("full", rows, evaluation).usd_per_thousand == pytest.approx(0.1 + 0.04)
    assert score_stage("full", rows).usd_per_thousand is None
    assert score_stage("full", answers("+"), evaluation).usd_per_thousand is None  # a prompt of unknown length
    free = EvaluationConfig(input_usd_per_million=0, output_usd_per_million=2.0)
    assert score_stage("full", answers("+", 10), free).usd_per_thousand == pytest.approx(0.02)


def test_judges_and_missing_walls_are_told():
    rows = [*answers("+", graded_by="gpt"), *answers("-", unsandboxed=True), *answers("+", graded_by="a judge")]
    score = score_stage("full", rows)
    assert (score.judged_by, score.unsandboxed) == (["a judge", "gpt"], True)


def test_what_stages_save():
    stages = {"untouched": answers("+", 40), "full": answers("+", 50), "answer_only": answers("+", 5)}
    untouched, full, last = score_stages(stages)
    assert (untouched.tokens_saved_vs_untouched, untouched.tokens_saved_vs_first_stage) == (0.0, 0.2)
    assert (full.tokens_saved_vs_untouched, full.tokens_saved_vs_first_stage) == (-0.25, 0.0)
    assert (last.tokens_saved_vs_untouched, last.tokens_saved_vs_first_stage) == (0.875, 0.9)


def test_nothing_is_saved_against_what_is_not_there():
    [alone] = score_stages({"model": answers("+", 5)})
    assert (alone.tokens_saved_vs_untouched, alone.on_frontier) == (None, None)
    silent, full = score_stages({"untouched": answers("-", 0), "full": answers("+", 5)})
    assert (silent.tokens_saved_vs_untouched, full.tokens_saved_vs_untouched) == (None, None)


def test_the_frontier_of_accuracy_and_tokens():
    stages = {
        "worse_and_longer": answers("+ - - -", 60), "best": answers("+ + + -", 50), "as_good_and_longer":
        answers("+ + + -", 55), "shorter": answers("+ + - -", 20), "as_short_and_worse": answers("+ - - -", 20),
        "shortest": answers("- - - -", 1), "not_graded": answers("? ? ? ?", 1),
    }  # fmt: skip
    scores = score_stages(stages)
    assert [score.name for score in scores if score.on_frontier] == ["best", "shorter", "shortest"]
    twins = score_stages({"a": answers("+ -", 5), "b": answers("+ -", 5)})
    assert [score.on_frontier for score in twins] == [True, True]


def test_each_task_of_a_mixture():
    def mixed(verdicts, tokens):
        return [*answers(verdicts, tokens, task="math"), *answers("+", 2 * tokens, task="code", query_id="c")]

    found = score_tasks({"untouched": mixed("- -", 40), "full": mixed("+ -", 10)})
    assert list(found) == ["math", "code"]
    assert [(s.name, s.accuracy, s.questions) for s in found["math"]] == [("untouched", 0.0, 2), ("full", 0.5, 2)]
    assert found["code"][1].tokens_saved_vs_untouched == 0.75
    assert score_tasks({"full": samples.predictions("+-")}) == {}


def test_tokens_that_are_not_known_make_nobody_terse():
    priced = EvaluationConfig(input_usd_per_million=0, output_usd_per_million=1)
    known, unknown = samples.predictions("+-", tokens=10), samples.predictions("+-", tokens=0)
    served, own = score_stages({"served": unknown, "own": known}, priced)
    assert (served.tokens_unknown, served.on_frontier, served.usd_per_thousand) == (2, None, None)
    assert served.tokens_saved_vs_untouched is None
    assert (own.on_frontier, own.mean_output_tokens, own.usd_per_thousand) == (True, 10, 0.01)
    [mixed] = score_stages({"mixed": [*known, *[p.model_copy(update={"query_id": "z"}) for p in unknown[:1]]]}, priced)
    assert (mixed.mean_output_tokens, mixed.tokens_unknown) == (10, 1)
