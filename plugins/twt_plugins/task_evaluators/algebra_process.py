"""The process of `algebra`: a line with two expressions and seconds in, "1" or "0" out, until its input ends."""

from __future__ import annotations

import json
import logging
import resource
import signal
import sys
from types import FrameType

#: Bytes of address space: what is meant to fill the memory fails here.
MEMORY = 4 * 1024**3


class _TooLong(BaseException):
    """Not an Exception: what is tried may catch those."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _TooLong


def _equal(one: str, two: str) -> bool:
    from math_verify import parse, verify

    first, second = (parse(f"${text}$", parsing_timeout=None) for text in (one, two))
    return any(verify(a, b, timeout_seconds=None) for a, b in ((first, second), (second, first)))


def _within(seconds: float, one: str, two: str) -> bool:
    used = resource.getrusage(resource.RUSAGE_SELF)
    # For what no signal handler interrupts, such as one huge power; and for a parent that has gone meanwhile.
    most = int(used.ru_utime + used.ru_stime + seconds) + 5
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return _equal(one, two)
    except Exception:  # noqa: BLE001 - whatever it stumbles over, the two are not known to be equal
        return False
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def main() -> None:
    """Answer until the input ends."""
    # It warns that no time limit is set, and logs what it cannot parse.
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    import math_verify  # noqa: F401 - before the clock runs

    signal.signal(signal.SIGPROF, _stop)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    for line in sys.stdin:
        one, two, seconds = json.loads(line)
        try:
            equal = _within(seconds, one, two)
        except (_TooLong, MemoryError, RecursionError):
            equal = False
        print("1" if equal else "0", flush=True)


if __name__ == "__main__":
    main()
