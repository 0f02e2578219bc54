"""What can be wrong with a file that a user names, before anything reads it."""

from __future__ import annotations

import os
from pathlib import Path

from twt_core.suggest import did_you_mean

#: A list of all that is in a folder helps only while it can be read at a glance.
_MOST_NAMES = 20


def problem_with_file(path: Path) -> str | None:
    """Why `path` cannot be read as a file, with the nearest names there are; None when it can."""
    try:
        return _problem(path)
    except OSError as error:  # a name that is too long, a folder that may not be read
        return f"cannot be read: {error.strerror}"


def _problem(path: Path) -> str | None:
    if path.is_dir():
        return "this is a folder: name a file in it"
    if not path.exists():
        return _no_such_file(path)
    return None if os.access(path, os.R_OK) else "this file may not be read: check its permissions"


def _no_such_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f"no such file, and no folder {path.parent}"
    names = [entry.name for entry in path.parent.iterdir() if entry.is_file() and not entry.name.startswith(".")]
    alike = [name for name in names if Path(name).suffix == path.suffix] or names
    hint = did_you_mean(path.name, alike)
    return "no such file" if len(alike) > _MOST_NAMES and hint.startswith("There") else f"no such file. {hint}"
