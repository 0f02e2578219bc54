"""What the kit tries components on where nothing else is given: a task, queries, annotations, drafts, a context."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from twt_core.components import Context, TaskEvaluator, Teacher
from twt_core.errors import TeacherError
from twt_core.prompts import Message
from twt_core.records import Annotation, Completion, Draft, Failed, Query, Reading, Request, TokenLogprob

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The sample's teachers. The first one gives two answers to each query.
TEACHERS = ("ann", "ben", "cat", "dan")

_CONFIDENCES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.95, 0.99, 1.0)
_STEPS = (
    "First {a} is written down, and {b} beside it.",
    "Both are counted on a line of dots, one after the other, until none is left.",
    "Starting from {a}, going on by {b} leads to {c}.",
    "The order does not matter here: {b} and {a} give the same.",
    "A check by taking {b} away again leads back to {a}.",
    "Nothing was forgotten; all parts are in the sum.",
)
_ODD_IDS = ("q 1/\u00e4", "7", "\u6771\u4eac", "a" * 200)


class SampleTask(TaskEvaluator):
    """The kit's own kind of question: a number, after "The answer is:"."""

    def teacher_messages(self, query: Query) -> list[Message]:
        """See `TaskEvaluator.teacher_messages`."""
        return [Message("user", f'{query.query}\nThink, and end with a line "The answer is: " and the number.')]

    def factor_weights(self, query: Query) -> dict[str, float]:
        """See `TaskEvaluator.factor_weights`."""
        return {"correctness": 0.75, "clarity": 0.25}

    def read(self, text: str, query: Query) -> Reading:
        """See `TaskEvaluator.read`."""
        thinking, mark, label = text.rpartition("The answer is:")
        if not mark:
            return Reading(rationale=text.strip())
        return Reading(rationale=thinking.strip(), label=label.strip().partition("\n")[0] or None)

    def same(self, label: str, other: str, query: Query) -> bool:
        """See `TaskEvaluator.same`."""
        return label.strip() == other.strip()


class SampleTeacher(Teacher):
    """Stands for a run's teacher. Nobody is asked."""

    async def complete(self, request: Request) -> Completion:
        """See `Teacher.complete`.

        Raises:
            TeacherError: always.
        """
        raise TeacherError("nobody is asked in a test", retry="never")


