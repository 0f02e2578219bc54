"""A compressor that asks the student itself what it needs to be told."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Literal

from pydantic import Field

from twt_core.components import Compressor, Context
from twt_core.rationale_steps import steps
from twt_core.records import Draft, Rewrite, TokenLogprob

_WORD = re.compile(r"\s*\S+\s*")


class Selective(Compressor):
    """Drops what the student of the stage before predicts best (Selective Context: Li et al. 2023, arXiv 2310.06201).

    The self-information of a token is -ln p, given the question and the rationale so far. A word has the sum over its
    tokens; a step their mean, since by sums the short steps would go. Of n units the floor(ratio * n) with most stay,
    at least one, in their order; of equal ones the earlier. Needs no model besides the student.
    """

    reads_student = False
    reads_logprobs = True

    ratio: float = Field(default=0.5, gt=0, lt=1, description="Share of each rationale's words or steps that stay.")
    unit: Literal["step", "word"] = Field(
        default="step", description="What is kept or dropped as a whole: sentences and lines, or single words."
    )

    def compress(self, drafts: Sequence[Draft], context: Context) -> list[Rewrite]:
        """See `Compressor.compress`."""
        there = [index for index, draft in enumerate(drafts) if draft.annotation.rationale.strip()]
        pairs = [
            (context.task.student_messages(drafts[i].query.unlabeled()), drafts[i].annotation.rationale) for i in there
        ]
        rewrites = [Rewrite(label=draft.annotation.label) for draft in drafts]
        for index, tokens in zip(there, context.student_logprobs(pairs) if pairs else [], strict=True):
            shortened = self._shortened(drafts[index].annotation.rationale, tokens)
            rewrites[index] = rewrites[index].model_copy(update={"rationale": shortened})
        return rewrites

    def _shortened(self, text: str, tokens: Sequence[TokenLogprob]) -> str | None:
        units = _WORD.findall(text) if self.unit == "word" else steps(text)
        information = self._information(units, tokens)
        count = max(1, int(Fraction(str(self.ratio)) * len(units)))
        kept = sorted(sorted(range(len(units)), key=lambda unit: -information[unit])[:count])
        return "".join(units[unit] for unit in kept).strip() or None

    def _information(self, units: Sequence[str], tokens: Sequence[TokenLogprob]) -> list[float]:
        found: list[list[float]] = [[] for _ in units]
        for unit, token in zip(_units_of(units, tokens), tokens, strict=True):
            found[unit].append(-token.logprob)
        # A unit without a token of its own came with one of the unit before.
        return [sum(own) / (1 if self.unit == "word" else max(1, len(own))) for own in found]


def _units_of(units: Sequence[str], tokens: Sequence[TokenLogprob]) -> list[int]:
    """For each token the unit in which its first visible character is, or its first, if it has none."""
    ends = list(accumulate(len(unit) for unit in units))
    starts = accumulate((len(token.token) for token in tokens), initial=0)
    found = []
    for start, (text, _) in zip(starts, tokens, strict=False):
        seen = start + (len(text) - len(text.lstrip()) if text.strip() else 0)
        found.append(min(bisect_right(ends, seen), len(units) - 1))
    return found
