"""Those who run programs: this process, and a process of a user without rights. Each by every backend that holds."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from twt_core.sandbox.canaries import escape
from twt_core.sandbox.contained import BACKENDS
from twt_core.sandbox.pool import Pool
from twt_core.sandbox.program import Limits, Program, Snippet, Values
from twt_core.sandbox.worker import Backend

ORDINARY = 54321
SECRET = "TWT_TEST_SECRET_7391"
_AS_ORDINARY: dict[str, Any] = {
    "user": ORDINARY, "group": ORDINARY, "extra_groups": [], "env": {"PATH": "/usr/bin:/bin", SECRET: "x"},
}  # fmt: skip
_HERE = Path(__file__).parent
_CORE = Path(escape.__code__.co_filename).parents[1]


class Evaluator(Protocol):
    """Somebody who runs programs."""

    process: int

    def escape(self, backend: Backend, depth: bool) -> str | None:
        """Why a backend does not hold; None: it does."""

    def ended(self, backend: Backend, depth: bool, source: str, seconds: float) -> str:
        """How a program ends: its verdict."""


class Own:
    """This process."""

    def __init__(self) -> None:
        self.process = os.getpid()

    def escape(self, backend: Backend, depth: bool) -> str | None:
        return escape(pool(backend, depth))

    def ended(self, backend: Backend, depth: bool, source: str, seconds: float) -> str:
        program = Program(source, [Snippet("", ("f()",))], Limits(seconds=seconds))
        (answer,) = pool(backend, depth).answers(program)
        if isinstance(answer, Values):
            return "passed" if answer.values[0] == 1 else "failed"
        return answer.verdict


@cache
def pool(backend: Backend, depth: bool = True) -> Pool:
    """One worker, kept from one test to the next."""
    made = Pool(backend, depth, size=1)
    atexit.register(made.close)
    return made


class Ordinary:
    """A process of a user without rights, with files that this user may read."""

    def __init__(self, python: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        name = self._folder.name
        Path(name).chmod(0o755)
        leave_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(_CORE / "sandbox", Path(name) / "twt_core/sandbox", ignore=leave_out)
        shutil.copy(_HERE / "as_another_user.py", name)
        subprocess.run(["chmod", "-R", "a+rX", name], check=True)
        pipe = subprocess.PIPE
        command = [python, "-S", "-s", f"{name}/as_another_user.py", name]
        self._evaluator = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd="/", **_AS_ORDINARY)
        self.process = self._evaluator.pid
        atexit.register(self.close)

    def escape(self, backend: Backend, depth: bool) -> str | None:
        found: str | None = self._asked(backend=backend, depth=depth)["escape"]
        return found

    def ended(self, backend: Backend, depth: bool, source: str, seconds: float) -> str:
        found = self._asked(backend=backend, depth=depth, source=source, seconds=seconds, expression="f()")
        return found.get("verdict") or ("passed" if found["value"] in ("1", "True") else "failed")

    def _asked(self, **job: object) -> dict[str, Any]:
        assert self._evaluator.stdin is not None and self._evaluator.stdout is not None
        self._evaluator.stdin.write(json.dumps(job).encode() + b"\n")
        self._evaluator.stdin.flush()
        answer: dict[str, Any] = json.loads(self._evaluator.stdout.readline())  # nothing comes from one that is dead
        return answer

    def close(self) -> None:
        assert self._evaluator.stdin is not None
        self._evaluator.stdin.close()
        self._evaluator.wait(30)
        self._folder.cleanup()


class Case(NamedTuple):
    """Who runs programs, and what isolates them: namespaces are tried alone, too, without Landlock and seccomp."""

    user: str
    backend: Backend
    depth: bool

    def __str__(self) -> str:
        return f"{self.user}-{self.backend}{'' if self.depth else '-alone'}"


@cache
def evaluators() -> dict[str, Evaluator]:
    """By name: whoever runs the tests, and where that is root, an ordinary user."""
    found: dict[str, Evaluator] = {"own": Own()}
    if os.geteuid() == 0 and (python := _python()):
        found["ordinary"] = Ordinary(python)
    return found


def _python() -> str | None:
    """A Python that an ordinary user may run."""
    code = "import sys, ctypes, resource, json; sys.exit(sys.version_info < (3, 11))"
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            if subprocess.run([python, "-S", "-c", code], check=False, **_AS_ORDINARY).returncode == 0:
                return python
        except OSError:
            continue
    return None


@cache
def cases() -> dict[Case, str | None]:
    """Every case, with the reason why it does not hold on this machine."""
    found = [Case(user, backend, True) for user in evaluators() for backend in BACKENDS]
    found += [Case("own", backend, False) for backend in BACKENDS if backend != "landlock"]
    return {case: evaluators()[case.user].escape(case.backend, case.depth) for case in found}


def processes(evaluator: int) -> set[str]:
    """The processes of an evaluator's sandbox, by number: its workers, and whatever programs left."""
    mark = f'"evaluator": {evaluator}}}'.encode()
    found = set()
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdigit() and mark in (place / "cmdline").read_bytes():
                found.add(place.name)
        except OSError:
            continue
    return found
