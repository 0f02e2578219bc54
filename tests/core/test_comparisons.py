from math import comb

import numpy as np
import pytest
import samples
from scipy import stats

from twt_core import resampling
from twt_core.comparisons import compare, compare_all, difference_interval, holm, mcnemar, on_shared_questions
from twt_core.errors import InputError
from twt_core.records import Prediction


def rows(right, tokens, sample=0):
    """One answer a question."""
    return [
        Prediction(query_id=str(n), question="q", sample=sample, text="", tokens=int(t), seconds=0.1, correct=r)
        for n, (r, t) in enumerate(zip(right, tokens, strict=True))
    ]


def two(n=120, seed=0):
    """Two models that agree on most questions."""
    rng = np.random.default_rng(seed)
    hard, lengths = rng.random(n), rng.integers(20, 200, n)
    first = rows((hard < 0.5).tolist(), lengths)
    second = rows((hard + rng.normal(0, 0.2, n) < 0.6).tolist(), lengths // 4 + rng.integers(0, 9, n))
    return first, second


def test_mcnemar_counts_what_differs_only():
    first, second = [True] * 10 + [False] * 5, [False] * 8 + [True] * 7
    p = 2 * sum(comb(13, k) for k in range(6)) / 2**13  # 8 against 5
    assert mcnemar(first, second) == pytest.approx(p)
    assert mcnemar(first, second) == mcnemar(second, first)
    assert mcnemar([True, False], [True, False]) == 1.0
    assert mcnemar([], []) == 1.0


def test_mcnemar_of_a_sweep():
    assert mcnemar([True] * 6, [False] * 6) == pytest.approx(2 * 0.5**6)


def test_two_models_on_the_same_questions():
    first, second = two()
    found = compare(first, second, ("old", "new"))
    right = [sum(p.correct for p in side) / 120 for side in (first, second)]
    assert (found.first, found.second, found.questions, found.graded) == ("old", "new", 120, 120)
    assert (found.first_accuracy, found.second_accuracy) == pytest.approx(right, abs=5e-5)
    assert found.accuracy_difference == pytest.approx(right[1] - right[0], abs=5e-5)
    assert found.test == "mcnemar"
    assert found.p_value == mcnemar([p.correct for p in first], [p.correct for p in second])
    assert (found.p_corrected, found.compared_together) == (found.p_value, 1)
    assert found.token_ratio == pytest.approx(sum(p.tokens for p in second) / sum(p.tokens for p in first), rel=5e-4)
    assert found.second_better - found.first_better == round(120 * (right[1] - right[0]))


def test_intervals_as_scipy_has_them():
    first, second = two()
    found = compare(first, second)
    verdicts = np.array([[p.correct for p in side] for side in (first, second)], dtype=float)
    tokens = np.array([[p.tokens for p in side] for side in (first, second)], dtype=float)
    options = {"method": "percentile", "n_resamples": 10_000, "paired": True, "vectorized": False}
    options["rng"] = np.random.default_rng(5)
    smoothed = np.concatenate([verdicts, [[0, 1], [1, 0]]], axis=1)
    known = stats.bootstrap(smoothed, lambda a, b: b.mean() - a.mean(), **options).confidence_interval
    assert found.accuracy_difference_ci == pytest.approx((known.low, known.high), abs=0.009)
    known = stats.bootstrap(tokens, lambda a, b: b.mean() / a.mean(), **options).confidence_interval
    assert found.token_ratio_ci == pytest.approx((known.low, known.high), abs=0.002)


def test_the_same_rows_in_another_order_are_paired_alike():
    first, second = two()
    found = compare(first, second)
    assert compare(first, second[::-1]) == found
    assert compare(second, first).accuracy_difference == -found.accuracy_difference
    assert compare(second, first).p_value == found.p_value


def test_pairing_makes_the_interval_narrow():
    hard = np.random.default_rng(1).random(200)
    first, second = rows((hard < 0.5).tolist(), [10] * 200), rows((hard < 0.52).tolist(), [10] * 200)
    low, high = compare(first, second).accuracy_difference_ci
    assert high - low < 0.06  # unpaired it is 0.2


def test_the_same_seed_gives_the_same_numbers_and_another_others():
    first, second = two()
    assert compare(first, second, seed=3) == compare(first, second, seed=3)
    values = np.arange(20.0)[:, None]
    assert (resampling.resampled_means(values, 9, 3) != resampling.resampled_means(values, 9, 4)).any()


def test_the_way_it_is_cut_for_memory_changes_nothing(monkeypatch):
    first, second = two()
    whole = compare(first, second)
    monkeypatch.setattr(resampling, "_HELD", 700)
    cut = compare(first, second)
    assert cut == whole


def test_where_no_question_differs_the_interval_is_not_nought():
    first = rows([True] * 60 + [False] * 40, [10] * 100)
    found = compare(first, first)
    assert (found.accuracy_difference, found.p_value, found.token_ratio) == (0.0, 1.0, 1.0)
    assert found.accuracy_difference_ci == pytest.approx((-0.03, 0.03), abs=0.005)  # 3 / n is the rule of three


def test_one_question_is_compared():
    found = compare(rows([True], [7]), rows([False], [14]))
    assert (found.accuracy_difference, found.p_value, found.token_ratio) == (-1.0, 1.0, 2.0)


def test_no_ratio_where_tokens_are_not_known():
    found = compare(rows([True, False], [0, 0]), rows([True, False], [3, 3]))
    assert (found.token_ratio, found.token_ratio_ci, found.first_tokens, found.second_tokens) == (None,) * 4
    assert "of no question are the tokens of both known" in found.sentence()
    some = compare(rows([True, False], [0, 6]), rows([True, False], [3, 3]))
    assert (some.first_tokens, some.second_tokens, some.token_ratio) == (6, 3, 0.5)


def test_what_one_side_could_not_grade_is_left_out_of_both():
    found = compare(rows([True, None, False], [9, 9, 9]), rows([None, True, True], [3, 3, 3]))
    assert (found.questions, found.graded) == (3, 1)
    assert (found.first_accuracy, found.second_accuracy, found.accuracy_difference) == (0.0, 1.0, 1.0)
    assert (found.first_tokens, found.second_tokens, found.token_ratio) == (9.0, 3.0, 0.3333)


def test_nothing_graded_still_compares_tokens():
    found = compare(rows([None, None], [8, 8]), rows([True, False], [4, 4]))
    assert (found.accuracy_difference, found.accuracy_difference_ci, found.p_value) == (None, None, None)
    assert found.token_ratio == 0.5
    assert not found.significant
    assert found.sentence().startswith("No question has a graded answer of both first and second")


def test_different_questions_are_refused_with_counts():
    first, second = rows([True] * 5, [1] * 5), rows([True] * 7, [1] * 7)
    second[0] = second[0].model_copy(update={"question": "reworded"})
    with pytest.raises(InputError, match=r"4 are shared, 0 only a was asked, 2 only b, and 1 have the same id") as said:
        compare(first, second, ("a", "b"))
    assert "on the shared questions alone" in str(said.value)
    shared = on_shared_questions({"a": first, "b": second})
    assert compare(shared["a"], shared["b"]).questions == 4


def test_no_answers_are_refused():
    with pytest.raises(InputError, match="no answers to compare"):
        compare([], [])
    assert on_shared_questions({}) == {}


def test_the_same_sample_twice_is_refused():
    once = rows([True], [1])
    with pytest.raises(InputError, match="a: sample 0 of query '0' is there more than once"):
        compare([*once, *once], once, ("a", "b"))


def test_several_answers_count_as_their_question():
    first = [*rows([True, True], [10, 20], 0), *rows([False, True], [20, 10], 1)]
    second = [*rows([False, False], [5, 5], 0), *rows([False, True], [5, 5], 1)]
    found = compare(first, second)
    assert (found.questions, found.test) == (2, "permutation")
    assert (found.first_accuracy, found.second_accuracy) == (0.75, 0.25)
    assert (found.first_better, found.second_better) == (2, 0)
    assert (found.first_tokens, found.second_tokens) == (15.0, 5.0)
    one_each = compare(first, rows([False, True], [5, 5]))  # several against one
    assert one_each.accuracy_difference == -0.25


@pytest.mark.parametrize("differences", [[1] * 9 + [-1] * 3 + [0] * 20, [0.5] * 6 + [-0.25] * 8, [1, 0.75, 0.5, 0.3]])
def test_flipping_signs_as_scipy_does(differences):
    values = np.array(differences, dtype=float)
    known = stats.permutation_test(
        (values,), np.sum, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(1)
    ).pvalue
    assert resampling.sign_flip(values, 20_000, 0) == pytest.approx(known, abs=0.015)


def test_flipping_signs_comes_to_mcnemar_for_one_answer_each():
    differences = np.array([1.0] * 15 + [-1.0] * 4 + [0.0] * 50)
    known = mcnemar([True] * 15 + [False] * 4, [False] * 15 + [True] * 4)
    assert resampling.sign_flip(differences, 100_000, 0) == pytest.approx(known, abs=0.002)


def test_flipping_signs_never_gives_nought():
    assert resampling.sign_flip(np.ones(50), 999, 0) == pytest.approx(0.001)
    assert resampling.sign_flip(np.zeros(5), 999, 0) == 1.0


def test_holm_as_published():
    # Holm 1979 in its usual example: 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, never falling.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02, None, 0.01]) == pytest.approx([0.02, None, 0.02])
    assert holm([]) == []


def models():
    first, second = two()
    return {"untouched": first, "full": second, "answer_only": two(seed=2)[1]}


def test_each_against_the_baselines_and_no_pair_twice():
    found = compare_all(models(), ["untouched", "full"])
    assert [(one.first, one.second) for one in found] == [
        ("untouched", "full"), ("untouched", "answer_only"), ("full", "answer_only"),
    ]  # fmt: skip
    assert {one.compared_together for one in found} == {3}
    assert [one.p_corrected for one in found] == holm([one.p_value for one in found])


def test_all_pairs_where_no_baseline_is_named():
    assert len(compare_all(models())) == 3
    assert compare_all({"alone": two()[0]}) == []
    with pytest.raises(InputError, match="'ful': there is untouched, full, answer_only"):
        compare_all(models(), ["ful"])


def test_a_sentence_for_people():
    first, second = rows([False] * 30 + [True] * 10, [40] * 40), rows([True] * 40, [10] * 40)
    found = compare(first, second, ("old", "new"))
    assert found.significant
    low, high = (f"{100 * end:+.1f}" for end in found.accuracy_difference_ci)
    assert found.sentence().startswith(
        f"new is more accurate than old by 75.0 points (95 % {low} to {high}; p < 0.001); "
    )
    assert found.sentence().endswith("new writes 0.25 times the tokens (95 % 0.25 to 0.25).")
    assert compare(second, first, ("new", "old")).sentence().startswith("old is less accurate than new by 75.0 points")
    [alike] = compare_all({"a": samples.predictions("++-"), "b": samples.predictions("+-+")})
    assert alike.sentence().startswith("That b and a differ in accuracy is not shown: +0.0 points (95 % ")


@pytest.mark.parametrize("n", [100, 300])
def test_intervals_hold_the_truth_about_as_often_as_they_say(n):
    rng = np.random.default_rng(n)
    held = np.zeros(2)
    for _ in range(300):
        hard = rng.normal(0, 0.8, n)
        right = [hard + rng.normal(0, 0.6, n) < stats.norm.ppf(accuracy) for accuracy in (0.5, 0.6)]
        low, high = difference_interval(np.subtract(*right[::-1], dtype=float), 1000, 0)
        held[0] += low <= 0.1 <= high
        tokens = rng.lognormal(4, 0.5, n)
        both = np.stack([tokens, tokens * rng.uniform(0.1, 0.5, n)], axis=1)
        means = resampling.resampled_means(both, 1000, 0)
        low, high = resampling.percentile_interval(means[:, 1] / means[:, 0])
        held[1] += low <= 0.3 <= high
    assert (held >= 0.91 * 300).all(), held
    assert (held <= 0.985 * 300).all(), held
