"""A warm process from the outside: started behind what isolates it, given one program after the other, ended."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO, Literal

from twt_core.sandbox import report
from twt_core.sandbox.line import END, JOB, READY, STATUS
from twt_core.sandbox.program import LONGEST_SOURCE, Answer, Fault, Program
from twt_core.sandbox.starter import started
from twt_core.sandbox.watch import Watch

#: What keeps a program from the rest of the machine. "none": limits on time, memory and output alone.
Backend = Literal["bubblewrap", "landlock", "namespaces", "none"]

# The package without its `__init__`, so that neither site-packages nor the engine are in the process.
_START = (
    "import sys, types; package = types.ModuleType('twt_core'); package.__path__ = [sys.argv[1]]; "
    "sys.modules['twt_core'] = package; from twt_core.sandbox.launch import main; main()"
)
_PACKAGE = str(Path(__file__).parents[1])
# One order of sets in every process, and no secret in any.
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/", "PATH": "/usr/bin:/bin"}
_SECONDS_TO_START = 30.0
_SECONDS_TO_DIE = 5.0


class Lost(Exception):
    """The process is gone or does not do what it is told. That says nothing about the program it was given."""


class Worker:
    """One warm process. It runs one program at a time, each in a fresh process of its own.

    Args:
        backend: what isolates it.
        depth: whether Landlock and seccomp are added where the kernel has them.

    Raises:
        Lost: it does not start; with what it said.
    """

    def __init__(self, backend: Backend, depth: bool = True) -> None:
        self._contained = backend != "none"
        with ExitStack() as opened:
            try:
                self._said = opened.enter_context(_file("said"))
                self._line, theirs = socket.socketpair()
                opened.enter_context(self._line)
                with theirs:
                    self._process = started(_command(backend, depth, theirs.fileno()), theirs, self._said, _ENVIRONMENT)
            except (OSError, RuntimeError) as error:  # no file, no process or no thread is left to be had
                raise Lost(str(error)) from None
            opened.pop_all()
        self._expect(READY, _SECONDS_TO_START)

    def answers(self, program: Program) -> list[Answer]:
        """Run a program, and evaluate its snippets one after the other; one answer each.

        A snippet that raises does not stop the next one; one that ends the process does, and with it those that follow.

        Raises:
            Lost: the worker is of no more use. What the program did is not known.
        """
        if len(program.source) > LONGEST_SOURCE:
            return [Fault("error", f"a program of {len(program.source)} characters")] * len(program.snippets)
        with nullcontext("/") if self._contained else _folder() as folder:
            return self._answers(program, folder)

    def _answers(self, program: Program, folder: str) -> list[Answer]:
        with ExitStack() as opened:
            watch = Watch(program.limits, len(program.snippets), self._line)
            opened.callback(watch.close)
            with _file("job") as job:
                job.write(_job(program, folder, 0 if self._contained else 16))
                job.flush()
                self._send(JOB, [job.fileno(), *watch.theirs])
            watch.close_theirs()
            watch.until_over()
            self._send(END)
            status = watch.status if watch.status is not None else self._status()
        return report.read(bytes(watch.said), watch.ended_by_us, status, program.snippets)

    def _send(self, what: bytes, files: list[int] | None = None) -> None:
        try:
            socket.send_fds(self._line, [what], files or [])
        except OSError:
            raise self._lost() from None

    def _status(self) -> int:
        return int(STATUS.unpack(self._received(STATUS.size, _SECONDS_TO_DIE))[0])

    def _expect(self, word: bytes, seconds: float) -> None:
        if self._received(len(word), seconds) != word:
            raise self._lost()

    def _received(self, size: int, seconds: float) -> bytes:
        self._line.settimeout(seconds)
        try:
            found = self._line.recv(size, socket.MSG_WAITALL)
        except OSError:
            found = b""
        finally:
            self._line.settimeout(None)
        if len(found) < size:
            raise self._lost()
        return found

    def _lost(self) -> Lost:
        """Why it is gone: its last words, or its exit code."""
        self._kill()
        self._said.seek(0)
        words = self._said.read(2000).decode("utf-8", "replace").strip()
        self.end()
        return Lost(words or f"it ended with {self._process.returncode}")

    def is_alive(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it while another thread waits for its answers: that one gets `Lost`."""
        with suppress(ProcessLookupError, PermissionError):
            self._process.kill()

    def end(self) -> None:
        """Let nothing of it be left. Ending it twice does no harm."""
        self._line.close()
        self._kill()
        self._said.close()

    def _kill(self) -> None:
        self.stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_DIE)


def _command(backend: Backend, depth: bool, control: int) -> list[str]:
    base = getattr(sys, "_base_executable", None) or sys.executable  # an environment's own adds site-packages only
    told = {
        "package": _PACKAGE,
        "backend": backend,
        "depth": depth,
        "bwrap": shutil.which("bwrap"),
        "control": control,
        "evaluator": os.getpid(),
    }
    options = ["-s", "-S", "-P", "-B", "-X", "utf8", "-c", _START]
    return [os.path.realpath(base), *options, _PACKAGE, json.dumps(told)]


def _job(program: Program, folder: str, file_mb: int) -> bytes:
    job = {
        "source": program.source,
        "snippets": program.snippets,
        "seconds": program.limits.seconds,
        "memory_mb": program.limits.memory_mb,
        "file_mb": file_mb,
        "folder": folder,
    }
    return json.dumps(job).encode()


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="twt-", ignore_cleanup_errors=True)


def _file(name: str) -> BinaryIO:
    """A file without a name, in memory where there is such a thing."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create(name), "w+b")
    return tempfile.TemporaryFile()
