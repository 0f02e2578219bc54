"""Programs as the engine has them run: by what isolates here, refused, or allowed without."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from twt_core.errors import InputError
from twt_core.sandbox import contained, syscalls, worker
from twt_core.sandbox.contained import run, run_all
from twt_core.sandbox.program import Fault, Limits, Program, Snippet, Values

F = Snippet("", ("f()",))
SOON = Limits(seconds=1.0)
LATER = Limits(seconds=20.0)
ROOT = Path(contained.__file__).parents[2]


@pytest.fixture
def afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process that has run nothing and allowed nothing."""
    monkeypatch.setattr(contained, "_here", contained._Process())
    yield
    contained._end_all()


def test_this_machine_contains() -> None:
    contained.require()
    assert contained.isolation() in contained.BACKENDS


def test_the_first_backend_that_holds_is_used(afresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def escape(pool: contained.Pool) -> str | None:
        tried.append(pool.backend)
        return None if pool.backend == "namespaces" else "it does not hold"

    monkeypatch.setattr(contained, "escape", escape)
    contained.require()
    assert contained.isolation() == "namespaces"
    assert tried == list(contained.BACKENDS) and list(contained.why_refused()) == tried[:2]


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
    assert run(source, [F], LATER) == [Values((("e3b0", True, "0.1"),))]


def test_a_program_is_a_module_that_its_classes_can_be_found_in() -> None:
    source = (
        "from __future__ import annotations\nimport pickle\nfrom dataclasses import dataclass\n"
        "from typing import get_type_hints\n"
        "@dataclass\nclass Point:\n    x: int\n    y: Point = None\n"
        "def f():\n    return pickle.loads(pickle.dumps(Point(1))).x, len(get_type_hints(Point))"
    )
    assert run(source, [F], LATER) == [Values(((1, 2),))]


def test_sets_have_one_order() -> None:
    source = "def f():\n    return list({'alpha', 'beta', 'gamma', 'delta', 'epsilon'})"
    assert len({str(run(source, [F], SOON)) for _ in range(3)}) == 1


@pytest.mark.parametrize("backend", contained.BACKENDS)
def test_the_program_is_nobody_and_knows_nothing(backend: worker.Backend) -> None:
    source = "import os\ndef f():\n    return os.getuid(), os.geteuid(), sorted(os.environ)"
    with contained.only(backend):
        if contained.isolation() == "none":
            return
        (answer,) = run(source, [F], SOON)
    assert isinstance(answer, Values)
    uid, effective, environment = answer.values[0]
    assert uid == effective == (os.getuid() or 65534)
    assert environment == ["HOME", "LC_ALL", "PATH", "PYTHONHASHSEED", "TZ"]


def test_several_at_once_keep_their_order_and_do_not_mix() -> None:
    programs = [Program(f"def f(): return {n}", [F] * (n % 3 + 1), LATER) for n in range(20)]
    assert list(run_all(programs)) == [[Values((n,))] * (n % 3 + 1) for n in range(20)]
    assert list(run_all([])) == []


def test_nor_do_those_of_several_threads() -> None:
    found: dict[int, object] = {}

    def one(n: int) -> None:
        found[n] = run(f"def f(): return {n}", [F], LATER)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: [Values((n,))] for n in range(6)}


def test_where_nothing_contains_code_it_is_refused_with_every_reason_and_the_ways_out(
    afresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contained, "escape", lambda pool: f"no {pool.backend} here")
    reasons = "bubblewrap: no bubblewrap here; landlock: no landlock here; namespaces: no namespaces here"
    for refused in (contained.require, lambda: run("def f(): return 1", [F], SOON)):
        with pytest.raises(InputError, match="--allow-unsandboxed-code") as error:
            refused()
        assert reasons in str(error.value) and "Install bubblewrap" in str(error.value)
    assert contained.isolation() == "none"


def test_who_allows_it_has_it_run_with_limits_alone(afresh: None) -> None:
    contained.allow_unsandboxed_code()
    with contained.only():
        contained.require()
        assert contained.isolation() == "none"
        assert run("def f(): return 1", [F], SOON) == [Values((1,))]
        assert run("def f():\n    while True: pass", [F], Limits(seconds=0.2))[0][0] == "timeout"
        assert run("def f(): return len(bytearray(2 << 30))", [F], SOON)[0][0] == "oom"


def test_what_is_allowed_changes_nothing_where_something_contains_it(afresh: None) -> None:
    contained.allow_unsandboxed_code()
    assert contained.isolation() != "none"
    assert run("def f(): return open('/etc/passwd').read()", [F], SOON)[0][0] == "error"


def test_without_containment_a_link_in_place_of_the_folder_is_not_followed(afresh: None, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("as it was")
    source = (
        "import os\ndef f():\n    here = os.getcwd()\n    os.rename(here, here + '-moved')\n"
        f"    os.symlink({str(tmp_path)!r}, here)\n    return here"
    )
    contained.allow_unsandboxed_code()
    with contained.only():
        (answer,) = run(source, [F], SOON)
    assert isinstance(answer, Values)
    assert (tmp_path / "kept").read_text() == "as it was"
    here = Path(str(answer.values[0]))
    here.unlink()
    Path(f"{here}-moved").rmdir()


def test_machines_without_any_of_it_can_import_it() -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.modules.update(resource=None, ctypes=None, fcntl=None)"
    subprocess.run([sys.executable, "-c", f"{code}; import twt_core.sandbox.contained"], check=True, timeout=60)


def test_a_fork_of_the_evaluator_has_workers_of_its_own() -> None:
    code = (
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from twt_core.sandbox.contained import run\n"
        "from twt_core.sandbox.program import Limits, Snippet\n"
        "ask = lambda: run('def f(): return 1', [Snippet('', ('f()',))], Limits(seconds=20))[0].values == (1,)\n"
        "assert ask()\n"
        "child = os.fork()\n"
        "assert ask()\n"
        "if child: assert os.waitpid(child, 0)[1] == 0 and ask()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


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
    assert run(source, [F], LATER) == [Values(([],))]


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
