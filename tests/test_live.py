"""Whole runs with live teachers on a scripted server: faults become rows, money is kept, keys stay secret."""

from __future__ import annotations

import project
import pytest
from scripted_server import fault, sum_of, well
from test_resume import LIVE

from twt_core import planning, session
from twt_core.errors import BudgetExceeded
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_plugins.teachers import litellm

CANARY = "sk-canary-9d2e4c6b8a017f35"
QUICK = "stage_scheduler.use=standard_kd"
QUIET = Progress(quiet=True)


@pytest.fixture
def live(fresh, server, model, monkeypatch):
    """A project whose two teachers are on the server; waits are cut short."""

    async def at_once(seconds):
        pass

    monkeypatch.setattr(litellm.asyncio, "sleep", at_once)
    fresh.write_text(LIVE.format(url=server.url, model=model), encoding="utf-8")
    return fresh


def run(live, *overrides):
    return session.run(live, [QUICK, *overrides], live.parent / "runs", None, QUIET)


def rows(live, step="annotations"):
    return project.rows_of(live.parent / "runs" / "tiny", step)


def asks_for(body, number):
    return f"What is {number} plus" in body["messages"][-1]["content"]


def test_another_selector_asks_nobody_and_ten_queries_more_ask_ten_times(live, server):
    summary = run(live)
    assert len(server.asked) == 24 == summary.teacher_calls
    run(live, "diversity_selector.use=all")
    run(live, "quality_filter.minimum=0.5")
    assert len(server.asked) == 24
    project.write_rows(live.parent / "queries.jsonl", project.queries(22))
    run(live)
    asked = [body["model"] for body in server.asked[24:]]
    assert (asked.count("ann"), asked.count("ben"), len(asked)) == (10, 10, 20)


def test_rewrites_are_asked_of_the_same_teacher_in_the_same_run(live, server):
    summary = session.run(live, (), live.parent / "runs", None, QUIET)
    rewrites = [body for body in server.asked if "student's thinking" in body["messages"][-1]["content"]]
    assert len(rewrites) == 24 == summary.compression["compressed"].rationales
    assert summary.compression["compressed"].kept_original == {}


def test_faults_are_rows_with_a_cause_and_the_next_run_asks_for_those_alone(live, server):
    def faulty(body):
        if body["model"] == "ben" and asks_for(body, 5):
            return fault(500, "it broke")
        return well(body, None if not asks_for(body, 7) else "")

    server.script = faulty
    summary = run(live)
    assert summary.annotations.failed == 3
    assert summary.annotations.asked == 24 == summary.annotations.kept + 3
    causes = {(r["query_id"], r["teacher"]): r["failure"] for r in rows(live) if "failure" in r}
    assert causes["q7", "ann"] == causes["q7", "ben"] == "no answer found in the text"
    assert "it broke" in causes["q5", "ben"]
    server.script = well
    before = len(server.asked)
    summary = run(live)
    assert [(b["model"], asks_for(b, 5)) for b in server.asked[before:]] == [("ben", True)]
    assert summary.annotations.failed == 2
    run(live)
    assert len(server.asked) == before + 1


def test_null_content_is_a_failed_row_and_no_lost_one(live, server):
    def null(body):
        reply = well(body)
        if asks_for(body, 3):
            reply.body["choices"][0]["message"]["content"] = None
        return reply

    server.script = null
    assert run(live).annotations.failed_by_cause == {"no answer found in the text": 2}
    assert len(rows(live)) == 24


def test_a_key_is_in_no_file_and_no_output(live, server, monkeypatch, twt):
    monkeypatch.setenv("MY_KEY", CANARY)
    server.script = lambda body: (
        fault(401, f"Incorrect API key: {CANARY}") if body["model"] == "ben" and asks_for(body, 2) else well(body)
    )
    said = twt("run", live, "--runs-dir", live.parent / "runs", "--set", QUICK,
               "--set", "teachers.0.api_key_env=MY_KEY", "--set", "teachers.1.api_key_env=MY_KEY")  # fmt: skip
    assert said.code == 0
    assert f"Bearer {CANARY}" in server.keys
    assert "AuthenticationError" in said.out
    assert CANARY not in said.out + said.err
    for path in live.parent.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


PRICED = [
    f"teachers.{n}.{side}_usd_per_million={price}" for n in (0, 1) for side, price in (("input", 100), ("output", 100))
]
SHORT = [f"teachers.{n}.max_tokens=50" for n in (0, 1)]


def test_the_budget_stops_a_run_and_a_larger_one_goes_on(live, server, twt):
    options = [argument for option in (*PRICED, *SHORT, QUICK) for argument in ("--set", option)]
    command = ["run", live, "--runs-dir", live.parent / "runs", *options, "--set"]
    said = twt(*command, "budget_usd=0.5")
    assert said.code == 3
    assert "Raise budget_usd and run the same command again" in said.err
    paid = len(server.asked)
    assert 0 < paid < 24
    ledger = Ledger(live.parent / "runs" / "ledger.sqlite")
    assert sum(row.cost_usd + row.reserved_usd for row in ledger.spending("tiny")) <= 0.5
    assert ledger.maybe_billed("tiny") == []
    said = twt(*command, "budget_usd=100")
    assert said.code == 0
    assert len(server.asked) == 24
    assert "$0.0720" in said.out  # 24 calls of 30 tokens


def test_in_process_it_is_an_error_of_its_own(live, server):
    with pytest.raises(BudgetExceeded):
        run(live, *PRICED, "budget_usd=0.01")
    assert server.asked == []


def test_a_budget_without_a_price_is_refused_before_any_request(live, server, twt):
    said = twt("run", live, "--runs-dir", live.parent / "runs", "--set", "budget_usd=1")
    assert said.code == 2
    assert "the price of teacher 'ann' is not known" in said.err
    assert server.asked == []


def test_a_missing_key_is_refused_before_any_request(live, server, twt):
    said = twt("run", live, "--runs-dir", live.parent / "runs", "--set", "teachers.1.api_key_env=NO_SUCH_KEY")
    assert said.code == 2
    assert "NO_SUCH_KEY is not set or empty" in said.err
    assert server.asked == []


def test_a_plan_counts_and_prices_and_asks_nobody(live, server):
    planned = planning.plan(live, [*PRICED, *SHORT], live.parent / "runs")
    assert [(row.answers, row.rewrites_at_most) for row in planned.calls] == [(12, 12), (12, 12)]
    assert planned.worst_case_usd > 72 * 50 * 1e-4
    assert planning.plan(live, (), live.parent / "runs").worst_case_usd is None
    assert server.asked == []
    summary = session.run(live, [*PRICED, *SHORT], live.parent / "runs", None, QUIET)
    assert summary.cost_usd <= planned.worst_case_usd
    assert summary.teacher_calls <= planned.teacher_calls_at_most


def test_replay_and_live_teachers_stand_side_by_side(live, server):
    summary = run(live, "teachers.1={use: replay, name: ben, path: recordings.jsonl}")
    assert {body["model"] for body in server.asked} == {"ann"}
    assert [teacher.calls for teacher in summary.teachers] == [12, 12]


def test_the_servers_own_sums_are_right():
    assert "The answer is: 7" in sum_of({"model": "m", "messages": [{"content": "What is 3 plus 4?"}]})
