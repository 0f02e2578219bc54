"""JSON lines, plain or gzipped, read strictly: what the `json` module lets pass and no row means is refused."""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

from twt_core.errors import InputError
from twt_core.input_files import problem_with_file
from twt_core.settings import Json

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class LineProblem(ValueError):
    """What is wrong with one line, and in which column (from 1)."""

    def __init__(self, problem: str, column: int = 1) -> None:
        super().__init__(problem)
        self.column = column


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """Each object of a file with its line number, from 1. Blank lines are passed over.

    Raises:
        InputError: the file cannot be read, has no rows, or has a line that is no JSON object in UTF-8.
    """
    for number, line in lines(path):
        try:
            yield number, parse_line(line)
        except LineProblem as error:
            raise InputError(f"{path}:{number}:{error.column} {error}") from None


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Each line that is not blank, with its number from 1.

    Raises:
        InputError: no such file, a broken or truncated gzip, or nothing but blank lines.
    """
    if problem := problem_with_file(path):
        raise InputError(f"{path}: {problem}")
    number, found = 0, False
    with closing(_open(path)) as file:
        try:
            for number, line in enumerate(file, start=1):
                text = line.removeprefix(_BOM).strip() if number == 1 else line.strip()
                found = found or bool(text)
                if text:
                    yield number, line.removeprefix(_BOM) if number == 1 else line
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise InputError(
                f"{path}:{number + 1}:1 the gzip file is truncated or damaged: make or copy it again"
            ) from None
    if not found:
        raise InputError(f"{path}:1:1 the file is empty: write one JSON object a line")


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")


def parse_line(line: bytes) -> dict[str, Json]:
    """The object on one line.

    Raises:
        LineProblem: no UTF-8, no JSON, no object, a key twice, NaN or infinity, or half a surrogate pair.
    """
    try:
        text = line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        column = len(line[: error.start].decode("utf-8")) + 1
        raise LineProblem("this is not UTF-8 text: save the file as UTF-8", column) from None
    try:
        found: Json = json.loads(text, parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_unique_keys)
    except json.JSONDecodeError as error:
        raise LineProblem(f"invalid JSON: {error.msg}", error.colno) from None
    except RecursionError:
        raise LineProblem("invalid JSON: nested too deep") from None
    except LineProblem as error:
        raise LineProblem(str(error), _column_of(str(error).partition(" ")[0], text)) from None
    except ValueError:  # Python's own limit on the digits of an integer
        raise LineProblem("a number with thousands of digits") from None
    if not isinstance(found, dict):
        kind = "a list" if isinstance(found, list) else "a single value"
        raise LineProblem(f"this line is {kind}: write one JSON object a line")
    if (half := re.search(r"\\u[dD][89a-fA-F]", text)) and not _encodable(found):
        raise LineProblem(
            "half a character (a lone surrogate, as in \\ud83d): write the character itself", half.start() + 1
        )
    return found


def column_of_key(line: bytes, key: str) -> int:
    """The column (from 1) of a key in a line that `parse_line` takes; 1 when it is not there."""
    text = line.decode("utf-8")
    found = re.search(rf"(?<!\\){re.escape(json.dumps(key))}\s*:", text)
    return found.start() + 1 if found else 1


def _column_of(token: str, text: str) -> int:
    """The column of a value, or of a key the last time that it is written."""
    escaped = re.escape(token)
    found = list(re.finditer(rf"(?<!\\){escaped}(?=\s*:)|(?<=[\[:,\s]){escaped}(?=[\s,\]}}])", text))
    return found[-1].start() + 1 if found else 1


def _no_number(name: str) -> NoReturn:
    raise LineProblem(f"{name} is no JSON: write a number, or null")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise LineProblem(f"{text} is too large a number")
    return number


def _unique_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise LineProblem(f'"{twice}" is there twice: keep one')
    return found


def _encodable(value: dict[str, Json]) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
