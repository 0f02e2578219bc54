import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from twt_core import contract
from twt_core.records import StageResult
from twt_plugins.stage_schedulers.adaptive import Adaptive


def trained(scheduler, accuracies):
    """The stages that a run with these dev accuracies has, as (name, where it goes on from)."""
    done, given_accuracies = [], iter(accuracies)
    while stage := contract.next_stage(scheduler, done):
        assert contract.next_stage(scheduler, done) == stage
        done.append(StageResult(stage=stage, accuracy=next(given_accuracies, None)))
    return [(result.stage.name, result.stage.after) for result in done]


FULL, FIRST, SECOND = ("full", None), ("compressed_1", None), ("compressed_2", None)


def test_it_needs_accuracies():
    assert Adaptive.reads_scores


def test_while_accuracy_holds_it_compresses():
    assert trained(Adaptive(most_rounds=2), [0.6, 0.59, 0.62, 0.1]) == [
        FULL, FIRST, SECOND, ("answer_only", "compressed_2")
    ]  # fmt: skip


def test_a_round_that_loses_too_much_is_gone_back_from():
    assert trained(Adaptive(), [0.6, 0.6, 0.5]) == [FULL, FIRST, SECOND, ("answer_only", "compressed_1")]
    assert trained(Adaptive(), [0.6, 0.5]) == [FULL, FIRST, ("answer_only", "full")]


def test_small_losses_do_not_add_up():
    assert trained(Adaptive(margin=0.02), [0.60, 0.585, 0.575]) == [
        FULL, FIRST, SECOND, ("answer_only", "compressed_1")
    ]  # fmt: skip


@pytest.mark.parametrize(("full", "first"), [(0.8, 0.75), (0.3, 0.25), (0.95, 0.9), (0.07, 0.02)])
def test_just_the_margin_holds(full, first):
    assert trained(Adaptive(margin=0.05, most_rounds=1), [full, first])[-1] == ("answer_only", "compressed_1")
    assert trained(Adaptive(margin=0.0499, most_rounds=1), [full, first])[-1] == ("answer_only", "full")


def test_no_margin_forgives_nothing_and_all_of_it_everything():
    assert trained(Adaptive(margin=0, most_rounds=1), [0.5, 0.4999])[-1] == ("answer_only", "full")
    assert trained(Adaptive(margin=1, most_rounds=1), [1.0, 0.0])[-1] == ("answer_only", "compressed_1")


def test_a_plan_takes_the_longest_way():
    longest = [(stage.name, stage.after) for stage in contract.stages(Adaptive())]
    assert trained(Adaptive(), []) == longest
    assert len(longest) == 6


@settings(deadline=None)
@given(st.lists(st.none() | st.integers(0, 100).map(lambda n: n / 100), max_size=12), st.integers(1, 20))
def test_it_ends_after_going_on_from_the_last_good_stage(accuracies, most_rounds):
    scheduler = Adaptive(most_rounds=most_rounds)
    *before, (last, after) = trained(scheduler, accuracies)
    assert last == "answer_only"
    assert after in [name for name, _ in before[-2:]]
    assert len(before) <= most_rounds + 1


def test_options_that_mean_nothing():
    for options in ({"margin": -0.1}, {"margin": 1.1}, {"most_rounds": 0}):
        with pytest.raises(ValidationError):
            Adaptive(**options)
