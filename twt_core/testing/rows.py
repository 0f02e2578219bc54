"""Annotations and drafts that are hard on a component, and many of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import cycle, islice

from twt_core.components import Context
from twt_core.records import Annotation, Draft, TokenLogprob
from twt_core.testing.texts import RATIONALES


def hard_annotations(rows: Sequence[Annotation]) -> dict[str, list[Annotation]]:
    """Batches by what is hard about them, made out of sound annotations."""
    first = rows[0]
    own = [row for row in rows if row.query_id == first.query_id]
    return {
        "rows that are all alike": [
            row.model_copy(update={**_ALIKE, "rationale": first.rationale, "label": first.label}) for row in rows
        ],
        "rows of one query": own,
        "rows of one teacher": [row for row in rows if row.teacher == first.teacher],
        "rows without confidence, score, factors and log-probabilities": [_changed(row, _MISSING) for row in rows],
        "rows of failed calls": [
            _changed(row, {**_MISSING, "text": "", "rationale": "", "label": None, "failure": "HTTP 500"})
            for row in rows
        ],
        "rows of which some have all parts and some none": [
            _changed(row, _MISSING) if number % 2 else row for number, row in enumerate(rows)
        ],
        "rows with scores out of range": [_changed(row, _OUT_OF_RANGE) for row in rows],
        "rows with the same confidence": [_changed(row, {"confidence": 1.0, "score": 1.0}) for row in rows],
        "rows with confidence 0": [_changed(row, {"confidence": 0.0, "score": 0.0}) for row in rows],
        "rows with odd texts": [
            _changed(row, {"rationale": text, "text": f"{text}\nThe answer is: {row.label}"})
            for row, text in zip(rows, cycle((*RATIONALES, "", " ", "\n")), strict=False)
        ],
        "rows whose tokens are not their text": [
            _changed(row, {"logprobs": (TokenLogprob("x", -1.0), TokenLogprob("", 0.0))}) for row in rows
        ],
    }


_ALIKE: Mapping[str, object] = {"text": "The same.", "confidence": 0.5, "score": 0.5, "factors": {}, "logprobs": None}
_MISSING: Mapping[str, object] = {"confidence": None, "score": None, "factors": {}, "logprobs": None}
_OUT_OF_RANGE: Mapping[str, object] = {"score": 97.0, "factors": {"correctness": -1.0, "clarity": 12.0, "speed": 0.5}}


def _changed(row: Annotation, update: Mapping[str, object]) -> Annotation:
    return row.model_copy(update=dict(update))


def hard_drafts(drafts: Sequence[Draft]) -> dict[str, list[Draft]]:
    """Batches by what is hard about them, made out of sound drafts."""
    texts = (*RATIONALES, "", " ", "\n", "Yes", "No end", "...", "1.\n2.\n3.", "x" * 20_000, "\u6771\u4eac" * 50)
    return {
        "drafts with odd rationales": [
            _with(draft, text) for draft, text in zip(cycle(drafts[:1]), texts, strict=False)
        ],
        "drafts that are all alike": [_with(draft, drafts[0].annotation.rationale) for draft in drafts],
        "drafts without a text of the student's": [
            draft.model_copy(update={"student_rationale": ""}) for draft in drafts
        ],
        "drafts with odd texts of the student's": [
            draft.model_copy(update={"student_rationale": text})
            for draft, text in zip(drafts, cycle(texts), strict=False)
        ],
    }


def _with(draft: Draft, rationale: str) -> Draft:
    return draft.model_copy(update={"annotation": draft.annotation.model_copy(update={"rationale": rationale})})


def more_annotations(
    rows: Sequence[Annotation], context: Context
) -> Callable[[int], tuple[Sequence[Annotation], Context]]:
    """Makes any number of annotations out of some: of further queries, with rationales of their own."""

    def enlarged(count: int) -> tuple[Sequence[Annotation], Context]:
        found = [
            row.model_copy(
                update={"query_id": f"{row.query_id}/{copy}", "rationale": f"{row.rationale} That is note {copy}."}
            )
            for copy, row in islice(((n, row) for n in range(count) for row in rows), count)
        ]
        return found, _with_copies(context, {row.query_id for row in found})

    return enlarged


def more_drafts(drafts: Sequence[Draft], context: Context) -> Callable[[int], tuple[Sequence[Draft], Context]]:
    """Makes any number of drafts out of some."""
    students = [draft.student_rationale for draft in drafts]
    more = more_annotations([draft.annotation for draft in drafts], context)

    def enlarged(count: int) -> tuple[Sequence[Draft], Context]:
        rows, larger = more(count)
        made = [
            Draft(query=larger.queries[row.query_id], annotation=row, student_rationale=student)
            for row, student in zip(rows, cycle(students), strict=False)
        ]
        return made, larger

    return enlarged


def _with_copies(context: Context, ids: set[str]) -> Context:
    known = ((id_, context.queries[id_.rpartition("/")[0]]) for id_ in sorted(ids))
    return replace(context, queries={id_: query.model_copy(update={"id": id_}) for id_, query in known})
