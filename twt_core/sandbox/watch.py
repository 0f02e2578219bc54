"""One program while it runs: what it reports and prints is taken in, its time and its output are limited."""

from __future__ import annotations

import os
import selectors
import time
from contextlib import suppress
from socket import socket

from twt_core.sandbox.line import STATUS
from twt_core.sandbox.literals import LONGEST
from twt_core.sandbox.program import Fault, Limits

_SECONDS_TO_BEGIN = 30.0
_CHUNK = 65_536
_LONGEST_REPORT = 3 << 18  # what is read of it takes many times as much memory
_LATE = 1.0  # seconds: then it was not the program alone that had no time


class Watch:
    """The pipes from one program.

    Args:
        limits: what it may use.
        snippets: how many are evaluated in it.
        line: where its worker says how it ended.

    Attributes:
        theirs: the ends to give away: for the report, and for what is printed.
        said: the report so far.
        status: how it ended, if the worker said so already: an exit code or a negative signal number.
        ended_by_us: the limit that it passed.
    """

    def __init__(self, limits: Limits, snippets: int, line: socket) -> None:
        self._limits, self._snippets, self._line = limits, snippets, line
        (self._report, report), (self._output, output) = _two_pipes()
        self.theirs = [report, output]
        self.said = bytearray()
        self.status: int | None = None
        self.ended_by_us: Fault | None = None
        self._lines = self._printed = 0
        self._started = time.monotonic()
        self._began: float | None = None

    def close_theirs(self) -> None:
        """Keep no end that was given away."""
        while self.theirs:
            os.close(self.theirs.pop())

    def close(self) -> None:
        """Close everything."""
        self.close_theirs()
        os.close(self._report)
        os.close(self._output)

    def until_over(self) -> None:
        """Until it has reported everything, or has ended, or passes a limit."""
        with selectors.DefaultSelector() as selector:
            for stream in (self._report, self._output, self._line):
                selector.register(stream, selectors.EVENT_READ)
            while not self._complete() and self.ended_by_us is None and self.status is None:
                self._take_all(selector, self._left())
            if self.status is not None:
                self._take_rest(selector)

    def _take_all(self, selector: selectors.BaseSelector, seconds: float) -> bool:
        ready = [key.fileobj for key, _ in selector.select(seconds)]
        for stream in ready:
            if stream is self._line:
                selector.unregister(stream)
                self._take_status()
            elif isinstance(stream, int):
                chunk = os.read(stream, _CHUNK)
                self._take(stream, chunk)
                if not chunk:
                    selector.unregister(stream)
        return bool(ready)

    def _take_rest(self, selector: selectors.BaseSelector) -> None:
        """What it said before it ended."""
        while not self._complete() and self.ended_by_us is None and selector.get_map() and self._take_all(selector, 0):
            pass

    def _take_status(self) -> None:
        with suppress(OSError):
            found = self._line.recv(STATUS.size)
            if len(found) == STATUS.size:
                self.status = STATUS.unpack(found)[0]
                return
        self.ended_by_us = Fault("infra", "its worker is gone")

    def _complete(self) -> bool:
        return self._lines >= self._snippets + 2

    def _left(self) -> float:
        """Seconds until it is ended; none left ends it."""
        if self._began is None:
            left, fault = self._started + _SECONDS_TO_BEGIN, Fault("infra", f"not begun after {_SECONDS_TO_BEGIN:g} s")
        else:
            left, fault = self._began + self._limits.seconds, Fault("timeout", f"after {self._limits.seconds:g} s")
        left -= time.monotonic()
        if left <= 0:
            self.ended_by_us = (
                fault if left > -_LATE else Fault("infra", f"seen {-left:.1f} s too late: it stood still")
            )
        return max(0.0, left)

    def _take(self, stream: int, chunk: bytes) -> None:
        if stream == self._report:
            self.said += chunk
            self._lines += chunk.count(b"\n")
            if self._lines and self._began is None:
                self._began = time.monotonic()
            if len(self.said) > min(4096 + 3 * LONGEST * self._snippets, _LONGEST_REPORT):
                self.ended_by_us = Fault("bad_return", "too long")
        else:
            self._printed += len(chunk)
            if self._printed > self._limits.output_kb * 1024:
                self.ended_by_us = Fault("output_limit", f"more than {self._limits.output_kb} KiB")


def _two_pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    first = os.pipe()
    try:
        return first, os.pipe()
    except OSError:
        for end in first:
            os.close(end)
        raise
