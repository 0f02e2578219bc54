import pytest

from twt_core import tables

HINT = "The worst case is above the budget"


@pytest.mark.parametrize(("worst", "budget", "hinted"), [
    (2.0, 1.0, True), (1.0, 1.0, False), (2.0, None, False), (None, 1.0, False), (0.01, 0.0, True),
])  # fmt: skip
def test_a_plan_says_that_the_budget_may_stop_the_run(worst, budget, hinted):
    told = tables.bill(12, worst, budget)
    assert told.startswith("at most 12 teacher calls, worst case ")
    assert (HINT in told) == hinted
