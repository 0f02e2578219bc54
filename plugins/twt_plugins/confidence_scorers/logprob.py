"""The paper's alternative: the teacher's own token probabilities (table 4, 'log probability-based')."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

from pydantic import Field

from twt_core.components import ConfidenceScorer, Context
from twt_core.errors import InputError
from twt_core.records import Annotation, TokenLogprob

#: What stands before an answer: "The answer is:", "**Answer**:", the key of a structured answer, a box.
_MARK = re.compile(r"(?<!\w)answer[\"*_ \t]*(?:is\b[*_ \t]*)?[:\uff1a]|\\boxed\s?\{", re.IGNORECASE)


class Logprob(ConfidenceScorer):
    """exp of a mean token log-probability: the geometric mean of the probabilities of the tokens in question.

    `whole` takes every token, as in the paper. A long text of sure words hides an unsure answer, so two narrower views
    are offered: `answer`, the tokens of the label alone; and `local`, the worst `window` tokens in a row, after the
    lowest group confidence of "Deep Think with Confidence" (Fu et al. 2025, arXiv:2508.15260), with the written
    tokens' log-probs in place of its top-k mean, which few servers return.

    Needs teachers that return log-probs; an annotation without them has no confidence, nor has one whose tokens do not
    join to its text, or whose label is not found in it, where `answer` is asked for. The scale is not that of a
    self-reported score: choose the filter's threshold for it.
    """

    over: Literal["whole", "answer", "local"] = Field(
        default="whole", description="Which tokens count: all, those of the answer, or the least likely stretch."
    )
    window: int = Field(
        default=16, ge=1, description="Tokens in a stretch, for `over: local`; a shorter text counts whole."
    )

    def check_run(self, context: Context) -> None:
        """Refuse a teacher that could give log-probs and is not asked for them.

        Raises:
            InputError: which one, and the option to set.
        """
        for teacher in context.teachers:
            if getattr(teacher, "logprobs", None) is False:
                raise InputError(
                    f"confidence_scorer logprob: teacher {teacher.name!r} is not asked for log-probabilities. "
                    "Set logprobs: true on it, or use another scorer"
                )

    def score(self, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
        """See `ConfidenceScorer.score`."""
        return [self._confidence(annotation) for annotation in annotations]

    def _confidence(self, annotation: Annotation) -> float | None:
        values = [token.logprob for token in annotation.logprobs or ()]
        if self.over == "answer":
            values = _of_answer(annotation)
        if not values:
            return None
        mean = _lowest_mean(values, self.window) if self.over == "local" else sum(values) / len(values)
        return min(1.0, math.exp(mean))


def _lowest_mean(values: Sequence[float], window: int) -> float:
    size = min(window, len(values))
    sums = list(accumulate(values, initial=0.0))
    return min(end - start for start, end in zip(sums, sums[size:], strict=False)) / size


def _of_answer(annotation: Annotation) -> list[float]:
    tokens = annotation.logprobs or ()
    text = "".join(token.token for token in tokens)
    # Pieces may go on after the text: an end token is no part of it.
    offset = text.find(annotation.text.strip())
    span = _answer_span(annotation.text.strip(), annotation.label or "")
    if offset < 0 or span is None:
        return []
    return _within(tokens, offset + span[0], offset + span[1])


def _answer_span(text: str, label: str) -> tuple[int, int] | None:
    """Where the label stands after the last mark that it follows, as written or as JSON writes it."""
    forms = "|".join(re.escape(form) for form in (label, json.dumps(label)[1:-1]))
    written = re.compile(rf"(?<!\w)(?:{forms})(?!\w)", re.IGNORECASE)
    for mark in reversed(list(_MARK.finditer(text))):
        if label and (found := written.search(text, mark.end())):
            return found.span()
    return None


def _within(tokens: Sequence[TokenLogprob], start: int, end: int) -> list[float]:
    ends = list(accumulate(len(token.token) for token in tokens))
    begins = [0, *ends]
    return [t.logprob for t, begin, stop in zip(tokens, begins, ends, strict=False) if begin < end and start < stop]
