"""Real processes, killed and interrupted: what they leave is gone on with, to the same result, and paid once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import project
import pytest
from scripted_server import well

from twt_core import session
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.run import open_run

TWT = str(Path(sys.executable).with_name("twt"))
DYING = str(Path(__file__).with_name("dying.py"))

LIVE = """\
name: tiny
task_evaluator: {{use: exact_match}}
queries: {{path: queries.jsonl}}
test_queries: {{path: test.jsonl}}
teachers:
  - {{use: litellm, name: ann, model: hosted_vllm/ann, api_base: "{url}", concurrency: 3}}
  - {{use: litellm, name: ben, model: hosted_vllm/ben, api_base: "{url}", concurrency: 3}}
diversity_selector: {{use: random_pair}}
student: {{model: {model}, learning_rate: 1e-3, batch_size: 8, epochs: 1, max_length: 512, max_new_tokens: 8}}
"""


def start(*command: object, before: Callable[[], None] = lambda: None) -> subprocess.Popen[str]:
    """A process; `before` is called in it first."""

    def heed_interrupts() -> None:  # tests that run in the background are started with SIGINT ignored, and hand it on
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        before()

    return subprocess.Popen(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509
    )


def until(found, process: subprocess.Popen[str]) -> None:
    """Wait for what is polled; a process that ends first fails the test."""
    while not found():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def test_killed_at_every_kind_of_place_it_goes_on_to_the_same_result(fresh, finished):
    runs = fresh.parent / "runs"
    run = runs / "tiny"
    for event, ending in [
        ("os.rename", "01-annotations/rows.jsonl"),  # the rows are written, and not yet in their place
        ("open", "02-scored/.rows.jsonl.partial"),  # between two steps
        ("open", "07-full-student/adapter_config.json"),  # among a step's files
        ("open", "11-compressed-student/.manifest.json.partial"),  # between a step's files and its manifest
        ("os.rename", "11-compressed-student/manifest.json"),
        ("os.rename", "tiny/summary.json"),
    ]:
        died = start(sys.executable, DYING, event, ending, "--", "run", fresh, "--runs-dir", runs)
        died.communicate()
        assert died.returncode == -signal.SIGKILL, ending
        assert not (run / "summary.json").exists()
    made = {step: (run / step / "manifest.json").stat().st_mtime_ns for step in project.steps(run)}
    done = start(TWT, "run", fresh, "--runs-dir", runs, "--json")
    summary = json.loads(done.communicate()[0])
    assert done.returncode == 0
    assert {step: (run / step / "manifest.json").stat().st_mtime_ns for step in made} == made  # nothing made twice
    assert project.contents(run) == project.contents(finished.folder)
    expected = json.loads(finished.summary.model_dump_json())
    assert project.timeless(summary) == project.timeless(expected)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_with_130_and_says_how_to_go_on(fresh, sent):
    run = fresh.parent / "runs" / "tiny"
    process = start(TWT, "run", fresh, "--runs-dir", run.parent)
    until((run / "08-full-test-scores").exists, process)  # every library is loaded, and work is under way
    process.send_signal(sent)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err.splitlines()[-1] == "twt: interrupted; run the same command again: it goes on from here"
    assert not (run / "summary.json").exists()
    with open_run(run, Progress(quiet=True)):  # the lock went with the process
        pass


def test_a_folder_that_another_process_works_on(fresh):
    run = fresh.parent / "runs" / "tiny"
    with open_run(run, Progress(quiet=True)):
        process = start(TWT, "run", fresh, "--runs-dir", run.parent)
        _, err = process.communicate()
    assert process.returncode == 2
    assert "another process works on this run" in err
    assert not (run / "01-annotations").exists()


def test_killed_while_teachers_answer_no_answer_is_bought_twice(fresh, server, model):
    fresh.write_text(LIVE.format(url=server.url, model=model), encoding="utf-8")
    runs = fresh.parent / "runs"
    killed: list[subprocess.Popen[str]] = []

    def dies(body):
        if len(server.asked) == 14:
            os.kill(killed[0].pid, signal.SIGKILL)
        return well(body)

    server.script = dies
    killed.append(start(TWT, "run", fresh, "--runs-dir", runs))
    killed[0].communicate()
    assert killed[0].returncode == -signal.SIGKILL
    in_ledger = Ledger(runs / "ledger.sqlite")
    committed = sum(row.calls for row in in_ledger.spending("tiny"))
    in_ledger.close()
    assert 14 - 6 <= committed < 14  # at most six were in flight, and those alone are not there
    first = Counter(server.times_asked())

    server.script = well
    summary = session.run(fresh, (), runs, None, Progress(quiet=True))
    twice = {asked for asked, times in server.times_asked().items() if times > 1}
    assert sum(server.times_asked().values()) == summary.teacher_calls + sum(first.values()) - committed
    assert len(twice) <= 6
    assert twice <= set(first)
    assert summary.annotations.kept == 24

    asked = len(server.asked)
    elsewhere = session.run(fresh, (), fresh.parent / "elsewhere", None, Progress(quiet=True))
    assert len(server.asked) == asked + summary.teacher_calls
    assert project.contents(fresh.parent / "elsewhere" / "tiny") == project.contents(runs / "tiny")
    unpriced = {"maybe_billed": []}  # those that were in flight stay listed in the run that was killed
    assert 14 - committed <= len(summary.maybe_billed) <= 6
    assert project.timeless(elsewhere.model_dump()) == project.timeless({**summary.model_dump(), **unpriced})
