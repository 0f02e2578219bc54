"""Progress on disk: what a run tells of itself, and who is believed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import project
import pytest
from samples import request

from twt_core import recorder
from twt_core.entries import Reserve
from twt_core.errors import BatchPending, BudgetExceeded, InputError, TwtError
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.progress_file import PROGRESS, LivePart, LiveProgress, Writer, duration, read_progress, this_process
from twt_core.recorder import recorded

PART = {"name": "", "done": 0, "total": 1, "rate": 1.0, "seconds_left": 0.0, "note": ""}


def told(folder: Path) -> LiveProgress:
    found = read_progress(folder)
    assert found is not None
    return found


def until(condition, seconds=60.0):
    """What a condition gives once it is true."""
    given_up = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < given_up, "it did not come"
        time.sleep(0.02)
    return found


def write(folder: Path, **changes: object) -> None:
    """A progress file of this process, changed."""
    now = datetime.now(UTC)
    live = LiveProgress(
        state="working", why="", writer=this_process(), began=now, updated=now, step=None, step_began=None,
        expected=[], tasks=[], lines=[], spent_usd=None,
    )  # fmt: skip
    (folder / PROGRESS).write_text(live.model_copy(update=changes).model_dump_json(), encoding="utf-8")


def test_it_tells_what_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "EVERY", 0.01)
    progress = Progress(quiet=True)
    with recorded(tmp_path, progress, lambda: 0.25):
        assert told(tmp_path).state == "working"
        progress.expect(["annotations", "scored"])
        progress.step("01-annotations")
        progress.say("a line")
        with progress.task("asking", {"ann": 4, "ben": 2}) as task:
            task.advance("ann", 3, "1 failed")
            live = until(lambda: (found := told(tmp_path)).tasks and found.tasks[0].parts[0].done == 3 and found)
            assert [(task.label, [part.name for part in task.parts]) for task in live.tasks] == [
                ("asking", ["ann", "ben"])
            ]
            ann, ben = live.tasks[0].parts
            assert (ann.total, ann.note, ben.done) == (4, "1 failed", 0)
            assert ann.rate is not None and ann.rate > 0
            assert ben.rate is None and ben.seconds_left is None
        assert (live.step, live.expected, live.lines, live.spent_usd) == (
            "01-annotations", ["annotations", "scored"], ["a line"], 0.25,
        )  # fmt: skip
        assert live.writer == this_process()
    after = told(tmp_path)
    assert (after.state, after.tasks, after.step) == ("done", [], "01-annotations")
    assert after.updated >= after.began


def test_a_step_is_told_at_once_and_the_rest_once_a_second(tmp_path, monkeypatch):
    written = []
    original = recorder._Recorder._told
    monkeypatch.setattr(recorder._Recorder, "_told", lambda self: written.append(0) or original(self))
    monkeypatch.setattr(recorder, "EVERY", 3600.0)
    progress = Progress(quiet=True)
    with recorded(tmp_path, progress), progress.task("training", {"full": 100_000}) as task:
        for _ in range(100_000):
            task.advance("full")
        assert len(written) == 1
        progress.step("07-full-student")
        until(lambda: told(tmp_path).step == "07-full-student")
        assert told(tmp_path).tasks[0].parts[0].done == 100_000
    assert len(written) <= 3


def test_it_is_written_anew_even_where_nothing_moves(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "EVERY", 0.01)
    monkeypatch.setattr(recorder, "HEARTBEAT", 0.02)
    with recorded(tmp_path, Progress(quiet=True)):
        first = told(tmp_path).updated
        until(lambda: told(tmp_path).updated > first)


@pytest.mark.parametrize(
    ("error", "state", "why"),
    [
        (TwtError("the disk is full"), "failed", "the disk is full"),
        (InputError("bad"), "failed", "bad"),
        (ZeroDivisionError("by zero"), "failed", "ZeroDivisionError: by zero"),
        (BudgetExceeded("raise budget_usd"), "stopped", "raise budget_usd"),
        (BatchPending("under way"), "stopped", "under way"),
        (KeyboardInterrupt(), "stopped", "interrupted"),
    ],
)
def test_it_tells_how_the_work_ended(tmp_path, error, state, why):
    with pytest.raises(type(error)), recorded(tmp_path, Progress(quiet=True)):
        raise error
    assert (told(tmp_path).state, told(tmp_path).why) == (state, why)


def test_a_folder_that_goes_away_ends_no_run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    progress = Progress(quiet=True)
    with recorded(folder, progress):
        (folder / PROGRESS).unlink()
        folder.rmdir()
        progress.step("01-annotations")
    assert not folder.exists()


def test_texts_of_others_are_made_fit(tmp_path):
    progress = Progress(quiet=True)
    with recorded(tmp_path, progress), progress.task("asking", {"\ud800": 1}) as task:
        progress.say("half a character: \udc80")
        progress.say("x" * 10_000)
        task.advance("\ud800", 1, "\udfff")
    assert told(tmp_path).lines[0] == "half a character: ?"
    assert len(told(tmp_path).lines[1]) == 500


def test_rates_are_those_of_late(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(recorder.time, "monotonic", lambda: now[0])
    part = recorder._PartRecord("ann", 1000)
    part.advance(500, "")  # of an earlier run, all at once
    for _ in range(40):
        now[0] += 10
        part.advance(1, "")
    assert part.told().rate == pytest.approx(0.1)
    assert part.told().seconds_left == pytest.approx(4600)


def test_a_killed_process_is_gone_even_while_nobody_has_asked_for_its_exit_code(tmp_path):
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom twt_core.progress import Progress\n"
        "from twt_core.recorder import recorded\n"
        "with recorded(Path(sys.argv[1]), Progress(quiet=True)):\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) as process:
        until(lambda: read_progress(tmp_path) is not None)
        assert told(tmp_path).state == "working"
        process.send_signal(signal.SIGSTOP)
        assert told(tmp_path).state == "working"
        process.kill()
        until(lambda: told(tmp_path).state == "stopped")
        assert told(tmp_path).why == "its process is gone"
        assert process.wait() == -signal.SIGKILL
    assert told(tmp_path).state == "stopped"


def test_another_process_of_the_same_id_is_not_it(tmp_path):
    mine = this_process()
    assert mine.started is not None
    write(tmp_path)
    assert told(tmp_path).state == "working"
    write(tmp_path, writer=mine.model_copy(update={"started": mine.started - 1}))
    assert told(tmp_path).state == "stopped"


@pytest.mark.parametrize("machine", [None, "another"])
def test_a_process_that_cannot_be_seen_is_believed_while_it_tells_news(tmp_path, machine):
    there = Writer(pid=os.getpid(), started=None if machine is None else 1, machine=machine)
    now = datetime.now(UTC)
    write(tmp_path, writer=there, updated=now - timedelta(seconds=30))
    assert told(tmp_path).state == "working"
    write(tmp_path, writer=there, updated=now - timedelta(seconds=90))
    assert told(tmp_path).state == "stopped"


@pytest.mark.parametrize(
    "change",
    [
        {"began": "yesterday"},
        {"began": "2026-01-01T00:00:00"},  # of no time zone
        {"updated": "0001-01-01T00:00:00+14:00"},  # before there is any time
        {"spent_usd": float("nan")},
        {"tasks": [{"label": "", "parts": [{**PART, "rate": 0}]}]},
        {"tasks": [{"label": "", "parts": [{**PART, "seconds_left": float("inf")}]}]},
        {"tasks": [{"label": "", "parts": [{**PART, "done": 10**30}]}]},
    ],
)
def test_what_could_not_be_shown_is_not_known(tmp_path, change):
    write(tmp_path)
    whole = json.loads((tmp_path / PROGRESS).read_text())
    (tmp_path / PROGRESS).write_text(json.dumps({**whole, "tasks": [{"label": "", "parts": [PART]}]}))
    assert read_progress(tmp_path) is not None
    (tmp_path / PROGRESS).write_text(json.dumps({**whole, **change}))
    assert read_progress(tmp_path) is None


def test_what_is_damaged_is_not_known(tmp_path):
    assert read_progress(tmp_path) is None
    (tmp_path / PROGRESS).write_bytes(b"\xff{")
    assert read_progress(tmp_path) is None
    (tmp_path / PROGRESS).write_text('"' + "x" * 5_000_000 + '"')
    assert read_progress(tmp_path) is None
    (tmp_path / PROGRESS).unlink()
    os.mkfifo(tmp_path / PROGRESS)  # which would be waited for
    assert read_progress(tmp_path) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.7, "1 min 00 s"),
        (3599.6, "1 h 00 min"),
        (7620, "2 h 07 min"),
        (90_000, "1 d 01 h"),
    ],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_figures():
    part = LivePart(name="a", done=3, total=10, rate=0.5, seconds_left=14, note="loss 0.5")
    assert part.figures == "3/10, 2.0 s each, 14 s left, loss 0.5"
    assert part.model_copy(update={"done": 10, "rate": 20.0, "note": ""}).figures == "10/10, 20.0/s"


def test_a_whole_run_tells_its_steps(finished):
    live = told(finished.folder)
    assert live.state == "done"
    assert [f"{number:02d}-{name}" for number, name in enumerate(live.expected, 1)] == project.steps(finished.folder)
    assert live.step == project.steps(finished.folder)[-1]


def test_status_shows_a_run_under_way(twt, again):
    (again.folder / "summary.json").unlink()
    (again.folder / "12-compressed-test-scores" / "manifest.json").unlink()
    progress = Progress(quiet=True)
    with recorded(again.folder, progress, lambda: 0.125), progress.task("answering", {"questions": 6}) as task:
        task.advance("questions", 2, "fine")
        progress.step("12-compressed-test-scores")
        until(lambda: told(again.folder).step is not None)
        said = twt("status", again.folder)
        live = json.loads(twt("status", again.folder, "--json").out)["live"]
    assert said.code == 0
    [line] = [line for line in said.out.splitlines() if line.startswith("12-compressed-test-scores")]
    assert line.endswith("working")
    assert "answering questions: 2/6" in said.out
    assert "spent or reserved so far: $0.1250" in said.out
    assert f"process {os.getpid()}" in said.out
    assert live["state"] == "working"


def test_status_tells_why_a_run_ended(twt, again):
    (again.folder / "summary.json").unlink()
    with pytest.raises(TwtError), recorded(again.folder, Progress(quiet=True)):
        raise TwtError("the teacher is down")
    said = twt("status", again.folder)
    assert "failed: the teacher is down" in said.out
    assert "goes on from here" in said.out


def test_what_is_spent_so_far_is_what_the_budget_counts(tmp_path):
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        assert ledger.spent_so_far("run") is None
        ledger.reserve(Reserve("key", request(), "run", 0.5, 1.0))
        assert ledger.spent_so_far("run") == 0.5
