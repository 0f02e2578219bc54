import sqlite3
import subprocess
import sys

import pytest
import samples

from twt_core.entries import Commit, Release, Reserve
from twt_core.errors import BudgetExceeded, InputError, TwtError
from twt_core.ledger import Ledger, Spending, request_key
from twt_core.records import Completion, TokenLogprob, Usage

ANSWER = Completion(
    text="7 \ud83d\ude00 \u2028".encode("utf-16", "surrogatepass").decode("utf-16"),
    logprobs=(TokenLogprob("7", -0.1),),
    usage=Usage(prompt_tokens=3, completion_tokens=2),
    cost_usd=0.25,
)


def commit(ledger, key, request, run, completion, usd, reservation=None):
    assert ledger.apply([Commit(key, request, run, completion, usd, reservation)]) == [None]


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(tmp_path / "deep" / "ledger.sqlite")
    yield opened
    opened.close()


def test_answers_come_back_as_they_were(ledger):
    assert ledger.get("k") is None
    commit(ledger, "k", samples.request(), "run", ANSWER, 0.25)
    assert ledger.get("k") == ANSWER
    assert Ledger(ledger.path).get("k") == ANSWER


def test_it_is_durable(ledger):
    assert ledger._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert ledger._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_the_first_answer_to_a_request_stays(ledger):
    commit(ledger, "k", samples.request(), "run", ANSWER, 0.25)
    commit(ledger, "k", samples.request(), "run", Completion(text="late"), 9.0)
    assert ledger.get("k") == ANSWER
    assert ledger.spending("run") == [Spending("ann", 1, 0.25, 0.0)]


def test_the_key_is_the_content_whatever_its_order():
    assert request_key({"a": 1, "b": [2, "ü"]}) == request_key({"b": [2, "ü"], "a": 1})
    assert request_key({"a": 1}) != request_key({"a": 1.5})
    assert len(request_key({})) == 64


def test_a_budget_holds_with_reservations_counted(ledger):
    commit(ledger, "k1", samples.request(), "run", ANSWER, 0.25)
    ledger.reserve(Reserve("k2", samples.request("q2"), "run", 0.5, 1.0))
    with pytest.raises(BudgetExceeded, match=r"may cost \$0\.3000; \$0\.7500 of the \$1\.00 budget") as stopped:
        ledger.reserve(Reserve("k3", samples.request("q3"), "run", 0.3, 1.0))
    assert stopped.value.exit_code == 3
    assert ledger.maybe_billed("run") == [("ann", "q2")]  # a refused one leaves nothing
    ledger.reserve(Reserve("k3", samples.request("q3"), "run", 0.25, 1.0))  # to the last cent
    ledger.reserve(Reserve("k4", samples.request("q4"), "another run", 0.9, 1.0))


def test_a_reservation_becomes_its_cost_or_is_given_back(ledger):
    first = ledger.reserve(Reserve("k1", samples.request(), "run", 0.5, None))
    second = ledger.reserve(Reserve("k2", samples.request("q2"), "run", 0.5, None))
    commit(ledger, "k1", samples.request(), "run", ANSWER, 0.1, first)
    assert ledger.spending("run") == [Spending("ann", 1, 0.1, 0.5)]
    ledger.apply([Release(second)])
    assert ledger.spending("run") == [Spending("ann", 1, 0.1, 0.0)]


def test_every_try_that_may_have_been_billed_counts(ledger):
    ledger.reserve(Reserve("k", samples.request(), "run", 0.4, 1.0))
    again = ledger.reserve(Reserve("k", samples.request(), "run", 0.4, 1.0))
    with pytest.raises(BudgetExceeded):
        ledger.reserve(Reserve("k", samples.request(), "run", 0.4, 1.0))
    commit(ledger, "k", samples.request(), "run", ANSWER, 0.1, again)
    assert ledger.spending("run") == [Spending("ann", 1, 0.1, 0.4)]
    assert ledger.maybe_billed("run") == [("ann", "q1")]  # the first try stays listed


def test_what_is_written_together_is_checked_one_by_one(ledger):
    wanted = [Reserve(f"k{n}", samples.request(f"q{n}"), "run", 0.4, 1.0) for n in range(3)]
    first, second, third = ledger.apply(wanted)
    assert first != second
    assert isinstance(third, BudgetExceeded)
    assert ledger.maybe_billed("run") == [("ann", "q0"), ("ann", "q1")]


