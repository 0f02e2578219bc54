"""Warm workers: used again, replaced when they die, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from evaluators import Case, cases, processes

from twt_core.sandbox import contained, pool
from twt_core.sandbox.contained import BACKENDS
from twt_core.sandbox.pool import Pool
from twt_core.sandbox.program import Fault, Limits, Program, Snippet, Values
from twt_core.sandbox.worker import Backend, Lost, Worker

ROOT = Path(contained.__file__).parents[2]
HERE = [backend for backend in BACKENDS if not cases()[Case("own", backend, True)]]
ONE = Program("def f(): return 1", [Snippet("", ("f()",))], Limits(seconds=20.0))
SLEEPS = ONE._replace(source="import time\ndef f(): time.sleep(600)", limits=Limits(seconds=600.0))

each = pytest.mark.parametrize("backend", [*HERE, "none"])


@pytest.fixture
def workers(backend: Backend) -> Iterator[Pool]:
    made = Pool(backend, size=2)
    yield made
    made.close()


def ask(workers: Pool, source: str) -> object:
    (answer,) = workers.answers(ONE._replace(source=source))
    assert isinstance(answer, Values), answer
    return answer.values[0]


@each
def test_a_worker_is_used_again_and_each_program_has_a_process_of_its_own(workers: Pool) -> None:
    assert ask(workers, "def f(): return 1") == 1
    (worker,) = workers._idle
    numbers = [ask(workers, "import os\ndef f(): return os.getpid(), os.getppid()") for _ in range(3)]
    assert len({own for own, _ in numbers}) == 3 and len({parent for _, parent in numbers}) == 1  # type: ignore[attr-defined]
    assert workers._idle == [worker]


@each
def test_nothing_comes_through_from_one_program_to_the_next(workers: Pool) -> None:
    ask(
        workers,
        "import builtins, math, os, sys\nbuiltins.len = math.floor = lambda x: 7391\nos.environ['A'] = 'secret7391'\n"
        "sys.modules['leak'] = 'secret7391'\ndef f(): return len('')",
    )
    source = (
        "import gc, math, os, sys\n"
        "def f():\n"
        "    frame, seen = sys._getframe(), []\n"
        "    while frame:\n"
        "        seen += [str(value) for value in [*frame.f_locals.values(), *frame.f_globals.values()]]\n"
        "        frame = frame.f_back\n"
        "    seen += map(str, gc.get_objects())\n"
        "    mark = 'terces'[::-1] + str(7391)\n"
        "    hits = [one for one in seen if mark in one]\n"
        "    return len('abc'), math.floor(1.5), os.environ.get('A'), 'leak' in sys.modules, hits\n"
    )
    assert ask(workers, source) == (3, 1, None, False, [])


@each
def test_no_file_of_the_worker_is_open_in_a_program(workers: Pool) -> None:
    source = (
        "import os\ndef f():\n    found = []\n    for file in range(3, 64):\n        try:\n"
        "            os.fstat(file)\n            found.append(file)\n        except OSError:\n            pass\n"
        "    return len(found)"
    )
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(80)]  # so that a new worker's line has a high number
    try:
        assert ask(workers, source) == 1  # the report
    finally:
        for file in held:
            os.close(file)


@each
def test_what_is_drawn_at_random_differs_from_program_to_program(workers: Pool) -> None:
    assert len({ask(workers, "import random\ndef f(): return random.random()") for _ in range(3)}) == 3


@each
def test_a_worker_that_died_idle_is_replaced(workers: Pool) -> None:
    list(workers.many([ONE] * 4))
    for worker in list(workers._idle):
        worker.stop()
    while any(worker.is_alive() for worker in workers._idle):
        time.sleep(0.01)
    assert list(workers.many([ONE] * 4)) == [[Values((1,))]] * 4


@each
def test_a_program_whose_worker_died_is_run_again(workers: Pool) -> None:
    killed = threading.Timer(0.3, lambda: [worker.stop() for worker in tuple(workers._busy)])
    killed.start()
    source = "import time\ntime.sleep(1)\ndef f(): return 1"
    assert workers.answers(ONE._replace(source=source)) == [Values((1,))]


def test_programs_are_taken_as_their_turn_comes_and_no_more_run_once_nobody_waits() -> None:
    workers = Pool("none", size=2)
    taken: list[int] = []
    sources = (taken.append(n) or ONE._replace(source=f"def f(): return {n}") for n in range(1000))  # type: ignore[func-returns-value]
    answers = workers.many(sources)
    assert [next(answers) for _ in range(3)] == [[Values((n,))] for n in range(3)]
    assert len(taken) < 100
    answers.close()  # type: ignore[attr-defined]
    assert not workers._busy and len(taken) < 100
    workers.close()


def test_who_stops_waiting_stops_nobody_else() -> None:
    workers = Pool("none", size=2)
    found: list[object] = []
    other = threading.Thread(target=lambda: found.append(ask(workers, "import time\ntime.sleep(1)\ndef f(): return 1")))
    other.start()
    while not workers._busy:
        time.sleep(0.01)
    (kept,) = workers._busy
    answers = workers.many([ONE, ONE])
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    other.join()
    assert found == [1] and kept in workers._idle
    workers.close()


def test_where_no_worker_lives_it_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    class Dead:
        def __init__(self, *_: object) -> None:
            tries.append(1)
            raise Lost("no memory")

    monkeypatch.setattr(pool, "Worker", Dead)
    assert Pool("none").answers(ONE) == [Fault("infra", "no memory")]
    assert len(tries) == 3


def test_a_worker_that_does_not_obey_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twt_core.sandbox.worker._SECONDS_TO_DIE", 0.3)
    worker = Worker("none")
    os.kill(worker._process.pid, signal.SIGSTOP)
    threading.Timer(0.1, worker.stop).start()
    with pytest.raises(Lost):
        worker.answers(SLEEPS._replace(limits=Limits(seconds=0.2)))
    assert not worker.is_alive()


@each
def test_a_worker_outlives_the_thread_that_first_needed_it(workers: Pool) -> None:
    thread = threading.Thread(target=workers.answers, args=(ONE,))
    thread.start()
    thread.join()
    (worker,) = workers._idle
    time.sleep(0.2)  # a signal of the thread's death would come at once
    assert worker.is_alive() and workers.answers(ONE) == [Values((1,))] and workers._idle == [worker]


@each
def test_closing_leaves_no_process_and_no_zombie(workers: Pool) -> None:
    before = processes(os.getpid())
    list(workers.many([ONE] * 2))
    numbers = [worker._process.pid for worker in workers._idle]
    assert processes(os.getpid()) > before
    workers.close()
    assert _gone(os.getpid(), before)
    assert not any(Path(f"/proc/{number}").exists() for number in numbers)


def _evaluator(backend: str, program: str) -> subprocess.Popen[bytes]:
    """Somebody who runs two programs, and says so once both are under way."""
    code = (
        f"import sys, threading, time; sys.path.insert(0, {str(ROOT)!r})\n"
        "from twt_core.sandbox.pool import Pool\n"
        "from twt_core.sandbox.program import Limits, Program, Snippet\n"
        f"workers = Pool({backend!r}, size=2)\n"
        "def tell():\n"
        "    while len(workers._busy) < 2: time.sleep(0.01)\n"
        "    time.sleep(0.3)\n"
        "    print('on', flush=True)\n"
        "threading.Thread(target=tell, daemon=True).start()\n"
        f"list(workers.many([Program({program!r}, [Snippet('', ('f()',))], Limits(seconds=600))] * 4))\n"
    )
    made = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert made.stdout is not None and made.stdout.readline() == b"on\n"
    return made


def _gone(evaluator: int, but: set[str] = frozenset()) -> bool:  # type: ignore[assignment]
    deadline = time.monotonic() + 30
    while processes(evaluator) - but and time.monotonic() < deadline:
        time.sleep(0.02)
    return not processes(evaluator) - but


@each
@pytest.mark.parametrize("does", ["time.sleep(600)", "exec('while True: pass')"], ids=["sleeps", "computes"])
def test_nothing_survives_an_evaluator_that_is_killed(backend: Backend, does: str) -> None:
    with _evaluator(backend, f"import time\ndef f(): {does}") as evaluator:
        assert len(processes(evaluator.pid)) >= 4
        evaluator.kill()
        assert _gone(evaluator.pid)


@each
def test_an_interrupt_ends_what_runs_at_once(backend: Backend) -> None:
    with _evaluator(backend, "import time\ndef f(): time.sleep(600)") as evaluator:
        evaluator.send_signal(signal.SIGINT)
        _, said = evaluator.communicate(timeout=60)
        assert b"KeyboardInterrupt" in said
        assert _gone(evaluator.pid)
