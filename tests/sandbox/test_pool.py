"""Warm workers: used again, replaced when they die, and never left behind."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from evaluators import Case, cases, processes

from twt_core.sandbox import contained, pool, starter
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


@pytest.mark.parametrize("backend", HERE)
def test_a_program_that_is_killed_from_outside_is_not_to_blame(workers: Pool) -> None:
    """As by a kernel that runs out of memory."""
    workers.answers(ONE)
    warm, over = processes(os.getpid()), threading.Event()

    def kill() -> None:
        while not over.wait(0.2):
            for number in processes(os.getpid()) - warm:
                os.kill(int(number), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    (answer,) = workers.answers(SLEEPS)
    over.set()
    killer.join()
    assert isinstance(answer, Fault) and answer.verdict == "infra"
    assert workers.answers(ONE) == [Values((1,))]


def test_a_report_for_many_tests_fills_no_memory() -> None:
    text = json.dumps(["l", *[["s"]] * 7000])
    line = json.dumps(["values", text]).encode() + b"\n"
    source = (
        "import os\ndef f():\n    for file in range(3, 20):\n        try:\n"
        f"            os.write(file, {line!r} * 1000)\n        except OSError:\n            pass\n    return 1"
    )
    workers = Pool("none", size=1)
    workers.answers(ONE)
    tracemalloc.start()
    found = workers.answers(ONE._replace(source=source, snippets=ONE.snippets * 1000))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    workers.close()
    assert len(found) == 1000 and found[-1] == Fault("bad_return", "too long")
    assert isinstance(found[0], Values) and len(found[0].values[0]) == 7000  # what it wrote was read
    assert 8 * 2**20 < most < 32 * 2**20


@pytest.mark.parametrize("left", range(12))
def test_a_lack_of_file_descriptors_is_nobodys_fault_and_loses_none(left: int) -> None:
    workers, held = Pool("none", size=1), []
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + 50, limits[1]))
    try:
        with suppress(OSError):
            while True:
                held.append(os.dup(0))
        for _ in range(left):
            os.close(held.pop())
        (answer,) = workers.answers(ONE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for file in held:
            os.close(file)
    workers.close()
    assert answer == Values((1,)) or (isinstance(answer, Fault) and answer.verdict == "infra")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_lack_of_threads_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    workers = Pool("none", size=2)
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", start)
        starter._queue.cache_clear()
        assert list(workers.many([ONE] * 2)) == [[Fault("infra", "can't start new thread")]] * 2
    assert list(workers.many([ONE] * 2)) == [[Values((1,))]] * 2
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", start)
        assert list(workers.many([ONE] * 2)) == [[Values((1,))]] * 2  # in this one, by a warm worker
    workers.close()


def test_a_machine_that_stood_still_takes_no_time_from_a_program() -> None:
    """As when a container is paused, with all that runs in it."""
    program = "import time\ndef f():\n    for _ in range(10): time.sleep(0.1)\n    return 1"
    with _evaluator("none", program, seconds=2.0) as evaluator:
        numbers = [evaluator.pid, *map(int, processes(evaluator.pid))]
        for number in numbers:
            os.kill(number, signal.SIGSTOP)
        time.sleep(3.5)
        for number in reversed(numbers):
            os.kill(number, signal.SIGCONT)
        said, _ = evaluator.communicate(timeout=60)
    assert said == b"[[Values(values=(1,))], [Values(values=(1,))], [Values(values=(1,))], [Values(values=(1,))]]\n"


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


def _evaluator(backend: str, program: str, seconds: float = 600.0) -> subprocess.Popen[bytes]:
    """Somebody who runs two programs, and says so once both are under way."""
    code = (
        f"import sys, threading, time; sys.path.insert(0, {str(ROOT)!r})\n"
        "from twt_core.sandbox.pool import Pool\n"
        # A process in the background is started with SIGINT ignored, and hands it on.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from twt_core.sandbox.program import Limits, Program, Snippet\n"
        f"workers = Pool({backend!r}, size=2)\n"
        "def tell():\n"
        "    while len(workers._busy) < 2: time.sleep(0.01)\n"
        "    time.sleep(0.3)\n"
        "    print('on', flush=True)\n"
        "threading.Thread(target=tell, daemon=True).start()\n"
        f"print(list(workers.many([Program({program!r}, [Snippet('', ('f()',))], Limits(seconds={seconds}))] * 4)))\n"
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
        try:
            _, said = evaluator.communicate(timeout=60)
        finally:
            evaluator.kill()
        assert b"KeyboardInterrupt" in said
        assert _gone(evaluator.pid)
