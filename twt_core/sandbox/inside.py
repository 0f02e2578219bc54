"""The contained process: it takes a job, gives up everything, runs the program, and reports plain values.

It decides nothing. Whoever reads the report must take it for what the program wanted it to say.
"""

from __future__ import annotations

import json
import os
import sys
from errno import ENOMEM

from twt_core.sandbox import confine, literals

TYPE_CHECKING = False  # typing takes as long to import as Python takes to start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def main() -> None:
    """Run the job on standard input: a JSON object as `twt_core.sandbox.process` writes it."""
    job = json.loads(sys.stdin.buffer.read())
    report: int = job["report"]
    try:
        confine.limit(job["seconds"], job["memory_mb"], job["file_mb"])
        confine.contain() if job["contained"] else confine.die_with_parent()
    except OSError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    if os.getppid() != job["parent"]:  # it ended before this process was told to end with it
        return
    _say(report, "ready")
    _run(report, job["source"], tuple((setup, tuple(expressions)) for setup, expressions in job["snippets"]))
    os._exit(0)


def _run(report: int, source: str, snippets: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    names: dict[str, Any] = {"__name__": "solution", "__builtins__": __builtins__}
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
