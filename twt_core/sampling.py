"""Dual-Criteria Rejection Sampling: ask, score, keep, select (section 3.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from twt_core import contract
from twt_core.asking import Desk
from twt_core.components import ConfidenceScorer, Context, DiversitySelector, QualityFilter, TaskEvaluator, Teacher
from twt_core.errors import TwtError
from twt_core.records import Annotation, Completion, Failed, Query, Request


def requests_for(queries: Sequence[Query], teachers: Sequence[Teacher], task: TaskEvaluator) -> list[Request]:
    """Every query to every teacher, ordered by query, then by teacher."""
    return [
        Request(query_id=query.id, teacher=teacher.name, purpose="answer", messages=tuple(messages))
        for query in queries
        for messages in [task.teacher_messages(query.unlabeled())]
        for teacher in teachers
    ]


def annotate(
    queries: Sequence[Query], teachers: Sequence[Teacher], task: TaskEvaluator, desk: Desk
) -> list[Annotation]:
    """One annotation for each query and teacher, failed ones included with their cause."""
    known = {query.id: query.unlabeled() for query in queries}
    requests = requests_for(queries, teachers, task)
    return [
        _annotation(request, answer, known[request.query_id], task)
        for request, answer in zip(requests, desk.ask(requests), strict=True)
    ]


def _annotation(request: Request, answer: Completion | Failed, query: Query, task: TaskEvaluator) -> Annotation:
    if isinstance(answer, Failed):
        return Annotation(query_id=query.id, teacher=request.teacher, failure=answer.cause)
    reading = task.read(answer.text, query)
    return Annotation(
        query_id=query.id,
        teacher=request.teacher,
        text=answer.text,
        rationale=reading.rationale,
        label=reading.label,
        factors=reading.factors,
        score=reading.score,
        logprobs=answer.logprobs,
        failure=_missing(reading.rationale, reading.label),
    )


def _missing(rationale: str, label: str | None) -> str | None:
    if label is None:
        return "no answer found in the text"
    return None if rationale else "no rationale found in the text"


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
