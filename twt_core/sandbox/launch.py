"""How a worker starts: as an ordinary user, behind what isolates it, as the warm process that `zygote` describes."""

from __future__ import annotations

import json
import os
import sys

from twt_core.sandbox import confine, namespaces, places, zygote
from twt_core.sandbox.bubblewrap import command
from twt_core.sandbox.user import become_ordinary

TYPE_CHECKING = False  # typing takes as long to import as Python takes to start
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn


def main() -> None:
    """Be the worker that the last argument describes: a JSON object, see `twt_core.sandbox.worker`."""
    os.umask(0o022)  # what root makes here on the way to its Python is for another user
    told = json.loads(sys.argv[-1])
    readable = places.readable(told["package"])
    try:
        walls = _isolated(told, readable)
    except OSError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    zygote.serve(told["control"], walls)


def _isolated(told: dict[str, Any], readable: Sequence[str]) -> confine.Walls | None:
    backend = told["backend"]
    if backend == "none":
        confine.die_with_parent()
        return None
    if told.get("entered"):
        os.environ.pop("PWD", None)  # bubblewrap's own
    else:
        become_ordinary(readable)
        if backend == "bubblewrap":
            _enter_bubblewrap(told, readable)
        if backend == "namespaces":
            namespaces.enter(readable, told["control"])
    needed = backend == "landlock"
    walls = confine.Walls(readable, landlocked=told["depth"] or needed, required=needed)
    confine.harden()
    return walls


def _enter_bubblewrap(told: dict[str, Any], readable: Sequence[str]) -> NoReturn:
    if not told["bwrap"]:
        raise FileNotFoundError("bwrap is not installed")
    own = [*sys.orig_argv[:-1], json.dumps({"entered": True, **told})]
    os.execv(told["bwrap"], command(own, readable))
