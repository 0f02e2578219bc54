"""A folder that is there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from twt_core.errors import InputError, TwtError


def check_target(target: Path) -> Path:
    """The place itself, free of links, unless something is there.

    Raises:
        InputError: `target` is a file, or a folder with something in it, or no folder can be there.
    """
    try:
        taken = target.exists() and (not target.is_dir() or any(target.iterdir()))
        final = target.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # of a circle of links, of a NUL in the name
        raise _unwritable(target, error) from error
    if taken:
        raise InputError(f"{target}: is there already and not an empty folder; nothing is overwritten")
    return final


@contextmanager
def placed(target: Path) -> Iterator[Path]:
    """An empty folder to write to, which is renamed to `target` when the block ends without an error.

    It lies beside the target, so that the rename is one step, and is removed when the block fails. What a killed
    process leaves has another name than the target, and goes when the same is exported again; the lock beside it says
    that it is nobody's.

    Raises:
        InputError: something is at the target, another export is under way there, or its place cannot be written.
        TwtError: the disk is full, or what is exported cannot be read.
    """
    from safetensors import SafetensorError

    final = check_target(target)
    with _locked(target, final):
        partial = _beside(target, final)
        try:
            yield partial
            _share(partial)
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


@contextmanager
def _locked(target: Path, final: Path) -> Iterator[None]:
    path = final.with_name(f".{final.name}.lock")
    lock = FileLock(path)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"{target}: another export to it is under way. Wait for it, or give another folder") from error
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        yield
    finally:
        with suppress(OSError):  # where an open file cannot be removed, the lock does it by itself
            path.unlink()
        lock.release()


def _beside(target: Path, final: Path) -> Path:
    partial = final.with_name(f".{final.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
    except OSError as error:
        raise _unwritable(target, error) from error
    return partial


def _unwritable(target: Path, error: Exception) -> InputError:
    cause = (error.strerror if isinstance(error, OSError) else None) or error
    return InputError(f"{target}: cannot write there: {cause}. Give another folder")


def _share(folder: Path) -> None:
    # safetensors writes for the owner alone; a server, which may be another user, reads what the folder lets it read.
    mode = folder.stat().st_mode & 0o666
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode)


def _sync(folder: Path) -> None:
    # Renamed before its bytes are on the disk, a folder could be found whole in name only after a power cut.
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("r+b") as file:
                os.fsync(file.fileno())
