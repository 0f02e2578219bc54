"""The same calls in another process, where hashes of texts differ: what depends on them differs from run to run."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence

from pydantic import BaseModel

from twt_core.errors import PluginError
from twt_core.settings import Json
from twt_core.testing.checks import NotTried

#: A function that can be pickled, and its arguments.
Call = tuple[Callable[..., object], tuple[object, ...]]

#: Seconds for the other process to start, import and work.
_MOST_SECONDS = 300
_HASH_SEED = "4711"
#: Before the answer: a component may print, too.
_MARK = "twt kit: "
_CANNOT_READ, _RAISED = 3, 4


def here(calls: Sequence[Call]) -> list[Json]:
    """What calls give, as JSON."""
    return [plain(function(*arguments)) for function, arguments in calls]


def plain(value: object) -> Json:
    """A result as JSON: records by their fields."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump(mode="json"))
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def elsewhere(calls: Sequence[Call]) -> list[Json]:
    """What calls give in a new process.

    Raises:
        NotTried: they cannot be handed over.
        RuntimeError: a call raised there; the message is the error.
    """
    try:
        handed = pickle.dumps(calls)
    except Exception as error:  # whatever a part of the arguments raises
        raise NotTried(f"it cannot be handed to another process: {type(error).__name__}: {error}") from error
    done = _started(handed)
    said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
    if done.returncode == _RAISED:
        raise RuntimeError(said[-1])
    answers = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.startswith(_MARK)]
    if done.returncode != 0 or not answers:
        raise NotTried(f"another process cannot take it over: {said[-1]}")
    found: list[Json] = json.loads(answers[-1].removeprefix(_MARK))
    return found


def _started(handed: bytes) -> subprocess.CompletedProcess[bytes]:
    path = os.pathsep.join(entry or os.curdir for entry in sys.path)
    try:
        return subprocess.run(
            [sys.executable, "-c", "from twt_core.testing import elsewhere; elsewhere.serve()"],
            input=handed,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": _HASH_SEED, "PYTHONPATH": path},
            timeout=_MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotTried(f"another process gave no answer within {_MOST_SECONDS} s") from error


def serve() -> None:
    """Make the calls that stand in the standard input, and print what they give."""
    try:
        calls = pickle.load(sys.stdin.buffer)
    except Exception as error:  # noqa: BLE001  # whatever its modules do on import
        _end(_CANNOT_READ, error)
    try:
        found = here(calls)
    except Exception as error:  # noqa: BLE001  # told by the process that asked
        _end(_RAISED, error)
    print(f"\n{_MARK}{json.dumps(found)}")


def _end(code: int, error: Exception) -> None:
    named = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
    sys.stderr.write("\n" + " ".join(named.splitlines()))
    raise SystemExit(code)
