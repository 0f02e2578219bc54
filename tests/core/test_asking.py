import asyncio

import pytest
import samples

from twt_core.asking import Desk
from twt_core.components import Teacher
from twt_core.errors import BudgetExceeded, InputError, PluginError, TeacherError
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.records import Completion, Failed

LOG: list[str] = []


class Scripted(Teacher):
    """Answers after what the request's text says: fail, refuse, break, or well."""

    price: float | None = 0.0
    real: float | None = None

    async def complete(self, request):
        LOG.append(request.query_id)
        await asyncio.sleep(0)
        text = request.messages[-1].content
        if text in ("fail", "refuse"):
            raise TeacherError(f"{text}ed", retry="never" if text == "refuse" else "later")
        if text == "silence":
            raise TeacherError("no reply", maybe_billed=True)
        if text == "break":
            raise ZeroDivisionError
        if text == "none":
            return None
        return Completion(text=f"{self.name}: {text}", cost_usd=self.real)

    def worst_case_usd(self, request):
        return self.price


@pytest.fixture
def ledger(tmp_path):
    LOG.clear()
    return Ledger(tmp_path / "ledger.sqlite")


def desk(ledger, *teachers, budget=None):
    return Desk(ledger, teachers or [Scripted(name="ann")], "run", budget, Progress(quiet=True))


def requests(*texts, teacher="ann"):
    return [samples.request(f"q{n}", teacher, text=text) for n, text in enumerate(texts)]


def test_one_result_a_request_in_order(ledger):
    both = [*requests("x", "y"), *requests("z", teacher="ben")]
    answers = desk(ledger, Scripted(name="ann"), Scripted(name="ben", concurrency=1)).ask(both)
    assert [answer.text for answer in answers] == ["ann: x", "ann: y", "ben: z"]


def test_nothing_is_asked_twice(ledger):
    first = desk(ledger).ask(requests("x", "y"))
    assert desk(ledger).ask([*requests("x", "y"), *requests("x")]) == [*first, first[0]]
    assert sorted(LOG) == ["q0", "q1"]
    assert desk(ledger).to_ask(requests("x", "y", "z", "z"))[0].query_id in ("q2", "q3")


def test_the_same_question_twice_in_one_go_is_one_call(ledger):
    same = [samples.request("q1", text="x"), samples.request("q2", text="x")]
    assert len(desk(ledger).ask(same)) == 2
    assert len(LOG) == 1


def test_failures_are_rows_with_a_cause(ledger):
    asked = desk(ledger)
    answers = asked.ask(requests("fail", "x", "refuse"))
    assert answers[0] == Failed(cause="failed")
    assert answers[2] == Failed(cause="refuseed", permanent=True)
    assert not asked.nothing_to_retry()
    assert asked.nothing_to_retry()  # the look resets it
    asked.ask(requests("refuse"))
    assert asked.nothing_to_retry()


def test_what_failed_is_asked_again_by_the_next_run(ledger):
    desk(ledger).ask(requests("fail", "x"))
    desk(ledger).ask(requests("fail", "x"))
    assert sorted(LOG) == ["q0", "q0", "q1"]


@pytest.mark.parametrize(("text", "says"), [("break", "raised ZeroDivisionError"), ("none", "returned NoneType")])
def test_a_broken_teacher_ends_the_run_after_the_calls_under_way(ledger, text, says):
    with pytest.raises(PluginError, match=says):
        desk(ledger, Scripted(name="ann", concurrency=3)).ask(requests("x", text, "y"))
    assert desk(ledger).to_ask(requests("x", text, "y")) == requests("x", text, "y")[1:2]


def test_no_more_calls_after_an_error(ledger):
    with pytest.raises(PluginError):
        desk(ledger, Scripted(name="ann", concurrency=1)).ask(requests("x", "break", "y", "z"))
    assert LOG == ["q0", "q1"]


def test_the_budget_stops_before_the_call_that_could_pass_it(ledger):
    teacher = Scripted(name="ann", price=0.4, real=0.3, concurrency=1)
    with pytest.raises(BudgetExceeded):
        desk(ledger, teacher, budget=1.0).ask(requests("w", "x", "y", "z"))
    assert LOG == ["q0", "q1", "q2"]  # 0.3 + 0.3 + 0.4 fits; 0.9 + 0.4 does not
    assert sum(row.cost_usd for row in ledger.spending("run")) == pytest.approx(0.9)
    assert len(desk(ledger, teacher, budget=2.0).ask(requests("w", "x", "y", "z"))) == 4
    assert LOG == ["q0", "q1", "q2", "q3"]


def test_the_budget_holds_for_calls_at_once(ledger):
    with pytest.raises(BudgetExceeded):
        desk(ledger, Scripted(name="ann", price=0.4, real=0.1, concurrency=8), budget=1.0).ask(requests(*"abcdefgh"))
    assert len(LOG) == 2


def test_a_call_without_usage_costs_its_reservation(ledger):
    desk(ledger, Scripted(name="ann", price=0.4)).ask(requests("x"))
    assert ledger.spending("run")[0].cost_usd == 0.4


def test_a_failed_call_gives_its_reservation_back(ledger):
    desk(ledger, Scripted(name="ann", price=0.4, concurrency=1), budget=0.5).ask(requests("fail", "refuse"))
    assert ledger.spending("run") == []


def test_a_call_that_may_have_been_billed_stays_counted(ledger):
    assert desk(ledger, Scripted(name="ann", price=0.5)).ask(requests("silence")) == [Failed(cause="no reply")]
    assert ledger.maybe_billed("run") == [("ann", "q0")]
    with pytest.raises(BudgetExceeded):
        desk(ledger, Scripted(name="ann", price=0.5), budget=0.75).ask(requests("x", "y"))


def test_an_unknown_price_allows_no_budget(ledger):
    unknown = Scripted(name="ann", price=None)
    with pytest.raises(InputError, match="price is not known"):
        desk(ledger, unknown, budget=1.0).ask(requests("x"))
    assert LOG == []
    assert desk(ledger, unknown, budget=1.0).worst_case_usd(requests("x")) is None
    assert len(desk(ledger, unknown).ask(requests("x"))) == 1


def test_worst_case_prices_add_up(ledger):
    teachers = [Scripted(name="ann", price=0.4), Scripted(name="ben", price=0.5)]
    both = [*requests("x", "y"), *requests("z", teacher="ben")]
    assert desk(ledger, *teachers).worst_case_usd(both) == pytest.approx(1.3)


def test_concurrency_is_kept(ledger):
    running, most = 0, 0

    class Counting(Scripted):
        async def complete(self, request):
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1
            return Completion(text="x")

    desk(ledger, Counting(name="ann", concurrency=3)).ask(requests(*"abcdefghij"))
    assert most == 3


def test_preflight_asks_every_teacher(ledger):
    class Careful(Scripted):
        def preflight(self, queries):
            raise InputError(f"{len(queries)} queries")

    with pytest.raises(InputError, match="1 queries"):
        desk(ledger, Scripted(name="ann"), Careful(name="ben")).preflight([samples.QUERY])