@dataclass(frozen=True)
class HashEmbed:
    """Unit vectors of 32 dimensions out of a text's hash: equal for equal texts, unrelated for others."""

    def __call__(self, embedder: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Context.embed`."""
        import numpy as np

        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise TypeError("embed(embedder, texts) takes a list of texts")
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        digests = b"".join(hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in texts)
        vectors = np.frombuffer(digests, dtype=np.uint8).reshape(len(texts), -1) - np.float32(127.5)
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


@dataclass(frozen=True)
class Scripted:
    """Answers in teachers' place, the same for the same request.

    A request to grade gets a word or a number; one to rewrite the first part of the rationale, with its answer; one in
    five fails, and one in five gets nonsense.

    Attributes:
        drafts: what may be rewritten, by query, teacher and sample.
        task: writes the rewrites.
    """

    drafts: Mapping[tuple[str, str, int], Draft] = field(default_factory=dict)
    task: TaskEvaluator = field(default_factory=SampleTask)

    def __call__(self, requests: Sequence[Request]) -> list[Completion | Failed]:
        """See `Context.ask`."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Completion | Failed:
        number = int.from_bytes(hashlib.sha256(request.model_dump_json().encode()).digest()[:4], "big")
        if number % 5 == 0:
            return Failed(cause="the server is busy")
        if number % 5 == 1:
            return Completion(text="Hm. \ufffd {", finish_reason="length")
        draft = self.drafts.get((request.query_id, request.teacher, request.sample))
        if request.purpose == "rewrite" and draft is not None:
            words = draft.annotation.rationale.split()
            shorter = " ".join(words[: max(1, len(words) // 3)])
            return Completion(text=self.task.completion(shorter, draft.annotation.label or "", draft.query))
        return Completion(text=("Good", "Medium", "Poor", "0.75")[number % 4], finish_reason="stop")


def word_logprobs(pairs: Sequence[tuple[Sequence[Message], str]]) -> list[list[TokenLogprob]]:
    """See `Context.student_logprobs`: each word a token, the likelier the shorter."""
    return [[TokenLogprob(token, -0.1 * len(token)) for token in _tokens(text)] for _, text in pairs]


def no_logprobs(_: Sequence[tuple[Sequence[Message], str]]) -> list[list[TokenLogprob]]:
    """What a compressor that does not say `reads_logprobs` gets.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError("student_logprobs is for compressors whose class says so: reads_logprobs = True")


def sample_queries(count: int = 24) -> list[Query]:
    """Queries without answers, some with an odd id."""
    return [Query(id=_id(number), query=f"What is {number + 3} plus {number % 7}?") for number in range(count)]


def _id(number: int) -> str:
    odd, rest = divmod(number, 6)
    return _ODD_IDS[odd] if rest == 5 and odd < len(_ODD_IDS) else f"q{number}"


def sample_context(task: TaskEvaluator | None = None, queries: Sequence[Query] | None = None) -> Context:
    """A context that needs no model and no network: vectors out of hashes, answers out of a script.

    Args:
        task: the kit's own, questions with a number for an answer, if not given.
        queries: the kit's own if not given. Their answers are left out, as a run leaves them out.
    """
    unlabeled = [query.unlabeled() for query in (sample_queries() if queries is None else queries)]
    return Context(
        task or SampleTask(),
        {query.id: query for query in unlabeled},
        Scripted(),
        HashEmbed(),
        teachers=tuple(SampleTeacher(name=name, samples=1 + (name == TEACHERS[0])) for name in TEACHERS),
        student_logprobs=no_logprobs,
    )


def sample_annotations(context: Context) -> list[Annotation]:
    """Scored annotations of a context's queries, ordered as in a run: equal confidences, equal texts, missing parts.

    A query has those of none to four teachers, as where calls failed.
    """
    return [annotation for number, query in enumerate(context.queries.values()) for annotation in _of(query, number)]


def _of(query: Query, number: int) -> Iterator[Annotation]:
    draw = Random(f"twt kit/{number}")
    missing = {} if number % 3 == 0 else set(draw.sample(TEACHERS, number % 5))
    for place, teacher in enumerate(TEACHERS):
        for sample in range(2 if place == 0 else 1):
            if teacher not in missing:
                yield _annotation(query, teacher, sample, number, draw)


def _annotation(query: Query, teacher: str, sample: int, number: int, draw: Random) -> Annotation:
    a, b = number + 3, number % 7
    known = {"a": a, "b": b, "c": a + b}
    steps = _STEPS if draw.random() < 0.3 else draw.sample(_STEPS, draw.randint(2, len(_STEPS)))
    rationale = (" " if draw.random() < 0.7 else "\n").join(step.format(**known) for step in steps)
    label = "AB"[draw.random() < 0.2] if query.choices else str(a + b + (draw.random() < 0.2))
    confidence = draw.choice(_CONFIDENCES)
    text = f"Thinking: {rationale}\nThe answer is: {label}\nScore: {confidence}"
    return Annotation(
        query_id=query.id,
        teacher=teacher,
        sample=sample,
        text=text,
        rationale=rationale,
        label=label,
        factors={"correctness": confidence, "clarity": draw.choice(_CONFIDENCES)} if draw.random() < 0.5 else {},
        score=confidence if draw.random() < 0.9 else None,
        logprobs=tuple(TokenLogprob(token, -draw.random()) for token in _tokens(text)) if draw.random() < 0.8 else None,
        confidence=confidence,
    )


def sample_drafts(annotations: Sequence[Annotation], context: Context) -> list[Draft]:
    """What a compressor gets for annotations: every third without a text of the student's."""
    return [
        Draft(
            query=context.queries[annotation.query_id],
            annotation=Annotation(
                query_id=annotation.query_id,
                teacher=annotation.teacher,
                sample=annotation.sample,
                rationale=annotation.rationale,
                label=annotation.label,
            ),
            student_rationale="" if number % 3 == 0 else "I add them up, and that is it.",
        )
        for number, annotation in enumerate(annotations)
    ]


def _tokens(text: str) -> list[str]:
    """Words with the space before them; joined, they are the text."""
    first, *rest = text.split(" ")
    return [first, *(f" {word}" for word in rest)]
