"""What a process that is killed, stopped or badly served has paid for: kept, counted, and never bought twice.

Real processes against a server that plays the faults, with every call priced.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import project
import pytest
from scripted_faults import FAULTS, play_named
from scripted_server import Raw, ScriptedServer, well
from test_resume import DYING, TWT, start

from twt_core.ledger import Ledger

CANARY = "sk-canary-9d2e4c6b8a017f35"
CONCURRENCY = 4
USD_IN, USD_OUT = 100.0, 1000.0  # a million; dear, so that rounding hides nothing
CONFIG = """\
name: tiny
task_evaluator: {{use: exact_match}}
queries: {{path: queries.jsonl}}
test_queries: {{path: test.jsonl}}
teachers:
{teachers}
quality_filter: {{use: threshold, minimum: 0.5}}
diversity_selector: {{use: random_pair}}
student: {{model: {model}}}
budget_usd: {budget}
"""
LEAN = "use: openai_compatible, base_url: {url}"
LITELLM = "use: litellm, api_base: {url}"
TEACHER = (
    "  - {{{via}, name: {name}, model: {model}, max_tokens: 20, concurrency: {concurrency}, api_key_env: MY_KEY,"
    " retries: 2, timeout: 1.5, deadline: 6,"
    " input_usd_per_million: {price_in}, output_usd_per_million: {price_out}}}\n"
)
#: All of sampling but the last file is there.
SAMPLED = ("os.rename", "04-selected/manifest.json")


def configure(fresh: Path, server: ScriptedServer, model: Path, via: str = LEAN, budget: float = 50.0) -> Path:
    prefix = "hosted_vllm/" if "litellm" in via else ""
    teachers = "".join(
        TEACHER.format(via=via.format(url=server.url), name=name, model=prefix + name, concurrency=CONCURRENCY,
                       price_in=USD_IN, price_out=USD_OUT)
        for name in ("ann", "ben")
    )  # fmt: skip
    fresh.write_text(CONFIG.format(teachers=teachers, model=model, budget=budget), encoding="utf-8")
    return fresh


@pytest.fixture
def priced(fresh, server, model, monkeypatch):
    monkeypatch.setenv("MY_KEY", CANARY)
    return configure(fresh, server, model)


def die_at(point, which, config, runs, sent="SIGKILL"):
    """Run until the point; the process's exit code and what it said."""
    process = start(sys.executable, DYING, point, which, sent, "--", "run", config, "--runs-dir", runs)
    return process, *process.communicate()


def sample(config, runs):
    """Do all of sampling: the process ends before it trains."""
    process, out, err = die_at(*SAMPLED, config, runs)
    assert process.returncode == -signal.SIGKILL, err
    return out + err


def annotations(runs):
    [file] = (runs / "tiny").glob("*-annotations/rows.jsonl")
    return file.read_bytes()


def spent(runs):
    with closing(Ledger(runs / "ledger.sqlite")) as ledger:
        [usd] = {round(sum(row.cost_usd + row.reserved_usd for row in ledger.spending("tiny")), 9)}
        calls = sum(row.calls for row in ledger.spending("tiny"))
        return usd, calls, ledger.maybe_billed("tiny")


def holds(server, runs, budget=50.0, *, refused=0):
    """The invariants that hold at every moment. `refused` counts the calls that the server did not take."""
    usd, calls, maybe = spent(runs)
    assert server.billed_usd(USD_IN, USD_OUT) <= usd + 1e-9 <= budget
    twice = sum(times - 1 for times in server.times_asked().values())
    assert twice <= len(maybe) + refused  # every call beyond the first is one that the ledger lists
    assert len(server.asked) <= calls + len(maybe) + refused
    for path in runs.parent.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


MOMENTS = [
    ("before_reserve", 3), ("after_reserve", 3), ("before_commit", 2), ("after_commit", 4), ("look_up", 9),
    ("before_commit", 1),
]  # fmt: skip


