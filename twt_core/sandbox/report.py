"""What a program's process reported, read with suspicion: all but the first line may be the program's own."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from typing import Any

from twt_core.sandbox.literals import decode
from twt_core.sandbox.program import Answer, Fault, Snippet, Values

# What the process itself may say went wrong; the rest is seen from outside.
_FAULTS = ("error", "early_exit", "oom", "bad_return")
# The first line, and whether a filter keeps the process from killing itself.
_READY = {b'["ready"]': False, b'["ready", "filtered"]': True}


def read(said: bytes, ended_by_us: Fault | None, status: int, snippets: Sequence[Snippet]) -> list[Answer]:
    """One answer a snippet.

    Args:
        said: the lines reported, as `inside` writes them.
        ended_by_us: the limit that it passed, if any.
        status: how the process ended: an exit code or a negative signal number.
        snippets: what it was asked.
    """
    lines = said.split(b"\n")[:-1]
    if not lines or lines[0] not in _READY:
        return [_not_begun(lines, ended_by_us, status)] * len(snippets)
    try:
        found = [_answer(line) for line in lines[1 : len(snippets) + 2]]
    except (ValueError, TypeError, RecursionError):
        return [Fault("bad_return", "a report of its own")] * len(snippets)
    if found and isinstance(found[0], Fault):
        return [found[0]] * len(snippets)
    given = [_fitting(answer, snippet) for answer, snippet in zip(found[1:], snippets, strict=False)]
    return given + [ended_by_us or _ended(status, _READY[lines[0]])] * (len(snippets) - len(given))


def _not_begun(lines: Sequence[bytes], ended_by_us: Fault | None, status: int) -> Fault:
    if lines:
        return Fault("infra", json.loads(lines[0])[1])
    return ended_by_us or Fault("infra", f"ended with {status} before it began")


def _answer(line: bytes) -> Answer:
    word, *rest = json.loads(line)
    if not all(isinstance(one, str) for one in rest):
        raise ValueError("no report")
    if word in ("loaded", "values"):
        return Values(_decoded(rest))
    if word in _FAULTS and len(rest) == 1:
        return Fault(word, rest[0][:200])
    raise ValueError("no report")


def _decoded(texts: Sequence[str]) -> tuple[Any, ...]:
    return tuple(decode(one) for one in texts)


def _fitting(answer: Answer, snippet: Snippet) -> Answer:
    if isinstance(answer, Values) and len(answer.values) != len(snippet.expressions):
        return Fault("bad_return", "a report of its own")
    return answer


def _ended(status: int, filtered: bool) -> Fault:
    if status == -signal.SIGXCPU:
        return Fault("timeout", "processor time")
    if status == -signal.SIGKILL and filtered:
        return Fault("infra", "killed from outside, as a kernel does that runs out of memory")
    if status < 0:
        return Fault("crashed", signal.strsignal(-status) or str(status))
    return Fault("early_exit", str(status))
