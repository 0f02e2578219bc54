"""Whether two expressions are equal, decided by math-verify in a process of its own, which can be ended.

Symbolic algebra takes forever on hostile texts, and Python's own time limits, by signals, work in the main thread only.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from functools import lru_cache
from math import prod

from twt_core.errors import TwtError

#: CPU seconds for one comparison; the process gives up by itself.
SECONDS = 3.0
#: Wall seconds after which the process is ended, whatever it does. The first comparison waits for its imports, too.
PATIENCE = 60.0
#: Longer texts are no expressions.
LONGEST = 200

_SHORT_POWER = re.compile(r"\^\{(-?\w{1,3})\}")
_EXPONENT = re.compile(r"(?:\^|\*\*)[\s({+-]*(\d+)")
_COSTLY = re.compile(
    r"(?:\^|\*\*)\s*[({\\].*(?:\^|\*\*|!)"  # a power within an exponent
    r"|(?:\^|\*\*)\s*-?\w+\s*(?:\^|\*\*|!)"
    r"|\d{4,}\s*!|![\s)}]*!|\\(?:i*int|oint|sum|prod|lim|[dt]?binom)\b"
)


@lru_cache(maxsize=8192)
def equal(one: str, two: str) -> bool:
    """Whether two LaTeX expressions are equal in value. What is too long or costly is equal to nothing.

    Raises:
        TwtError: the process could not be started. That is no verdict.
    """
    return _affordable(one) and _affordable(two) and _WORKER.equal(one, two)


def _affordable(text: str) -> bool:
    """Whether it is worth trying, so that the time limit is left for what cannot be foreseen."""
    if len(text) > LONGEST:
        return False
    short = _SHORT_POWER.sub(r"^\1", text)
    return not _COSTLY.search(short) and prod(int(power) for power in _EXPONENT.findall(short)) <= 1000


class _Worker:
    """The process, started when first needed and again when it had to be ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def equal(self, one: str, two: str) -> bool:
        question = json.dumps([one, two, SECONDS])
        with self._lock:
            for _ in range(2):  # it may have been ended since by somebody, or for want of memory
                process = self._running()
                answer = self._ask(process, question)
                if answer is not None:
                    return answer == "1"
                late = process.poll() is None
                self.end()
                if late or process.returncode == -signal.SIGXCPU:
                    return False
        if process.returncode < 0:
            return False
        raise TwtError(
            f"expressions cannot be compared: the process that does it ended with exit code {process.returncode}. "
            f"Is math-verify installed? Try: {sys.executable} -c 'import math_verify'"
        )

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._owner != os.getpid():  # after a fork, the pipes are the parent's
            command = [sys.executable, "-P", "-m", "twt_plugins.task_evaluators.algebra_process"]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
            self._owner = os.getpid()
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=environment,
                    start_new_session=True,  # Ctrl-C is for us: the process ends with its standard input
                )
            except OSError as error:
                raise TwtError(f"expressions cannot be compared: {sys.executable} did not start: {error}") from error
        return self._process

    def _ask(self, process: subprocess.Popen[bytes], question: str) -> str | None:
        assert process.stdin and process.stdout
        try:
            process.stdin.write(f"{question}\n".encode())
            process.stdin.flush()
        except OSError:
            process.wait()
            return None
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
        line = process.stdout.readline().decode().strip() if ready else None
        if line == "":
            process.wait()
        return line or None

    def end(self) -> None:
        process, self._process = self._process, None
        if process and self._owner == os.getpid():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with suppress(OSError):  # what it was not able to take is flushed once more
                        pipe.close()


_WORKER = _Worker()
atexit.register(_WORKER.end)
