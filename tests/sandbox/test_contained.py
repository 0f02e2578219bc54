import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from test_hostile_programs import survivors

from twt_core.errors import InputError
from twt_core.sandbox import contained, process, syscalls
from twt_core.sandbox.contained import run
from twt_core.sandbox.program import Fault, Limits, Snippet, Values

F = Snippet("", ("f()",))
SOON = Limits(seconds=1.0)
ROOT = Path(contained.__file__).parents[2]


def test_this_machine_contains() -> None:
    assert contained.refusal() is None


def test_each_snippet_has_its_answer_and_sees_what_was_before() -> None:
    asked = [
        Snippet("", ("f(1)", "f(2)")),
        Snippet("import math\nx = f(3)", ("math.floor(x / 2)",)),
        Snippet("", ("1 / 0",)),
        Snippet("", ("x",)),
        Snippet("x = 5", ()),
    ]
    found = run("def f(n):\n    return [n]" + "[0]", asked, SOON)
    assert found == [Values((1, 2)), Values((1,)), Fault("error", "ZeroDivisionError"), Values((3,)), Values(())]


def test_what_ends_the_process_ends_the_snippets_after_it() -> None:
    source = "import os\ndef f(n):\n    return n or os._exit(3)"
    found = run(source, [Snippet("", (f"f({n})",)) for n in (1, 0, 1)], SOON)
    assert found == [Values((1,)), Fault("early_exit", "3"), Fault("early_exit", "3")]


def test_a_program_that_cannot_be_loaded_fails_everything() -> None:
    assert run("def f(:", [F, F], SOON) == [Fault("error", "SyntaxError")] * 2


def test_the_standard_library_is_there_and_nothing_else() -> None:
    source = (
        "import collections, ctypes, datetime, decimal, hashlib, heapq, json, random, re, statistics, zoneinfo\n"
        "def f():\n"
        "    try:\n"
        "        import pydantic\n"
        "    except ImportError:\n"
        "        return hashlib.sha256(b'').hexdigest()[:4], random.random() < 1, str(decimal.Decimal('0.1'))\n"
    )
    assert run(source, [F], Limits(seconds=20.0)) == [Values((("e3b0", True, "0.1"),))]


def test_sets_have_one_order() -> None:
    source = "def f():\n    return list({'alpha', 'beta', 'gamma', 'delta', 'epsilon'})"
    assert len({str(run(source, [F], SOON)) for _ in range(3)}) == 1


def test_the_program_is_nobody_and_knows_nothing() -> None:
    source = "import os\ndef f():\n    return os.getuid(), os.geteuid(), sorted(os.environ)"
    (answer,) = run(source, [F], SOON)
    assert isinstance(answer, Values)
    uid, effective, environment = answer.values[0]
    assert uid == effective == (os.getuid() or 65534)
    assert environment == ["HOME", "LC_ALL", "PATH", "PYTHONHASHSEED", "TZ"]


