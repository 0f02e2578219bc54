"""Whether work keeps in step with the number of rows, by CPU time: how busy the machine is makes no difference."""

from __future__ import annotations

import time
from collections.abc import Callable

from twt_core.testing.checks import NotTried
from twt_core.testing.findings import MOST_SECONDS, Findings

#: Where nothing else is asked for.
ROWS = 10_000
#: From one size to the next.
GROWTH = 4
SIZES = 4
#: Below this many seconds nothing is slow enough to tell.
LEAST_SECONDS = 1.0
#: Four times the rows are sixteen times the work, where it grows with the square; 4 where it keeps in step.
WORST_GROWTH = 8


def check_speed(findings: Findings, place: str, work: Callable[[int], Callable[[], object]], most: int) -> None:
    """Try rising numbers of rows, and stop where more would take too long.

    Args:
        findings: what is wrong is noted there.
        place: names the call.
        work: makes a call ready that works on so many rows.
        most: the greatest number; 0 tries none.

    Raises:
        NotTried: it is slow, though in step with the rows, as with a model of its own.
    """
    if most == 0:
        raise NotTried("rows is 0")
    before = 0.0
    for rows in (max(1, most // GROWTH**step) for step in range(SIZES - 1, -1, -1)):
        seconds = _seconds(findings, place, work, rows)
        if seconds is None:
            return
        if _grew_too_fast(before, seconds) and rows > 1:
            few, many = _seconds(findings, place, work, rows // GROWTH), _seconds(findings, place, work, rows)
            if few is not None and many is not None and _grew_too_fast(max(few, before), min(many, seconds)):
                findings.expect(False, f"{place} takes {many:.1f} s on {rows} rows, {many / max(few, 1e-3):.0f} times "
                                       f"what a quarter of them takes: it looks at every row for every other. Group "
                                       "rows in a dict, or compare them in numpy")  # fmt: skip
                return
        if rows < most and seconds * GROWTH > MOST_SECONDS:
            raise NotTried(f"{rows} rows take {seconds:.1f} s, in step with their number: more are not worth the wait")
        before = seconds


def _grew_too_fast(before: float, seconds: float) -> bool:
    return before > 0 and seconds > LEAST_SECONDS and seconds > WORST_GROWTH * before


def _seconds(findings: Findings, place: str, work: Callable[[int], Callable[[], object]], rows: int) -> float | None:
    call = work(rows)
    began = time.process_time()
    count = len(findings.problems)
    findings.call(f"{place} on {rows} rows", call)
    return time.process_time() - began if len(findings.problems) == count else None
