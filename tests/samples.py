"""Records for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from twt_core.components import AskTeachers, Context, Embed, TaskEvaluator
from twt_core.prompts import Message
from twt_core.records import Annotation, Failed, Prediction, Query, Request

QUERY = Query(id="q1", query="What is 3 plus 4?", answer="7")


def annotation(query_id: str = "q1", teacher: str = "ann", **more: Any) -> Annotation:
    """A kept annotation."""
    rationale = f"{teacher} adds for {query_id}. Three and four are seven."
    return Annotation(
        **{
            "query_id": query_id, "teacher": teacher, "text": f"Thinking: {rationale}\nThe answer is: 7\nScore: 0.97",
            "rationale": rationale, "label": "7", "score": 0.97, "confidence": 0.97,
            "logprobs": (("a", -0.1), ("b", -0.3)),
            **more,
        }
    )  # fmt: skip


def pool(teachers: dict[str, str]) -> list[Annotation]:
    """Kept annotations from ``{query id: one letter a teacher}``."""
    return [annotation(query_id, teacher) for query_id, letters in teachers.items() for teacher in letters]


def request(query_id: str = "q1", teacher: str = "ann", purpose: str = "answer", text: str = "What?") -> Request:
    """A request."""
    return Request(query_id=query_id, teacher=teacher, purpose=purpose, messages=(Message("user", text),))


def predictions(verdicts: str, tokens: int = 10) -> list[Prediction]:
    """One a letter: ``+`` right, ``-`` wrong, ``?`` without a verdict."""
    right = {"+": True, "-": False, "?": None}
    return [
        Prediction(query_id=str(n), text="", tokens=tokens, seconds=0.5, correct=right[letter])
        for n, letter in enumerate(verdicts)
    ]


class ByPosition:
    """A stand-in embedder for tests of selection alone: each text is its own list of numbers, made a unit vector."""

    def __call__(self, embedder: str, texts: Sequence[str]) -> np.ndarray:
        vectors = np.array([[float(number) for number in text.split()] for text in texts], dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def context(
    task: TaskEvaluator | None = None,
    queries: Sequence[Query] = (),
    ask: AskTeachers = lambda requests: [Failed(cause="nobody is there") for _ in requests],
    embed: Embed | None = None,
) -> Context:
    """What a component is offered: exact match, no teachers, and `ByPosition` unless told otherwise."""
    task = task or TaskEvaluator.model_validate({"use": "exact_match"})
    return Context(task, {query.id: query for query in queries}, ask, embed or ByPosition())