@pytest.mark.parametrize("attempt", contained._ATTEMPTS)
def test_a_canary_sings_where_nothing_contains_it(attempt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt succeeds without containment, so that its failure within means something."""
    monkeypatch.setattr(contained, "_ATTEMPTS", {attempt: contained._ATTEMPTS[attempt]})
    monkeypatch.setattr(contained, "answers", lambda *given: process.answers(*given, contained=False))
    reason = contained.refusal.__wrapped__()
    ends = "early_exit" if attempt == "run a program" else attempt
    assert reason is not None and ends in reason


@pytest.mark.parametrize(
    ("wall", "sings"), [("landlock.restrict", "read a file, list a folder"), ("seccomp.install", "open a socket")]
)
def test_a_wall_that_is_missing_is_noticed(wall: str, sings: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, function = wall.split(".")
    without = (
        f"from twt_core.sandbox import {module}; {module}.{function} = lambda *_: None; from twt_core.sandbox.inside"
    )
    monkeypatch.setattr(process, "_START", process._START.replace("from twt_core.sandbox.inside", without))
    reason = contained.refusal.__wrapped__()
    assert reason is not None and reason.startswith(f"a program in it could {sings}")


def test_where_nothing_contains_code_it_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contained, "refusal", lambda: "infra: OSError: [Errno 38] Function not implemented")
    with pytest.raises(InputError, match=r"Function not implemented.*Linux 5\.13.*unsandboxed: true"):
        run("def f(): return 1", [F], SOON)
    assert run("def f(): return 1", [F], SOON, contained=False) == [Values((1,))]


def test_a_machine_without_landlock_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process says why it could not be contained, and the program is never run."""
    start = "import twt_core.sandbox.syscalls as s; s.MACHINES.clear(); from twt_core.sandbox.inside"
    monkeypatch.setattr(process, "_START", process._START.replace("from twt_core.sandbox.inside", start))
    (answer,) = process.answers("def f(): return 1", [F], SOON)
    assert isinstance(answer, Fault) and answer.verdict == "infra" and "not known here" in answer.detail


def test_a_process_that_does_not_start_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = iter([[Fault("infra", "no memory")], [Values((1,))]])
    monkeypatch.setattr(contained, "answers", lambda *_: next(tries))
    assert run("", [F], SOON) == [Values((1,))]
    monkeypatch.undo()
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    (answer,) = run("def f(): return 1", [F], SOON)
    assert isinstance(answer, Fault) and answer.verdict == "infra"


def test_it_ends_with_the_one_that_started_it() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from twt_core.sandbox import process\n"
        "from twt_core.sandbox.program import Limits, Snippet\n"
        "print('on', flush=True)\n"
        "process.answers('import time; time.sleep(600)', [Snippet('', ('1',))], Limits(seconds=600))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as evaluator:
        assert evaluator.stdout is not None and evaluator.stdout.readline() == b"on\n"
        deadline = time.monotonic() + 30
        while not (children := _children(evaluator.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        evaluator.send_signal(signal.SIGKILL)
    assert children
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert survivors() == []


def _children(parent: int) -> list[str]:
    return Path(f"/proc/{parent}/task/{parent}/children").read_text().split()


def test_every_system_call_that_is_not_listed_is_refused() -> None:
    allowed = {*syscalls.plain(), *syscalls.checked().values()}
    # Probes' own calls pass every filter since Linux 6.14; from elsewhere they end the caller.
    allowed |= {335, 336} if os.uname().machine == "x86_64" else set()
    source = (
        "import ctypes\ndef f():\n    libc = ctypes.CDLL(None, use_errno=True)\n    done = []\n"
        f"    for number in [n + bit for bit in (0, 1 << 30) for n in range(600) if n + bit not in {allowed!r}]:\n"
        "        ctypes.set_errno(0)\n"
        "        if libc.syscall(number, -1, -1, -1, -1, -1, -1) != -1 or ctypes.get_errno() != 1:\n"
        "            done.append(number)\n"
        "    return done"
    )
    assert run(source, [F], Limits(seconds=20.0)) == [Values(([],))]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="only this machine has a second way into the kernel")
def test_the_other_way_into_the_kernel_is_closed() -> None:
    """As a 32-bit program: its numbers mean other calls, which the filter does not look at."""
    source = (
        "import ctypes, mmap\n"
        "code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
        "code.write(bytes.fromhex('b814000000cd80c3'))  # mov eax, getpid; int 0x80; ret\n"
        "def f():\n    at = ctypes.addressof(ctypes.c_char.from_buffer(code))\n"
        "    return ctypes.CFUNCTYPE(ctypes.c_int)(at)()"
    )
    (answer,) = run(source, [F], SOON)
    assert isinstance(answer, Fault) and answer.verdict == "crashed"


def test_several_at_once_do_not_mix() -> None:
    found: dict[int, object] = {}

    def one(n: int) -> None:
        found[n] = run(f"def f(): return {n}", [F], Limits(seconds=20.0))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: [Values((n,))] for n in range(6)}


def test_without_containment_a_link_in_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("as it was")
    source = (
        "import os\ndef f():\n    here = os.getcwd()\n    os.rename(here, here + '-moved')\n"
        f"    os.symlink({str(tmp_path)!r}, here)\n    return here"
    )
    (answer,) = run(source, [F], SOON, contained=False)
    assert isinstance(answer, Values)
    assert (tmp_path / "kept").read_text() == "as it was"
    here = Path(str(answer.values[0]))
    here.unlink()
    Path(f"{here}-moved").rmdir()


def test_without_containment_there_still_are_limits() -> None:
    assert run("def f():\n    while True: pass", [F], SOON, contained=False)[0][0] == "timeout"
    assert run("def f(): return len(bytearray(2 << 30))", [F], SOON, contained=False)[0][0] == "oom"
    assert survivors() == []