@pytest.mark.parametrize("sent", ["SIGKILL", "SIGTERM", "SIGINT", "SIGINT*2"])
def test_stopped_at_every_moment_of_a_call(priced, server, sent):
    runs = priced.parent / "runs"
    for count, (point, which) in enumerate(MOMENTS, 1):
        before = spent(runs)[1] if count > 1 else 0
        process, _, err = die_at(point, which, priced, runs, sent)
        if sent == "SIGKILL":
            assert process.returncode == -signal.SIGKILL, err
        else:
            assert process.returncode == 130, err
            assert "Traceback" not in err, err
            assert err.splitlines()[-1] == "twt: interrupted; run the same command again: it goes on from here"
        assert "Traceback" not in err, err
        holds(server, runs)
        assert spent(runs)[1] >= before
        assert len(spent(runs)[2]) <= count * 2 * CONCURRENCY
    sample(priced, runs)
    holds(server, runs)
    assert spent(runs)[1] == 24
    sample(priced, priced.parent / "elsewhere")
    assert annotations(priced.parent / "elsewhere") == annotations(runs)


@pytest.mark.parametrize("place", ["sent", "mid-body"])
def test_killed_while_the_server_answers(priced, server, place):
    runs = priced.parent / "runs"
    killed: list[subprocess.Popen[str]] = []

    def script(body):
        if len(server.asked) < 14:
            return well(body)

        def play(wire):
            if place == "mid-body":
                wire.send(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"choices": [')
                wire.wait(0.1)
            os.kill(killed[0].pid, signal.SIGKILL)

        return Raw(play, billed=True)

    server.script = script
    killed.append(start(TWT, "run", priced, "--runs-dir", runs))
    killed[0].communicate()
    assert killed[0].returncode == -signal.SIGKILL
    holds(server, runs)
    _, calls, maybe = spent(runs)
    assert 14 - 2 * CONCURRENCY <= calls < 14
    assert 1 <= len(maybe) <= 2 * CONCURRENCY
    server.script = well
    sample(priced, runs)
    holds(server, runs)
    assert spent(runs)[1:] == (24, maybe)  # what may have been billed stays listed


@pytest.mark.parametrize("via", [LEAN, LITELLM], ids=["openai_compatible", "litellm"])
def test_every_fault_is_a_row_or_an_answer(fresh, server, model, monkeypatch, via):
    monkeypatch.setenv("MY_KEY", CANARY)
    names = [name for name in FAULTS if name not in ("silence", "headers_then_silence")]
    rows = []
    for number, name in enumerate([*names, *(["silence", "headers_then_silence"])]):
        rows.append({"id": name, "query": f"What is {number} plus 1? (fault={name})"})
        rows += [{"id": f"well-{number}-{n}", "query": f"What is {number} plus {n + 60}?"} for n in range(2)]
    config = configure(fresh, server, model, via)
    project.write_rows(config.parent / "queries.jsonl", rows)
    server.script = play_named()
    runs = config.parent / "runs"
    said = sample(config, runs)
    assert CANARY not in said
    refused = len(server.asked) - len(server.billed)
    holds(server, runs, refused=refused)
    accounted = json.loads((runs / "tiny" / "sampling.json").read_text(encoding="utf-8"))
    assert accounted["asked"] == len(rows) * 2
    assert accounted["pending"] == 0
    assert accounted["asked"] == accounted["failed"] + accounted["kept"] + sum(accounted["rejected"].values())
    made = [json.loads(line) for line in annotations(runs).splitlines()]
    failed = {row["query_id"]: row["failure"] for row in made if "failure" in row}
    assert not [name for name in failed if name.startswith("well")]
    answered = set(FAULTS) - set(failed)
    assert answered >= {
        "429_once", "500_twice", "other_model", "three_choices", "usage_missing", "usage_negative", "usage_1e12",
    }  # fmt: skip
    once = Counter(json.dumps(body) for body in server.asked)
    again = len(server.asked)
    server.script = well
    sample(config, runs)  # what may pass is asked again, and only that
    holds(server, runs, refused=refused)
    more = server.asked[again:]
    assert {body["messages"][-1]["content"].rpartition("fault=")[2].partition(")")[0] for body in more} <= set(failed)
    assert not [body for body in more if json.dumps(body) not in once]
    still = {row["query_id"] for line in annotations(runs).splitlines() if "failure" in (row := json.loads(line))}
    assert still <= {"400_context", "413", "422", "null_content", "content_filter", "lone_surrogate"}


def test_a_budget_is_never_passed_whatever_the_server_counts(fresh, server, model, monkeypatch):
    monkeypatch.setenv("MY_KEY", CANARY)
    budget = 0.9
    config = configure(fresh, server, model, budget=budget)
    names = ["usage_missing", "usage_1e12", "usage_nan", "reset_mid_body", "truncated_json"]
    server.script = play_named(lambda body: (names * 2)[len(server.asked) % 7] if len(server.asked) % 7 < 5 else None)
    runs = config.parent / "runs"
    for _ in range(3):
        process = start(TWT, "run", config, "--runs-dir", runs)
        _, err = process.communicate()
        assert process.returncode == 3, err
        assert "Raise budget_usd and run the same command again" in err.splitlines()[-1]
        holds(server, runs, budget)
    server.script = well
    configure(fresh, server, model, budget=50.0)
    sample(config, runs)
    assert spent(runs)[1] == 24


def test_a_server_that_restarts_is_waited_for(priced, server):
    runs = priced.parent / "runs"
    seen = []

    def script(body):
        seen.append(body)
        if len(seen) == 9:
            server.stop()
            server.start()
        return well(body)

    server.script = script
    sample(priced, runs)
    holds(server, runs)
    assert spent(runs)[1] == 24


def test_a_disk_that_is_full_loses_nothing_that_was_committed(priced, server):
    runs = priced.parent / "runs"

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000))

    process = start(TWT, "run", priced, "--runs-dir", runs, before=small_files)
    _, err = process.communicate()
    assert process.returncode == 1, err
    assert "Traceback" not in err, err
    assert "Nothing that was committed is lost" in err.splitlines()[-1]
    calls = spent(runs)[1]
    assert 0 < calls < 24
    holds(server, runs)
    asked = len(server.asked)
    sample(priced, runs)
    assert spent(runs)[1] == 24
    assert len(server.asked) - asked == 24 - calls