def test_what_was_rolled_back_is_not_counted(ledger):
    ledger.reserve(Reserve("k", samples.request(), "run", 0.4, 1.0))
    with pytest.raises(TwtError, match="ledger failed"):
        ledger.apply([Reserve("k2", samples.request(), "run", 0.5, 1.0), Release(sqlite3)])
    assert ledger.reserve(Reserve("k3", samples.request(), "run", 0.6, 1.0))


def test_a_ledger_of_version_1_is_brought_up(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(
            "CREATE TABLE calls (key TEXT PRIMARY KEY, run TEXT, teacher TEXT, query_id TEXT, purpose TEXT,"
            " request TEXT, completion TEXT, cost_usd REAL, made_at TEXT);"
            "CREATE TABLE reservations (key TEXT PRIMARY KEY, run TEXT, teacher TEXT, query_id TEXT, usd REAL,"
            " made_at TEXT);"
            "INSERT INTO calls VALUES ('k', 'run', 'ann', 'q1', 'answer', '', '{\"text\":\"7\"}', 0.25, '');"
            "INSERT INTO reservations VALUES ('k2', 'run', 'ann', 'q2', 0.5, '2026');"
            "PRAGMA user_version=1"
        )
    db.close()
    for _ in range(2):
        ledger = Ledger(path)
        assert ledger.get("k") == Completion(text="7")
        assert ledger.spending("run") == [Spending("ann", 1, 0.25, 0.5)]
        assert ledger.maybe_billed("run") == [("ann", "q2")]
        ledger.close()


def test_a_reservation_outlives_its_process(tmp_path):
    path = tmp_path / "ledger.sqlite"
    script = (
        "import os, signal, sys, samples; from pathlib import Path\n"
        "from twt_core.entries import Reserve; from twt_core.ledger import Ledger\n"
        "ledger = Ledger(Path(sys.argv[1])); ledger.reserve(Reserve('k', samples.request(), 'run', 0.5, 1.0))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], cwd=samples.__file__.rpartition("/")[0], check=False)
    assert Ledger(path).maybe_billed("run") == [("ann", "q1")]


def test_nothing_is_there_before_its_commit(ledger):
    ledger.begin([Commit("k", samples.request(), "run", ANSWER, 0.25)])
    assert not ledger.has("k")
    assert ledger.get("k") is None
    ledger.commit()
    assert ledger.has("k")


def test_two_processes_may_have_it_open(ledger):
    other = Ledger(ledger.path)
    commit(other, "k", samples.request(), "run", ANSWER, 0.0)
    assert ledger.get("k") == ANSWER


def test_a_newer_version_is_refused(ledger):
    ledger._db.execute("PRAGMA user_version=99")
    with pytest.raises(InputError, match=r"a ledger of version 99; this TwT reads up to 2\. Upgrade"):
        Ledger(ledger.path)


def test_a_file_that_is_no_ledger(tmp_path):
    (tmp_path / "ledger.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(TwtError, match="ledger failed"):
        Ledger(tmp_path / "ledger.sqlite")


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot open the ledger"):
        Ledger(tmp_path / "file" / "ledger.sqlite")
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises((InputError, TwtError), match="ledger"):
        Ledger(tmp_path / "folder.sqlite")


def test_a_flipped_byte_is_no_answer(ledger):
    commit(ledger, "k", samples.request(), "run", Completion(text="the answer is seven"), 0.0)
    ledger.close()
    data = ledger.path.read_bytes()
    assert data.count(b"is seven") == 1
    ledger.path.write_bytes(data.replace(b"is seven", b"is eleven"[:8]))
    with pytest.raises(TwtError, match=r"a kept answer is damaged.*DELETE FROM calls WHERE key = 'k'"):
        Ledger(ledger.path).get("k")


def test_a_truncated_file_is_no_ledger(ledger):
    for n in range(50):
        commit(ledger, f"k{n}", samples.request(), "run", Completion(text="x" * 500), 0.0)
    ledger.close()
    ledger.path.write_bytes(ledger.path.read_bytes()[:-9000])
    with pytest.raises(TwtError, match="ledger failed"):
        [Ledger(ledger.path).get(f"k{n}") for n in range(50)]
