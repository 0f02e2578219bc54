"""Rows of a data set, as queries in JSON: read through the library `datasets`, and kept from then on.

What was downloaded is kept beside the runs, so that a run goes on with the same rows without a network, whatever
becomes of the data set meanwhile. Beside the copy stands what says that it is whole. A data set in a folder is read
anew each time.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

from pydantic import BaseModel

from twt_core.data_file import Column, DataFile
from twt_core.errors import InputError
from twt_core.records import Query
from twt_core.run import write_whole
from twt_core.settings import Json, file_digest

#: What a prompt adds to each choice and each test at most: a letter, a mark, the end of a line.
_BESIDE_A_PART = 8
#: What `_COPY` depends on beside the rows of the hub.
_OF_THE_ROWS = ("dataset", "config", "split", "revision", "columns", "shuffle", "skip", "limit")


class Kept(BaseModel):
    """What says that a copy is whole: the hash of its bytes; and how many rows the split has that it is taken from."""

    sha256: str
    split_rows: int


class Split(Protocol):
    """What is used of a ``datasets.Dataset``."""

    @property
    def column_names(self) -> list[str]:
        """Its columns."""

    def __len__(self) -> int:
        """How many rows it has."""

    def __getitem__(self, number: int, /) -> Mapping[str, object]:
        """One row, counted from 0."""


def downloaded(source: DataFile, kept_in: Path) -> bool:
    """Whether the rows of a data set can be read without a network."""
    return source.folder is not None or _kept(_copy(source, kept_in)) is not None


def read_rows(source: DataFile, kept_in: Path) -> Iterator[tuple[int, bytes]]:
    """The rows that a source takes, each with its number in the split and as a query in JSON.

    Args:
        source: a data set.
        kept_in: the folder of what was downloaded; written to if the rows are not there.

    Raises:
        InputError: the data set cannot be had, or is not as the config says.
    """
    if source.folder is not None:
        yield from _mapped(source, load(source))
        return
    copy = _copy(source, kept_in)
    if (whole := _kept(copy)) is None:
        _download(source, copy)
    else:
        _check_count(source, whole.split_rows, f" To read it anew, remove {copy}")
    with copy.open("rb") as file:
        for kept in file:
            number, _, line = kept.partition(b"\t")
            yield int(number), line


def _download(source: DataFile, copy: Path) -> None:
    split = load(source)
    copy.parent.mkdir(parents=True, exist_ok=True)
    write_whole(copy, (f"{number}\t{line.decode()}\n" for number, line in _mapped(source, split)))
    kept = Kept(sha256=file_digest(copy), split_rows=len(split))
    write_whole(_seal(copy), kept.model_dump_json() + "\n")


def _kept(copy: Path) -> Kept | None:
    """What a copy holds; None where there is none, or another than was written."""
    try:
        kept = Kept.model_validate_json(_seal(copy).read_text(encoding="utf-8"))
        return kept if file_digest(copy) == kept.sha256 else None
    except (OSError, ValueError):
        return None


def _seal(copy: Path) -> Path:
    return copy.with_suffix(".json")


def _copy(source: DataFile, kept_in: Path) -> Path:
    plain = source.model_dump(mode="json", include=set(_OF_THE_ROWS))
    if source.columns is not None and source.columns.task is None:
        del plain["columns"]["task"]  # copies that were made before there was such a column are still good
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
    return kept_in / f"{digest}.rows"


def load(source: DataFile) -> Split:
    """A split, downloaded by the library `datasets` unless its own cache has it.

    Raises:
        InputError: no such library, data set, configuration, revision or split; no network; another number of rows.
    """
    try:
        import datasets
    except ImportError:
        raise InputError(
            f'{source.place}: data sets need the library datasets: pip install "twt-distill[hub]"'
        ) from None
    try:
        split = datasets.load_dataset(source.dataset, source.config, split=source.split, revision=source.revision)
    except ConnectionError as error:
        raise InputError(_unreachable(source, error, offline=datasets.config.HF_HUB_OFFLINE)) from None
    except Exception as error:  # noqa: BLE001  # the library's way to say that there is no such thing is of many kinds
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(f"{source.place}: cannot be loaded: {first}") from None
    _check_count(source, len(split))
    return cast(Split, split)


def _check_count(source: DataFile, count: int, hint: str = "") -> None:
    if source.rows is not None and count != source.rows:
        raise InputError(
            f"{source.place}: has {count} rows, and the config says {source.rows}: it is not the data set that was "
            f"meant, or has changed. Correct rows, or name a revision.{hint}"
        )


def _unreachable(source: DataFile, error: ConnectionError, *, offline: bool) -> str:
    if offline:
        return (
            f"{source.place}: not downloaded yet, and HF_HUB_OFFLINE forbids it. Unset HF_HUB_OFFLINE, or give "
            "a copy: dataset: ./FOLDER, or path: FILE.jsonl"
        )
    return f"{source.place}: the hub cannot be reached ({error}). Try again, or give a copy: dataset: ./FOLDER"


def _mapped(source: DataFile, split: Split) -> Iterator[tuple[int, bytes]]:
    for number in _numbers(source, len(split)):
        row = split[number]
        query = {name: _part(row, column, source) if column else None for name, column in _columns(source)}
        if source.columns is not None and source.columns.id is None:
            query["id"] = f"{source.split}/{number}"
        yield number, json.dumps(query).encode()


def _columns(source: DataFile) -> Iterable[tuple[str, Column | None]]:
    assert source.columns is not None  # a data set has them
    return list(source.columns)


def _numbers(source: DataFile, count: int) -> Sequence[int]:
    numbers = list(range(count))
    if source.shuffle is not None:
        random.Random(source.shuffle).shuffle(numbers)
    return numbers[source.skip :][: source.limit]


def _part(row: Mapping[str, object], column: Column, source: DataFile) -> Json:
    value = _inside(row, column.column, source)
    if column.pattern is None or value is None:
        return value
    if isinstance(value, list):
        return [_matched(column.pattern, part) for part in value]
    return _matched(column.pattern, value)


def _matched(pattern: str, value: Json) -> str:
    found = re.findall(pattern, str(value))
    return str(found[-1]).strip() if found else ""


def _inside(value: object, path: str, source: DataFile) -> Json:
    """What a dotted path leads to; through a list, what it leads to in each of its entries."""
    if not path or value is None:
        return _plain(value, source)
    if isinstance(value, list):
        return [_inside(entry, path, source) for entry in value]
    if isinstance(value, Mapping):
        if path in value:  # a column may have dots in its name
            return _plain(value[path], source)
        key, _, rest = path.partition(".")
        if key in value:
            return _inside(value[key], rest, source)
    there = ", ".join(map(str, value)) if isinstance(value, Mapping) else f"a {type(value).__name__}, with no parts"
    raise InputError(f"{source.place}: columns: there is no {path!r}. There is: {there}")


def _plain(value: object, source: DataFile) -> Json:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [_plain(entry, source) for entry in value]
    kind = "several parts: name one, as in choices.text" if isinstance(value, Mapping) else f"a {type(value).__name__}"
    raise InputError(f"{source.place}: columns: a part of a query is text, a number, or a list of them, not {kind}")


def size(query: Query) -> int:
    """What a question, its choices and its tests add to a prompt at most, in bytes."""
    parts = [*(query.choices or ()), *(query.tests or ())]
    return len(query.query.encode()) + sum(len(part.encode()) + _BESIDE_A_PART for part in parts)


def placeholder(source: DataFile, number: int, task: str | None) -> Query:
    """A query in the place of rows that are not downloaded: no row that is used makes a longer prompt.

    Args:
        source: where the rows will come from.
        number: the source's among several, for an id of its own.
        task: which of a mixture's tasks it is.
    """
    columns = dict(_columns(source))
    return Query(
        id=f"/{number}/{source.split}",  # no row's id begins so
        query="x" * (source.max_bytes or 1),
        choices=("yes", "no") if columns["choices"] else None,
        tests=("assert f(1) == 1",) if columns["tests"] else None,
        task=task,
    )
