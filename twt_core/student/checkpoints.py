"""Checkpoints of a stage: whole or not used, of the same training or not used.

The trainer's own resume takes missing or flipped optimizer, scheduler and RNG files in silence. So each checkpoint has
a manifest with the hash of every file, written last, and what the training depends on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from twt_core.config_difference import config_difference
from twt_core.run import write_whole
from twt_core.settings import Json, file_digest

_MANIFEST = "checkpoint.json"
_PREFIX = "checkpoint-"
#: How many are kept: the newest, and one to fall back on when that is damaged.
KEPT = 2


class Sealed(BaseModel):
    """A checkpoint's manifest: what its training depends on, and the hash of every file."""

    inputs: dict[str, Json]
    files: dict[str, str]


def seal(checkpoint: Path, inputs: dict[str, Json]) -> None:
    """Say that a checkpoint is whole, and remove those that are no longer needed.

    Raises:
        TwtError: the disk is full or the folder is not writable.
    """
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != _MANIFEST)
    for path in files:
        _to_disk(path)
    hashes = {str(path.relative_to(checkpoint)): file_digest(path) for path in files}
    write_whole(checkpoint / _MANIFEST, Sealed(inputs=inputs, files=hashes).model_dump_json(indent=2))
    for old in _newest_first(checkpoint.parent)[KEPT:]:
        shutil.rmtree(old)


def folder_of(work: Path, inputs: dict[str, Json]) -> Path:
    """Where the checkpoints of a training are. Another training of the stage has another folder, and harms none."""
    return work / hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def newest(folder: Path, inputs: dict[str, Json], say: Callable[[str], None]) -> Path | None:
    """The newest checkpoint of this training that verifies; None: begin anew.

    Args:
        folder: see `folder_of`.
        inputs: what the training depends on now.
        say: told of each checkpoint that is not used, and why.
    """
    for checkpoint in _newest_first(folder):
        if (problem := _problem(checkpoint)) is None:
            return checkpoint
        say(f"{checkpoint.name} is not used: {problem}")
        shutil.rmtree(checkpoint)  # else one of its name would be written over it
    for checkpoint in sorted(folder.parent.glob(f"*/{_PREFIX}*/{_MANIFEST}")):
        difference = config_difference(Sealed.model_validate_json(checkpoint.read_bytes()).inputs, inputs)
        say(f"{checkpoint.parent.name} of another training is not used; changed since: {'; '.join(difference)}")
    return None


def _problem(checkpoint: Path) -> str | None:
    try:
        sealed = Sealed.model_validate_json((checkpoint / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "it was not finished"
    for name, sha in sealed.files.items():
        path = checkpoint / name
        if not path.is_file() or file_digest(path) != sha:
            return f"{name} is damaged" if path.is_file() else f"{name} is missing"
    return None


def _newest_first(folder: Path) -> list[Path]:
    found = [path for path in folder.glob(f"{_PREFIX}*") if path.name.removeprefix(_PREFIX).isdigit()]
    return sorted(found, key=lambda path: -int(path.name.removeprefix(_PREFIX)))


def _to_disk(path: Path) -> None:
    # The manifest must not be there before what it speaks of is.
    with path.open("rb") as file:
        os.fsync(file.fileno())
