"""A whole run whose answers a judge on a server grades: planned, marked, killed and gone on with, paid for once."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import closing

import project
import pytest
from scripted_server import fault, well
from test_resume import DYING, TWT, start

from twt_core import planning, session
from twt_core.errors import BudgetExceeded, InputError
from twt_core.ledger import Ledger
from twt_core.progress import Progress

QUIET = Progress(quiet=True)
USD_IN, USD_OUT = 100.0, 1000.0  # a million
PRICED = f"input_usd_per_million: {USD_IN}, output_usd_per_million: {USD_OUT}"
CONFIG = """\
name: tiny
task_evaluator:
  use: judge
  longest_answer: 40
  judge: {{use: openai_compatible, name: judy, model: judy, base_url: "{url}", max_tokens: 20, concurrency: 1,
    {priced}}}
queries: {{path: queries.jsonl}}
test_queries: {{path: test.jsonl}}
teachers:
  - {{use: openai_compatible, name: ann, model: ann, base_url: "{url}", max_tokens: 20, {priced}}}
quality_filter: {{use: threshold, minimum: 0.5}}
stage_scheduler: {{use: standard_kd}}
student: {{model: {model}, learning_rate: 2e-2, batch_size: 4, epochs: 12, max_length: 512, max_new_tokens: 24}}
budget_usd: {budget}
"""


def is_judge(body):
    return body["model"] == "judy"


def judging(body):
    """Right answers to the teachers; of the judge, an opinion for each answer."""
    return well(body, "Reason: So it is.\nVerdict: right") if is_judge(body) else well(body)


@pytest.fixture
def judged(fresh, server, model):
    """A project that asks everything on the server, its judge included."""
    fresh.write_text(CONFIG.format(url=server.url, model=model, priced=PRICED, budget=50.0), encoding="utf-8")
    server.script = judging
    return fresh


def go(judged, *overrides):
    return session.run(judged, overrides, judged.parent / "runs", None, QUIET)


def graded(judged, step="answer_only-test-scores"):
    return project.rows_of(judged.parent / "runs" / "tiny", step)


def spent(runs):
    with closing(Ledger(runs / "ledger.sqlite")) as ledger:
        rows = {row.teacher: row for row in ledger.spending("tiny")}
        return {name: (row.calls, round(row.cost_usd + row.reserved_usd, 9)) for name, row in rows.items()}


def asked_of_judge(server):
    return [body for body in server.asked if is_judge(body)]


def worst(body):
    """What a request may cost at most, as the teacher reserves it."""
    said = sum(len(message["content"].encode()) + 16 for message in body["messages"]) + 256
    return (said * USD_IN + 20 * USD_OUT) / 1e6


def test_killed_and_gone_on_with_no_opinion_is_bought_twice(judged, server):
    runs = judged.parent / "runs"
    planned = {row.teacher: row for row in planning.plan(judged, (), runs).calls}
    assert (planned["judy"].grades_at_most, planned["judy"].answers) == (2 * 6, 0)
    # 12 answers, and then opinions: killed after the third, and in the next process while the second comes in.
    for point, which in (("after_commit", "15"), ("before_commit", "2")):
        died = start(sys.executable, DYING, point, which, "--", "run", judged, "--runs-dir", runs)
        _, err = died.communicate()
        assert died.returncode == -signal.SIGKILL, err
    assert 3 <= spent(runs)["judy"][0] < 6
    done = start(TWT, "run", judged, "--runs-dir", runs, "--json")
    out, err = done.communicate()
    assert done.returncode == 0, err
    with closing(Ledger(runs / "ledger.sqlite")) as ledger:
        maybe = ledger.maybe_billed("tiny")
    twice = sum(times - 1 for times in server.times_asked().values())
    assert twice <= len(maybe)  # only what a kill left without a reply
    assert spent(runs)["judy"][0] == 6 == len({json.dumps(body) for body in asked_of_judge(server)})
    assert server.billed_usd(USD_IN, USD_OUT) <= json.loads(out)["cost_usd"] + 1e-9
    rows = graded(judged)
    assert [(row["verdict"], row["correct"], row["graded_by"]) for row in rows] == [("right", True, "judy")] * 6
    assert {row["verdict"] for row in graded(judged, "untouched-test-scores")} == {"no_answer"}
    assert max(map(worst, asked_of_judge(server))) * 12 <= planned["judy"].worst_case_usd
    assert planning.plan(judged, (), runs).teacher_calls_at_most == 0
    asked = len(server.asked)
    go(judged)
    assert len(server.asked) == asked


def test_a_judge_that_was_away_is_asked_again_within_the_budget(judged, server):
    server.script = lambda body: fault(401) if is_judge(body) else well(body)
    go(judged)
    first = graded(judged)
    assert {(row.get("correct"), row["verdict"], row["graded_by"]) for row in first} == {(None, "no_verdict", "judy")}
    server.script = judging
    already = len(server.asked)
    with pytest.raises(BudgetExceeded, match="judy"):
        go(judged, "budget_usd=0.2")
    assert len(server.asked) == already
    go(judged)
    assert {row["verdict"] for row in graded(judged)} == {"right"}
    assert [row["text"] for row in graded(judged)] == [row["text"] for row in first]
    assert len(server.asked) - already == 6


def test_a_plan_counts_dev_queries_and_samples(judged):
    project.write_rows(judged.parent / "dev.jsonl", project.queries(4, "d", step=3))
    more = ["dev_queries={path: dev.jsonl}", "evaluation.samples=3", "student.temperature=1"]
    runs = judged.parent / "runs"
    [ann, judy] = planning.plan(judged, more, runs).calls
    assert (ann.teacher, judy.teacher) == ("ann", "judy")
    assert judy.grades_at_most == 2 * 3 * (6 + 4)
    [_, one] = planning.plan(judged, (), runs).calls
    assert judy.worst_case_usd == pytest.approx(one.worst_case_usd * 60 / 12, rel=0.01)
    [_, longer] = planning.plan(judged, ["task_evaluator.longest_answer=41"], runs).calls
    assert longer.worst_case_usd == pytest.approx(one.worst_case_usd + 12 * 4 * USD_IN / 1e6)


def test_a_plan_counts_a_judge_that_teaches_and_grades_in_one_row(judged):
    judge = "{use: openai_compatible, name: judy, model: judy, base_url: http://127.0.0.1:9/v1, max_tokens: 20}"
    both = [f"teachers=[{judge}]", f"task_evaluator.judge={judge}", "budget_usd=null"]
    [row] = planning.plan(
        judged, [*both, f"confidence_scorer={{use: grade, judge: {judge}}}"], judged.parent / "runs"
    ).calls
    assert (row.teacher, row.answers, row.grades_at_most, row.worst_case_usd) == ("judy", 12, 12 + 12, None)


def test_a_judge_without_a_price_has_no_budget(judged, server):
    free = [f"task_evaluator.judge.{kind}_usd_per_million=null" for kind in ("input", "output")]
    with pytest.raises(InputError, match="the price of teacher 'judy' is not known"):
        go(judged, *free)
    assert server.asked == []


def test_test_queries_without_answers_are_for_judges_that_need_none(judged):
    rows = [{key: row[key] for key in ("id", "query")} for row in project.queries(6, "t", step=2)]
    project.write_rows(judged.parent / "test.jsonl", rows)
    with pytest.raises(InputError, match='no row has an "answer"'):
        planning.plan(judged, (), judged.parent / "runs")
    [_, judy] = planning.plan(judged, ["task_evaluator.without_reference=true"], judged.parent / "runs").calls
    assert judy.grades_at_most == 12


def test_a_plan_counts_test_rows_that_are_not_downloaded(judged):
    absent = "test_queries={dataset: acme/none, split: test, rows: 5, columns: {query: question, answer: answer}}"
    [_, judy] = planning.plan(judged, [absent], judged.parent / "runs").calls
    assert (judy.grades_at_most, judy.worst_case_usd) == (2 * 5, None)  # nobody knows how long they are
    free = [f"task_evaluator.judge.{kind}_usd_per_million=0" for kind in ("input", "output")]
    [_, judy] = planning.plan(judged, [absent, *free], judged.parent / "runs").calls
    assert (judy.grades_at_most, judy.worst_case_usd) == (2 * 5, 0)


def test_a_plan_asks_a_mixtures_judge_about_its_own_queries_alone(judged):
    for name in ("queries", "test"):
        rows = [json.loads(line) for line in (judged.parent / f"{name}.jsonl").read_text().splitlines()]
        tasks = [{**row, "task": "sums" if place % 3 else "open"} for place, row in enumerate(rows)]
        project.write_rows(judged.parent / f"{name}.jsonl", tasks)
    judge = "{use: openai_compatible, name: judy, model: judy, base_url: http://127.0.0.1:9/v1, max_tokens: 20}"
    mixture = f"task_evaluator={{use: mixture, tasks: {{sums: {{use: math}}, open: {{use: judge, judge: {judge}}}}}}}"
    [ann, judy] = planning.plan(judged, [mixture, "budget_usd=null"], judged.parent / "runs").calls
    assert (ann.answers, judy.teacher, judy.grades_at_most) == (12, "judy", 2 * 2)
