"""Recorded outputs in a teacher's place: no network, no cost, the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Literal

from pydantic import Field

from twt_core.components import Teacher
from twt_core.errors import InputError, TeacherError
from twt_core.records import Completion, Failed, Purpose, Query, Request
from twt_core.settings import ConfigPath, Json
from twt_plugins.teachers.recordings import Key, recordings


class Replay(Teacher):
    """Recorded outputs, found by query id, teacher name, purpose and sample; the prompt plays no part.

    A line of an OpenAI batch's output file is an answer to the query that its ``custom_id`` names, by this teacher,
    whatever model the file names; several choices are as many samples. A rewrite was recorded for the student of its
    day; replayed, it is the same whatever the student writes now.
    """

    not_identity = Teacher.not_identity | {"missing_shown"}

    path: ConfigPath = Field(
        description="JSONL, gzipped or not: id, teacher, text; optional purpose, sample, about, logprobs, usage, "
        "finish_reason. Or an OpenAI batch's output."
    )
    missing: Literal["refuse", "fail"] = Field(
        default="refuse", description="Queries without a recorded answer: refuse the run, or count them as failed."
    )
    missing_shown: int = Field(
        default=10, ge=0, description="How many of the missing outputs a refusal lists; 0 lists all."
    )

    async def complete(self, request: Request) -> Completion:
        """See `Teacher.complete`."""
        found = self._said(_key(request))
        if isinstance(found, Completion):
            return found
        raise TeacherError(found.cause if found else self._not_there(request.purpose), retry="never")

    def canonical_request(self, request: Request) -> dict[str, Json]:
        """The recorded text itself: a file with more rows in it leaves known answers known."""
        found = self._said(_key(request))
        text = sha256(found.model_dump_json().encode()).hexdigest() if found else None
        key: dict[str, Json] = {"id": request.query_id, "purpose": request.purpose, "text": text}
        if request.sample:
            key["sample"] = request.sample
        if request.about is not None:
            key["about"] = request.about
        return {"use": self.use, "name": self.name, **key}

    def preflight(self, queries: Sequence[Query]) -> None:
        """Refuse queries that have no recorded answer, unless they may fail."""
        missing = self._missing(queries, "answer")
        if not missing or self.missing == "fail":
            return
        if len(missing) == len(queries) * self.samples:
            raise InputError(f"{self.path}: no answer by teacher {self.name!r} to any query; it holds: {self._holds()}")
        raise InputError(
            f"{self.path}: teacher {self.name!r} has no {self._counted('answer', missing, queries)}. "
            f"{self._rewrites(queries)}"
            "Record them, leave the queries out, or set missing: fail to count them as failed"
        )

    def _said(self, key: Key) -> Completion | Failed | None:
        known = recordings(self.path)
        return known.get(key._replace(teacher=self.name)) or known.get(key._replace(teacher=None))

    def _not_there(self, purpose: Purpose) -> str:
        return f"no {purpose} is recorded in {self.path.name}"

    def _missing(self, queries: Sequence[Query], purpose: Purpose) -> list[Key]:
        wanted = [Key(query.id, self.name, purpose, sample) for query in queries for sample in range(self.samples)]
        return [key for key in wanted if not isinstance(self._said(key), Completion)]

    def _counted(self, purpose: Purpose, missing: Sequence[Key], queries: Sequence[Query]) -> str:
        of = f"{len(queries)} queries" if self.samples == 1 else f"{len(queries)} queries x {self.samples} samples"
        shown = [self._shown(key) for key in missing[: self.missing_shown or None]]
        more = len(missing) - len(shown)
        rest = f" and {more} more (missing_shown: 0 lists all)" if more else ""
        return f"{purpose} to {len(missing)} of {of}: {', '.join(shown)}{rest}"

    def _shown(self, key: Key) -> str:
        name = key.query_id if self.samples == 1 else f"{key.query_id} (sample {key.sample})"
        said = self._said(key)
        return f"{name} [{said.cause}]" if isinstance(said, Failed) else name

    def _rewrites(self, queries: Sequence[Query]) -> str:
        # A file of answers alone is for runs that ask for no rewrites: only gaps are worth a word.
        missing = self._missing(queries, "rewrite")
        if not missing or len(missing) == len(queries) * self.samples:
            return ""
        return f"It has no {self._counted('rewrite', missing, queries)}; there the original rationale stays. "

    def _holds(self) -> str:
        known = recordings(self.path)
        batch = next((key.query_id for key in known if key.teacher is None), None)
        return ", ".join(
            [*sorted({key.teacher for key in known if key.teacher is not None})]
            + ([f"a batch's output, whose first custom_id is {batch!r}"] if batch is not None else [])
        )


def _key(request: Request) -> Key:
    return Key(request.query_id, None, request.purpose, request.sample, request.about)
