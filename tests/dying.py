"""`twt`, killed at a given file operation: ``python dying.py EVENT PATH_ENDS_WITH ARGUMENTS...``.

EVENT is ``open`` (before the file is opened for writing) or ``os.rename`` (before it is renamed to the path).
"""

from __future__ import annotations

import os
import signal
import sys

event, ending, *arguments = sys.argv[1:]


def hook(name: str, values: tuple[object, ...]) -> None:
    if name != event or len(values) < 2:
        return
    writing = name != "open" or (isinstance(values[1], str) and values[1][:1] in "wxa")
    path = values[0] if name == "open" else values[1]
    if writing and isinstance(path, (str, os.PathLike)) and os.fspath(path).endswith(ending):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from twt_core.cli import main

    sys.addaudithook(hook)
    sys.argv = ["twt", *arguments]
    main()
