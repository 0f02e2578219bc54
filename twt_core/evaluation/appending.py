"""Rows of a file that grows: what was written is there after a kill, and half a line is not taken for one."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Generic, Self, TypeVar

from pydantic import ValidationError

from twt_core.errors import TwtError
from twt_core.records import Record

R = TypeVar("R", bound=Record)

#: Seconds that rows may wait for the disk itself.
_LONGEST_WAIT = 1.0


def line(row: Record) -> str:
    """A row as it is on disk."""
    return row.model_dump_json(exclude_none=True) + "\n"


def read_rows(path: Path, record: type[R], way_out: str) -> list[R]:
    """The rows of a file that may end in half a line, which is passed over; none if there is no file.

    Raises:
        TwtError: a whole line is no row.
    """
    if not path.exists():
        return []
    *whole, _half = path.read_bytes().split(b"\n")
    rows: list[R] = []
    for number, text in enumerate(whole, 1):
        try:
            rows.append(record.model_validate_json(text))
        except ValidationError:
            raise TwtError(f"{path}:{number}: damaged since it was written. {way_out}") from None
    return rows


def cut(path: Path) -> None:
    """Take half a line off the end of a file, if there is one: what a process left that was killed as it wrote."""
    if path.exists() and not (data := path.read_bytes()).endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)


class Appending(Generic[R]):
    """A file that rows are added to. Use it in a `with`. An added row outlives the process, and after a second, or at
    the end, also a power cut.

    Args:
        path: the file, which ends in a whole line (see `cut`).
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        try:
            self._file: BinaryIO = self._path.open("ab")
        except OSError as error:
            raise self._failed(error) from error
        self._synced = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._sync()
        finally:
            self._file.close()

    def add(self, *rows: R) -> None:
        """Add rows.

        Raises:
            TwtError: the disk is full.
        """
        try:
            self._file.write("".join(map(line, rows)).encode())
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from error
        if time.monotonic() - self._synced >= _LONGEST_WAIT:
            self._sync()

    def _sync(self) -> None:
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failed(error) from error
        self._synced = time.monotonic()

    def _failed(self, error: OSError) -> TwtError:
        return TwtError(f"{self._path}: cannot write: {error.strerror or error}. What is on disk stays")


def in_order(rows: Sequence[R], keys: Sequence[object], wanted: Sequence[object]) -> list[R]:
    """Rows sorted as their keys are wanted."""
    place = {key: number for number, key in enumerate(wanted)}
    return [row for _, row in sorted(zip(keys, rows, strict=True), key=lambda pair: place[pair[0]])]
