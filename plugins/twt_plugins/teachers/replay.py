"""Recorded outputs in a teacher's place: no network, no cost, the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from twt_core.components import Teacher
from twt_core.errors import InputError, TeacherError
from twt_core.jsonl import read_jsonl
from twt_core.records import Completion, Purpose, Query, Record, Request, TokenLogprob, Usage
from twt_core.settings import ConfigPath, Json

_Key = tuple[str, str, Purpose]


class Recording(Record):
    """One line of a recording: what `teacher` said on query `id`."""

    id: str
    teacher: str
    text: str
    purpose: Purpose = "answer"
    logprobs: tuple[TokenLogprob, ...] | None = None
    usage: Usage | None = None


class Replay(Teacher):
    """Recorded answers and rewrites, found by query id, teacher name and purpose; the prompt plays no part.

    A rewrite was recorded for the student of its day; replayed, it is the same whatever the student writes now.
    """

    path: ConfigPath = Field(description="JSONL, gzipped or not: id, teacher, text; optional purpose, logprobs, usage.")
    missing: Literal["refuse", "fail"] = Field(
        default="refuse", description="Queries without a recorded answer: refuse the run, or count them as failed."
    )

    async def complete(self, request: Request) -> Completion:
        """See `Teacher.complete`."""
        found = recordings(self.path).get((request.query_id, self.name, request.purpose))
        if found is None:
            raise TeacherError(f"no {request.purpose} is recorded in {self.path.name}", permanent=True)
        return Completion(text=found.text, logprobs=found.logprobs, usage=found.usage, cost_usd=0.0)

    def canonical_request(self, request: Request) -> dict[str, Json]:
        """The recorded text itself: a file with more rows in it leaves known answers known."""
        found = recordings(self.path).get((request.query_id, self.name, request.purpose))
        text = sha256(found.model_dump_json().encode()).hexdigest() if found else None
        return {"use": self.use, "name": self.name, "id": request.query_id, "purpose": request.purpose, "text": text}

    def preflight(self, queries: Sequence[Query]) -> None:
        """Refuse queries that have no recorded answer, unless they may fail."""
        known = recordings(self.path)
        missing = [query.id for query in queries if (query.id, self.name, "answer") not in known]
        if not missing or self.missing == "fail":
            return
        if len(missing) == len(queries):
            names = ", ".join(sorted({teacher for _, teacher, _ in known})) or "nobody"
            raise InputError(f"{self.path}: no answer by teacher {self.name!r} to any query; it holds: {names}")
        raise InputError(
            f"{self.path}: teacher {self.name!r} has no answer to {len(missing)} of {len(queries)} queries: "
            f"{', '.join(missing[:10])}{', ...' if len(missing) > 10 else ''}. "
            "Record them, leave the queries out, or set missing: fail to count them as failed"
        )


@lru_cache(maxsize=16)
def _read(path: Path, _changed: int) -> dict[_Key, Recording]:
    found: dict[_Key, Recording] = {}
    for number, row in read_jsonl(path):
        try:
            recording = Recording.model_validate(row)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(f"{path}:{number} {where}: {first['msg']}") from None
        key = (recording.id, recording.teacher, recording.purpose)
        if key in found:
            raise InputError(f"{path}:{number}: a second {key[2]} by {key[1]!r} to query {key[0]!r}")
        found[key] = recording
    return found


def recordings(path: Path) -> dict[_Key, Recording]:
    """All recordings in a file, by query id, teacher and purpose; read once while the file stays as it is.

    Raises:
        InputError: no such file, a bad line, or one said twice.
    """
    return _read(path, path.stat().st_mtime_ns if path.exists() else 0)
