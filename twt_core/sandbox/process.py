"""A contained process from the outside: started, watched, ended, and read with suspicion."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from twt_core.sandbox.literals import LONGEST, decode
from twt_core.sandbox.program import LONGEST_SOURCE, Answer, Fault, Limits, Snippet, Values

# The package without its `__init__`, so that neither site-packages nor the engine are in the process.
_START = (
    "import sys, types; package = types.ModuleType('twt_core'); package.__path__ = [sys.argv.pop()]; "
    "sys.modules['twt_core'] = package; from twt_core.sandbox.inside import main; main()"
)
_PACKAGE = Path(__file__).parents[1]
# One order of sets in every process, and no secret in any.
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/", "PATH": "/usr/bin:/bin"}
_SECONDS_TO_START = 30.0
_SECONDS_TO_DIE = 5.0
_CHUNK = 65_536
# What the process itself may say went wrong; the rest is seen from here.
_FAULTS = ("error", "early_exit", "oom", "bad_return")


def answers(source: str, snippets: Sequence[Snippet], limits: Limits, contained: bool = True) -> list[Answer]:
    """Load a program in a process of its own, and evaluate snippets one after the other; one answer each.

    A snippet that raises does not stop the next one; one that ends the process does, and with it those that follow.
    """
    if len(source) > LONGEST_SOURCE:
        return [Fault("error", f"a program of {len(source)} characters")] * len(snippets)
    try:
        with nullcontext("/") if contained else _folder() as folder:
            return _answers(source, snippets, limits, contained, folder)
    except (OSError, subprocess.SubprocessError) as error:
        return [Fault("infra", str(error))] * len(snippets)


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="twt-", ignore_cleanup_errors=True)


def _answers(source: str, snippets: Sequence[Snippet], limits: Limits, contained: bool, folder: str) -> list[Answer]:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as report:
        try:
            process = _start(writer, folder)
        finally:
            os.close(writer)
        watched = _Watched(process, report.fileno(), limits, len(snippets))
        try:
            watched.give(_job(source, snippets, limits, contained, writer))
            watched.watch()
        finally:
            _end(process)
    return _read(watched, process.returncode, snippets)


def _start(writer: int, folder: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-s", "-S", "-P", "-B", "-X", "utf8", "-c", _START, str(_PACKAGE)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        pass_fds=(writer,),
        cwd=folder,
        env=_ENVIRONMENT,
        start_new_session=True,
    )


def _job(source: str, snippets: Sequence[Snippet], limits: Limits, contained: bool, report: int) -> bytes:
    job = {
        "source": source,
        "snippets": snippets,
        "seconds": limits.seconds,
        "memory_mb": limits.memory_mb,
        "file_mb": 0 if contained else 16,
        "contained": contained,
        "report": report,
        "parent": os.getpid(),
    }
    return json.dumps(job).encode()


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # its own session: a group of the same number
    process.kill()
    process.wait(_SECONDS_TO_DIE)
    for stream in (process.stdin, process.stdout, process.stderr):
        with suppress(OSError):
            stream and stream.close()


@dataclass
class _Watched:
    process: subprocess.Popen[bytes]
    report: int
    limits: Limits
    snippets: int
    said: bytearray = field(default_factory=bytearray)
    lines: int = 0
    complaint: bytes = b""
    printed: int = 0
    started: float = field(default_factory=time.monotonic)
    began: float | None = None
    ended_by_us: Fault | None = None

    def give(self, job: bytes) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it did not start: the exit code tells
            view = memoryview(job)
            while view:
                view = view[self.process.stdin.write(view) :]
            self.process.stdin.close()

    def watch(self) -> None:
        """Until it has reported everything, or is over, or passes a limit."""
        with selectors.DefaultSelector() as selector:
            for stream in (self.report, self.process.stdout, self.process.stderr):
                assert stream is not None
                selector.register(stream, selectors.EVENT_READ)
            while self.ended_by_us is None and selector.get_map() and not self._complete():
                for key, _ in selector.select(self._left()):
                    chunk = os.read(key.fd, _CHUNK)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    self._take(key.fd, chunk)
        if self.ended_by_us is None and not self._complete():
            self._await_end()

    def _complete(self) -> bool:
        return self.lines >= self.snippets + 2

    def _left(self) -> float:
        """Seconds until it is ended; none left ends it."""
        if self.began is None:
            left, fault = self.started + _SECONDS_TO_START, Fault("infra", f"not begun after {_SECONDS_TO_START:g} s")
        else:
            left, fault = self.began + self.limits.seconds, Fault("timeout", f"after {self.limits.seconds:g} s")
        left -= time.monotonic()
        if left <= 0:
            self.ended_by_us = fault
        return max(0.0, left)

    def _await_end(self) -> None:
        """It has closed every stream: what it still does is its own, as long as it has time."""
        try:
            self.process.wait(self._left())
        except subprocess.TimeoutExpired:
            self._left()

    def _take(self, source: int, chunk: bytes) -> None:
        if source == self.report:
            self.said += chunk
            self.lines += chunk.count(b"\n")
            if self.lines and self.began is None:
                self.began = time.monotonic()
            if len(self.said) > 4096 + 3 * LONGEST * self.snippets:
                self.ended_by_us = Fault("bad_return", "too long")
        else:
            self.printed += len(chunk)
            self.complaint = (self.complaint + chunk)[:2000] if not self.said else b""
            if self.printed > self.limits.output_kb * 1024:
                self.ended_by_us = Fault("output_limit", f"more than {self.limits.output_kb} KiB")


def _read(watched: _Watched, code: int, snippets: Sequence[Snippet]) -> list[Answer]:
    lines = bytes(watched.said).split(b"\n")[:-1]
    if not lines:
        return [_not_started(watched, code)] * len(snippets)
    try:
        found = [_answer(line) for line in lines[1 : len(snippets) + 2]]
    except (ValueError, TypeError, RecursionError):
        return [Fault("bad_return", "a report of its own")] * len(snippets)
    if found and isinstance(found[0], Fault):
        return [found[0]] * len(snippets)
    given = [_fitting(answer, snippet) for answer, snippet in zip(found[1:], snippets, strict=False)]
    return given + [watched.ended_by_us or _ended(code)] * (len(snippets) - len(given))


def _not_started(watched: _Watched, code: int) -> Fault:
    said = watched.complaint.decode("utf-8", "replace").strip()
    return watched.ended_by_us or Fault("infra", said or f"ended with {code} before it began")


def _answer(line: bytes) -> Answer:
    word, *rest = json.loads(line)
    if not all(isinstance(one, str) for one in rest):
        raise ValueError("no report")
    if word in ("loaded", "values"):
        return Values(tuple(decode(one) for one in rest))
    if word in _FAULTS and len(rest) == 1:
        return Fault(word, rest[0][:200])
    raise ValueError("no report")


def _fitting(answer: Answer, snippet: Snippet) -> Answer:
    if isinstance(answer, Values) and len(answer.values) != len(snippet.expressions):
        return Fault("bad_return", "a report of its own")
    return answer


def _ended(code: int) -> Fault:
    if code == -signal.SIGXCPU:
        return Fault("timeout", "processor time")
    return Fault("crashed", signal.strsignal(-code) or str(code)) if code < 0 else Fault("early_exit", str(code))
