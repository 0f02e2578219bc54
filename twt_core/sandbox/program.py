"""What a contained process is given, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

#: How a program can end. `infra` is a fault of ours or of the machine: it says nothing about the program.
Verdict = Literal[
    "passed", "failed", "error", "timeout", "oom", "output_limit", "crashed", "early_exit", "bad_return", "infra"
]

#: A longer program is refused unread.
LONGEST_SOURCE = 1_000_000


class Limits(NamedTuple):
    """What a program may use.

    Attributes:
        seconds: wall-clock time from the first line of the program on.
        memory_mb: address space, in MiB.
        output_kb: what it may print, in KiB, on both streams together. It is counted and thrown away.
    """

    seconds: float = 5.0
    memory_mb: int = 512
    output_kb: int = 1024


class Snippet(NamedTuple):
    """What is evaluated once the program is loaded: statements, then expressions whose values are wanted."""

    setup: str
    expressions: tuple[str, ...]


class Values(NamedTuple):
    """The values of a snippet's expressions: plain ones, which the program may have chosen at will."""

    values: tuple[Any, ...]


class Fault(NamedTuple):
    """Why there are no values."""

    verdict: Verdict
    detail: str = ""


Answer: TypeAlias = Values | Fault


class Program(NamedTuple):
    """What to run, and what to ask of it.

    Attributes:
        source: Python, to be loaded as a module.
        snippets: what to evaluate in it, one answer each.
        limits: time, memory, output.
    """

    source: str
    snippets: Sequence[Snippet]
    limits: Limits = Limits()