def test_a_ledger_of_a_newer_version_is_left_as_it_is(priced):
    runs = priced.parent / "runs"
    sample(priced, runs)
    with closing(sqlite3.connect(runs / "ledger.sqlite")) as db:
        db.execute("PRAGMA user_version=99")
    process = start(TWT, "run", priced, "--runs-dir", runs)
    _, err = process.communicate()
    assert process.returncode == 2
    assert "a ledger of version 99" in err


def test_batches_are_handed_in_once_and_collected_another_day(fresh, server, model, monkeypatch):
    monkeypatch.setenv("MY_KEY", CANARY)
    config = configure(fresh, server, model, LITELLM.replace("use: litellm", "use: litellm, batch: true"))
    config.write_text(config.read_text(encoding="utf-8").replace("hosted_vllm/", "openai/"), encoding="utf-8")
    runs = config.parent / "runs"
    process, _, err = die_at("before_commit", "3", config, runs)  # one batch is handed in, and its id not yet noted
    assert process.returncode == -signal.SIGKILL, err
    for _ in range(2):
        process = start(TWT, "run", config, "--runs-dir", runs)
        _, err = process.communicate()
        assert process.returncode == 4, err
        assert "under way at the provider: ann: batch" in err.splitlines()[-1]
        assert "Run the same command again" in err.splitlines()[-1]
        assert len(server.batches.rows) == 2
        assert spent(runs)[1:] == (0, [])
    for name in server.batches.rows:
        server.batches.advance(name, "completed")
    sample(config, runs)
    assert spent(runs)[1:] == (24, [])
    assert server.asked == []
    lean = configure(fresh, server, model)
    sample(lean, lean.parent / "elsewhere")
    assert annotations(lean.parent / "elsewhere") == annotations(runs)
