from types import SimpleNamespace

import pytest

from twt_core import tables

HINT = "the budget. Calls mostly cost less"


@pytest.mark.parametrize(("worst", "budget", "spent", "hinted"), [
    (2.0, 1.0, 0.0, True), (1.0, 1.0, 0.0, False), (2.0, None, 5.0, False), (None, 1.0, 0.0, False),
    (0.01, 0.0, 0.0, True), (0.5, 1.0, 0.6, True), (0.5, 1.0, 0.5, False), (0.0, 1.0, 2.0, False),
])  # fmt: skip
def test_a_plan_says_that_the_budget_may_stop_the_run(worst, budget, spent, hinted):
    plan = SimpleNamespace(teacher_calls_at_most=12, worst_case_usd=worst, budget_usd=budget, spent_usd=spent)
    told = tables.bill(plan)
    assert told.startswith("at most 12 teacher calls, worst case ")
    assert (HINT in told) == hinted
    assert ("of it spent" in told) == (spent > 0 and budget is not None)
    assert ("what is left of the budget" in told) == (hinted and spent > 0)
