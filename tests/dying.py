"""`twt`, sent a signal at a given point: ``python dying.py POINT WHICH [SIGNAL] -- ARGUMENTS...``.

POINT is a file operation, and WHICH the end of its path: ``open`` (before the file is opened for writing) or
``os.rename`` (before it is renamed to the path). Or it is a moment at the ledger, and WHICH the how-manieth:
``before_reserve``, ``after_reserve``, ``before_commit``, ``after_commit``, ``look_up``. SIGNAL is SIGKILL by default;
``SIGINT*2`` is Ctrl-C twice.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

own = sys.argv[1 : sys.argv.index("--")]
arguments = sys.argv[sys.argv.index("--") + 1 :]
point, which, (name, _, times) = own[0], own[1], (own[2] if len(own) > 2 else "SIGKILL").partition("*")


def die() -> None:
    for _ in range(int(times or 1)):
        os.kill(os.getpid(), signal.Signals[name])


def at_file(event: str, values: tuple[object, ...]) -> None:
    if event != point or len(values) < 2:
        return
    writing = event != "open" or (isinstance(values[1], str) and values[1][:1] in "wxa")
    path = values[0] if event == "open" else values[1]
    if writing and isinstance(path, (str, os.PathLike)) and os.fspath(path).endswith(which):
        die()


def at_ledger() -> None:
    from twt_core.clerk import Clerk
    from twt_core.entries import Reserve
    from twt_core.ledger import Ledger

    enter, has, seen = Clerk.enter, Ledger.has, [0]

    def reached(moment: str) -> None:
        seen[0] += moment == point
        if moment == point and seen[0] == int(which):
            die()

    async def entering(self: Clerk, entry: Any) -> int | None:
        kind = type(entry).__name__.lower() if isinstance(entry, Reserve) else "commit"
        reached(f"before_{kind}")
        outcome = await enter(self, entry)
        reached(f"after_{kind}")
        return outcome

    def looking(self: Ledger, key: str) -> bool:
        reached("look_up")
        return has(self, key)

    Clerk.enter, Ledger.has = entering, looking  # type: ignore[method-assign]


if __name__ == "__main__":
    from twt_core.cli import main

    if which.isdigit():
        at_ledger()
    else:
        sys.addaudithook(at_file)
    sys.argv = ["twt", *arguments]
    main()
