"""A folder that is there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twt_core.errors import InputError, TwtError


def check_target(target: Path) -> None:
    """Refuse a place where something is.

    Raises:
        InputError: `target` is a file, or a folder with something in it.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: is there already and not an empty folder; nothing is overwritten")


@contextmanager
def placed(target: Path) -> Iterator[Path]:
    """An empty folder to write to, which is renamed to `target` when the block ends without an error.

    It lies beside the target, so that the rename is one step, and is removed when the block fails. What a killed
    process leaves has another name than the target, and goes when the same is exported again.

    Raises:
        InputError: something is at the target, or its place cannot be written.
        TwtError: the disk is full, or what is exported cannot be read.
    """
    from safetensors import SafetensorError

    check_target(target)
    final = target.resolve()
    partial = _beside(target, final)
    try:
        yield partial
        _sync(partial)
        if final.is_dir():
            final.rmdir()
        partial.rename(final)
    except (OSError, SafetensorError) as error:  # the weights' own error is none of the system's
        raise TwtError(
            f"{target}: the export failed, and nothing of it stays: {error}. Make room, or give another folder"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _beside(target: Path, final: Path) -> Path:
    partial = final.with_name(f".{final.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{target}: cannot write there: {error.strerror}") from error
    return partial


def _sync(folder: Path) -> None:
    # Renamed before its bytes are on the disk, a folder could be found whole in name only after a power cut.
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("r+b") as file:
                os.fsync(file.fileno())
