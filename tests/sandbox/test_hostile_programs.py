"""Every hostile program, run for real: by whoever runs the tests, and as root also by an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hostile_programs import PROGRAMS, Hostile

from twt_core.sandbox.contained import run
from twt_core.sandbox.program import Limits, Snippet, Values

SECONDS = 1.0
ORDINARY = 54321
SECRET = "TWT_TEST_SECRET_7391"
_AS_ORDINARY: dict[str, Any] = {
    "user": ORDINARY, "group": ORDINARY, "extra_groups": [], "env": {"PATH": "/usr/bin:/bin", SECRET: "x"},
}  # fmt: skip
MEMORY = 32 * 2**20


class World(NamedTuple):
    """What lies around the sandbox, for programs to reach for."""

    folder: Path
    port: socket.socket
    abstract: socket.socket

    def source(self, hostile: Hostile) -> str:
        known = {"port": self.port.getsockname()[1], "socket": self.abstract.getsockname()[1:].decode()}
        source = hostile.source
        for name, value in {**known, "folder": self.folder, "home": Path.home(), "secret": SECRET}.items():
            source = source.replace("{" + name + "}", str(value))
        return source.replace("{{", "{").replace("}}", "}")

    def untouched(self) -> bool:
        for listening in (self.port, self.abstract):
            with pytest.raises(BlockingIOError):
                listening.accept()
        kept = self.folder / "kept"
        return os.listdir(self.folder) == ["kept"] and kept.read_text() == "as it was"  # noqa: PTH208


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv(SECRET, "x")
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0twt-test-{os.getpid()}")
    abstract.listen()
    # Not pytest's own folder, which keeps other users out by itself.
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as port, abstract:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "kept").write_text("as it was")
        (folder / "kept").chmod(0o666)
        port.setblocking(False)
        abstract.setblocking(False)
        yield World(folder, port, abstract)


def survivors(evaluator: int | None = None) -> list[str]:
    """Contained processes that are ours, the evaluator's, or nobody's any more."""
    found = []
    for place in Path("/proc").iterdir():
        try:
            command = (place / "cmdline").read_bytes()
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if b"twt_core.sandbox.inside" in command and parent in (os.getpid(), evaluator, 1):
            found.append(place.name)
    return found


def ended(answer: Any) -> str:
    if isinstance(answer, Values):
        return "passed" if answer.values[0] == 1 else "failed"
    return answer.verdict


hostile = pytest.mark.parametrize("hostile", PROGRAMS, ids=lambda hostile: hostile.name)


@hostile
def test_it_ends_as_it_must_and_nothing_is_left_of_it(hostile: Hostile, world: World) -> None:
    source = world.source(hostile)
    tracemalloc.start()
    began = time.monotonic()
    (answer,) = run(source, [Snippet("", ("f()",))], Limits(seconds=SECONDS))
    took, (_, grown) = time.monotonic() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ended(answer) in hostile.ends, answer
    assert grown < MEMORY
    assert took < SECONDS + 10  # it was ended, and not left to end by itself
    assert survivors() == []
    assert world.untouched()


@pytest.fixture(scope="module")
def ordinary() -> Iterator[subprocess.Popen[bytes]]:
    """One evaluator for all programs, run by a user without rights, from files that this user may read."""
    if os.geteuid() != 0:
        pytest.skip("these tests are run by an ordinary user already")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        here = Path(__file__).parent
        core = Path(run.__code__.co_filename).parents[1]
        shutil.copytree(core / "sandbox", Path(name) / "twt_core/sandbox", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(core / "errors.py", Path(name) / "twt_core")
        shutil.copy(here / "as_another_user.py", name)
        subprocess.run(["chmod", "-R", "a+rX", name], check=True)
        for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
            if _usable(python):
                yield from _evaluator([python, "-S", "-s", f"{name}/as_another_user.py", name])
                return
        pytest.skip("run by root, and there is no Python 3.11 or newer that an ordinary user may run")


def _evaluator(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd="/", **_AS_ORDINARY) as evaluator:
        yield evaluator
        assert evaluator.stdin is not None
        evaluator.stdin.close()


def _usable(python: str) -> bool:
    code = "import sys, ctypes, resource, json; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([python, "-S", "-c", code], check=False, **_AS_ORDINARY).returncode == 0
    except OSError:
        return False


@hostile
def test_so_it_does_where_an_ordinary_user_runs_it(hostile: Hostile, world: World, ordinary: Any) -> None:
    job = {"source": world.source(hostile), "expression": "f()", "seconds": SECONDS}
    ordinary.stdin.write(json.dumps(job).encode() + b"\n")
    ordinary.stdin.flush()
    answer = json.loads(ordinary.stdout.readline())  # nothing comes from an evaluator that is not alive
    assert answer["refusal"] is None
    verdict = answer.get("verdict") or ("passed" if answer["value"] in ("1", "True") else "failed")
    assert verdict in hostile.ends
    assert ordinary.poll() is None and survivors(ordinary.pid) == []
    assert world.untouched()
