"""What an evaluation's texts and grades depend on: two evaluations that differ in it never share a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from pydantic import BaseModel

from twt_core import plugins
from twt_core.data import Data
from twt_core.distillation import asked_with
from twt_core.evaluation.settings import EvaluationSettings
from twt_core.evaluation.subjects import Subject
from twt_core.records import Query
from twt_core.run import engine_version
from twt_core.settings import Json
from twt_core.student.student import Student

VERSION = 1


class Identity(BaseModel):
    """Everything that another result could come from.

    Attributes:
        texts: what the model writes depends on.
        grades: what is read in the texts and said of them depends on, besides.
    """

    version: int = VERSION
    texts: dict[str, Json]
    grades: dict[str, Json]


def identity_of(
    subject: Subject, settings: EvaluationSettings, queries: Sequence[Query], student: Student | None
) -> Identity:
    """The identity of an evaluation. Reads all weights of the model, an adapter's base aside."""
    model: dict[str, Json]
    if settings.served is not None:
        model = {"served": settings.served.identity()}
    else:
        assert settings.student is not None  # settings have one of the two
        model = {"student": _answers_by(student), "weights": subject.weights(settings.student.model)}
    texts: dict[str, Json] = {
        **model,
        "questions": len(queries),
        "prompts": _prompts(settings, queries),
        "samples": settings.evaluation.samples,
    }
    grades: dict[str, Json] = {
        "task": settings.task.identity(),
        "from": [*sorted(plugins.distributions_in(settings.task))],
        "engine": engine_version(),
        "answers": Data.digest_of(queries),
    }
    return Identity(texts=texts, grades=grades)


def _answers_by(student: Student | None) -> Json:
    # How many are answered at once changes a text by rounding alone, and has to be lowered where memory was too small.
    found = student.answers_by if student else None
    return {k: v for k, v in found.items() if k != "generation_batch_size"} if isinstance(found, dict) else found


def _prompts(settings: EvaluationSettings, queries: Sequence[Query]) -> str:
    """A hash of what is asked, in order."""
    digest = hashlib.sha256()
    for query in queries:
        asked = asked_with(settings.prefix, query, settings.task)
        digest.update(json.dumps([query.id, asked]).encode() + b"\n")
    return digest.hexdigest()
