"""The process of one program: it takes its job, gives up everything, runs the program, and reports plain values.

It decides nothing. Whoever reads the report must take it for what the program wanted it to say.
"""

from __future__ import annotations

import json
import os
import sys
from errno import ENOMEM
from types import ModuleType

from twt_core.sandbox import confine, literals

TYPE_CHECKING = False  # typing takes as long to import as Python takes to start
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from twt_core.sandbox.confine import Walls

_MOST_FILES = 4096


def run(job: int, report: int, output: int, walls: Walls | None, parent: int) -> None:
    """Run the job of a file: a JSON object as `twt_core.sandbox.worker` writes it. The first line reported is ours.

    Args:
        job: file descriptor to read from.
        report: file descriptor to write lines to.
        output: file descriptor for whatever the program prints.
        walls: what to put up around the program; None runs it with limits alone.
        parent: the process that this one is to end with.
    """
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    told = _read(job)
    _keep_open([report] if walls is None or walls.rules is None else [report, walls.rules])
    try:
        os.chdir(told["folder"])
        confine.limit(told["seconds"], told["memory_mb"], told["file_mb"])
        filtered = _put_up(walls)
    except OSError as error:
        _say(report, "infra", f"{type(error).__name__}: {error}")
        return
    if os.getppid() != parent:  # it ended before this process was told to end with it
        return
    _say(report, *(("ready", "filtered") if filtered else ("ready",)))
    _run(report, told["source"], tuple((setup, tuple(expressions)) for setup, expressions in told["snippets"]))


def _put_up(walls: Walls | None) -> bool:
    if walls:
        return walls.put_up()
    confine.die_with_parent()
    return False


def _read(job: int) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(os.pread(job, os.fstat(job).st_size, 0))
    os.close(job)
    return told


def _keep_open(kept: Iterable[int]) -> None:
    last = 2
    for file in [*sorted(kept), _MOST_FILES]:
        os.closerange(last + 1, file)
        last = file


def _run(report: int, source: str, snippets: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    module = sys.modules["solution"] = ModuleType("solution")  # where dataclasses, typing and pickle look for it
    names = vars(module)
    fault, _ = _attempt(lambda: exec(compile(source, "<solution>", "exec", dont_inherit=True), names))
    _say(report, *(fault or ("loaded",)))
    if fault:
        return
    for setup, expressions in snippets:
        fault, values = _attempt(lambda: _values(setup, expressions, names))  # noqa: B023 - called at once
        _say(report, *(fault or ("values", *(values or ()))))


def _values(setup: str, expressions: tuple[str, ...], names: dict[str, Any]) -> list[str]:
    exec(compile(setup, "<test>", "exec", dont_inherit=True), names)
    # Each as text before the next, which may change it.
    return [_text(eval(compile(one, "<test>", "eval", dont_inherit=True), names)) for one in expressions]


def _text(value: object) -> str:
    try:
        return literals.encode(value)
    except MemoryError:
        raise
    except BaseException as error:  # noqa: BLE001 - the value's own code may raise whatever it likes
        raise _BadReturn(str(error)[:200]) from None


class _BadReturn(Exception):
    """The program returned what is no plain value."""


def _attempt(step: Callable[[], Any]) -> tuple[tuple[str, str] | None, Any]:
    """What went wrong and no value, or nothing and the value."""
    try:
        return None, step()
    except SystemExit:
        return ("early_exit", "SystemExit"), None
    except MemoryError:
        return ("oom", "MemoryError"), None
    except _BadReturn as error:
        return ("bad_return", error.args[0]), None
    except BaseException as error:  # noqa: BLE001 - so may the program
        return _named(error), None


def _named(error: BaseException) -> tuple[str, str]:
    if type(error) is OSError and error.errno == ENOMEM:
        return "oom", "OSError"
    return "error", type.__dict__["__name__"].__get__(type(error))[:100]


def _say(report: int, *words: str) -> None:
    os.write(report, (json.dumps(words) + "\n").encode())
