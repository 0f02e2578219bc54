"""Files of recorded outputs: lines in TwT's own form, and in that of OpenAI's batch outputs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, Field, ValidationError

from twt_core.errors import InputError
from twt_core.jsonl import read_jsonl
from twt_core.records import Completion, Failed, Purpose, Record, TokenLogprob, Usage
from twt_core.settings import Json
from twt_plugins.teachers.batch_output import Answered, BatchRow

M = TypeVar("M", bound=BaseModel)


class Key(NamedTuple):
    """What an output answers. `teacher` is None in a batch output, which any teacher may call its own."""

    query_id: str
    teacher: str | None
    purpose: Purpose = "answer"
    sample: int = 0
    about: str | None = None


class Recording(Record):
    """One line in TwT's own form: what `teacher` said on query `id`; a grade says whose answer it is about."""

    id: str
    teacher: str
    text: str
    purpose: Purpose = "answer"
    sample: int = Field(default=0, ge=0)
    about: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    usage: Usage | None = None
    finish_reason: str | None = None

    @property
    def key(self) -> Key:
        """What it answers."""
        return Key(self.id, self.teacher, self.purpose, self.sample, self.about)

    @property
    def completion(self) -> Completion:
        """What was said; it cost nothing to say again."""
        return Completion(
            text=self.text, logprobs=self.logprobs, usage=self.usage, cost_usd=0.0, finish_reason=self.finish_reason
        )


def recordings(path: Path) -> dict[Key, Completion | Failed]:
    """All outputs in a file, and what failed at the provider; read once while the file stays as it is.

    Raises:
        InputError: no such file, a bad line, or one output said twice.
    """
    return _read(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=16)
def _read(path: Path, _changed: int) -> dict[Key, Completion | Failed]:
    found: dict[Key, Completion | Failed] = {}
    for number, row in read_jsonl(path):
        for key, said in _said(row, f"{path}:{number}"):
            if isinstance(known := found.get(key), Completion) and isinstance(said, Completion):
                by = f" by {key.teacher!r}" if key.teacher is not None else ""
                again = f" (sample {key.sample})" if key.sample else ""
                raise InputError(f"{path}:{number}: a second {key.purpose}{by} to query {key.query_id!r}{again}")
            # A request that failed and was handed in again is there twice: what succeeded counts.
            found[key] = known if isinstance(known, Completion) else said
    return found


def _said(row: dict[str, Json], where: str) -> Iterator[tuple[Key, Completion | Failed]]:
    if "custom_id" not in row:
        recording = _checked(Recording, row, where)
        yield recording.key, recording.completion
        return
    batch = _checked(BatchRow, row, where)
    if (cause := batch.failure) is not None:
        yield Key(batch.custom_id, None), Failed(cause=cause, permanent=True)
        return
    body = _checked(Answered, batch.response.body if batch.response else {}, f"{where} response.body")
    for sample, completion in enumerate(body.completions()):
        yield Key(batch.custom_id, None, sample=sample), completion


def _checked(model: type[M], row: dict[str, Json], where: str) -> M:
    try:
        return model.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where} {field}: {first['msg']}") from None
