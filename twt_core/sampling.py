"""Dual-Criteria Rejection Sampling: ask, score, keep, select (section 3.1)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from twt_core import contract
from twt_core.asking import Desk
from twt_core.components import ConfidenceScorer, Context, DiversitySelector, QualityFilter, TaskEvaluator, Teacher
from twt_core.errors import TwtError
from twt_core.prompts import Message
from twt_core.records import Annotation, Completion, Failed, Query, Reading, Request
from twt_core.settings import Json

#: What a provider's reason for ending a text says of what is missing in it.
_CUT_OFF = {
    "length": ": it was cut off at the most tokens allowed (max_tokens)",
    "content_filter": ": the provider's content filter ended it",
}


def requests_for(queries: Iterable[Query], teachers: Sequence[Teacher], task: TaskEvaluator) -> Iterator[Request]:
    """Every query to every teacher as often as it samples, ordered by query, then by teacher, then by sample."""
    for query in map(Query.unlabeled, queries):
        messages = contract.teacher_messages(task, query)
        for teacher in teachers:
            schema = contract.answer_schema(teacher, task, query)
            for sample in range(teacher.samples):
                yield Request(
                    query_id=query.id,
                    teacher=teacher.name,
                    purpose="answer",
                    messages=messages if schema is None else _structured(messages, schema),
                    sample=sample,
                    json_schema=schema,
                )


def _structured(messages: tuple[Message, ...], schema: dict[str, Json]) -> tuple[Message, ...]:
    *before, last = messages
    asked = f"{last.content}\n\nAnswer with one JSON object and nothing else. Its schema: {json.dumps(schema)}"
    return (*before, Message(last.role, asked))


def annotate(
    queries: Mapping[str, Query], teachers: Sequence[Teacher], task: TaskEvaluator, desk: Desk
) -> Iterator[Annotation]:
    """One annotation for each query, teacher and sample, failed ones included with their cause.

    Answers go to the ledger as they come and are read from there in order, so that the memory this needs does not grow
    with the number of queries.
    """
    own = {teacher.name: requests_for(queries.values(), [teacher], task) for teacher in teachers}
    answers = desk.fetch(own, {teacher.name: len(queries) * teacher.samples for teacher in teachers})
    for number, query in enumerate(queries.values()):
        for teacher in teachers:
            for sample in range(teacher.samples):
                answer = answers.of(teacher.name, number * teacher.samples + sample)
                yield _annotation(query, teacher.name, sample, answer, task)


def _annotation(
    query: Query, teacher: str, sample: int, answer: Completion | Failed, task: TaskEvaluator
) -> Annotation:
    if isinstance(answer, Failed):
        return Annotation(query_id=query.id, teacher=teacher, sample=sample, failure=answer.cause)
    reading = contract.read(task, answer.text, query)
    return Annotation(
        query_id=query.id,
        teacher=teacher,
        sample=sample,
        text=answer.text,
        rationale=reading.rationale,
        label=reading.label,
        factors=reading.factors,
        score=reading.score,
        logprobs=answer.logprobs,
        failure=_missing(reading, answer.finish_reason),
    )


def _missing(reading: Reading, finish_reason: str | None) -> str | None:
    if reading.label is not None and reading.rationale:
        return None
    missing = "no answer" if reading.label is None else "no rationale"
    return f"{missing} found in the text{_CUT_OFF.get(finish_reason or '', '')}"


def score(annotations: Sequence[Annotation], scorer: ConfidenceScorer, context: Context) -> list[Annotation]:
    """Each annotation with its confidence; one that cannot be scored has failed."""
    usable = [annotation for annotation in annotations if annotation.failure is None]
    confidences = iter(contract.score(scorer, usable, context))
    return [a if a.failure is not None else _with_confidence(a, next(confidences)) for a in annotations]


def _with_confidence(annotation: Annotation, confidence: float | None) -> Annotation:
    if confidence is None:
        return annotation.model_copy(update={"failure": "no usable confidence"})
    return annotation.model_copy(update={"confidence": confidence})


def keep(annotations: Sequence[Annotation], quality_filter: QualityFilter, context: Context) -> list[Annotation]:
    """Each scored annotation with its verdict: a rejected one carries the reason."""
    usable = [annotation for annotation in annotations if annotation.failure is None]
    verdicts = iter(contract.judge(quality_filter, usable, context))
    return [a if a.failure is not None else a.model_copy(update={"rejection": next(verdicts)}) for a in annotations]


def select(annotations: Sequence[Annotation], selector: DiversitySelector, context: Context) -> list[Annotation]:
    """G: the chosen ones among the kept, ordered as they came."""
    pool = [a for a in annotations if a.failure is None and a.rejection is None]
    if not pool:
        why = Counter(a.failure or a.rejection for a in annotations).most_common(3)
        reasons = "; ".join(f"{count} x {reason}" for reason, count in why)
        raise TwtError(
            f"no annotation was kept, so there is nothing to learn from: {reasons}. Change the quality filter"
        )
    chosen = {a.key for a in contract.select(selector, pool, context)}
    return [a for a in pool if a.key in chosen]
