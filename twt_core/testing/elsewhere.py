"""The same calls in another process, where hashes of texts differ: what depends on them differs from run to run."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence

from pydantic import BaseModel

from twt_core.settings import Json
from twt_core.testing.checks import NotTried

#: A function that can be pickled, and its arguments.
Call = tuple[Callable[..., object], tuple[object, ...]]

#: Seconds for the other process to start, import and work.
_MOST_SECONDS = 120
_HASH_SEED = "4711"
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
    path = os.pathsep.join(entry or str(os.curdir) for entry in sys.path)
    done = subprocess.run(
        [sys.executable, "-c", "from twt_core.testing import elsewhere; elsewhere.serve()"],
        input=handed,
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": _HASH_SEED, "PYTHONPATH": path},
        timeout=_MOST_SECONDS,
        check=False,
    )
    said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
    if done.returncode == _RAISED:
        raise RuntimeError(said[-1])
    if done.returncode != 0:
        raise NotTried(f"another process cannot take it over: {said[-1]}")
    found: list[Json] = json.loads(done.stdout.splitlines()[-1])
    return found


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
    print(f"\n{json.dumps(found)}")


def _end(code: int, error: Exception) -> None:
    sys.stderr.write(f"\n{type(error).__name__}: {error}".replace("\n", " "))
    raise SystemExit(code)
