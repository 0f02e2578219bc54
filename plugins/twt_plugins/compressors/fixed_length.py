"""A compressor that needs no model: keep the beginning."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Self

from pydantic import Field, model_validator

from twt_core.components import Compressor, Context
from twt_core.rationale_steps import steps, words
from twt_core.records import Draft, Rewrite


class FixedLength(Compressor):
    """The beginning of each rationale within a budget of words, cut after a whole step where one ends (table 5).

    The budget is a share of the rationale, or a number: `{ratio: null, words: 40}`. A step is a sentence, a line, or a
    line of code; where not even the first fits, as many of its words stay as do.
    """

    reads_student = False

    ratio: float | None = Field(
        default=0.5, gt=0, lt=1, description="Share of each rationale's words that may stay; null where words says."
    )
    words: int | None = Field(default=None, ge=1, description="Words that may stay, whatever the rationale's length.")

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if (self.ratio is None) == (self.words is None):
            raise ValueError(
                f"ratio ({self.ratio}) and words ({self.words}) are two ways to set one budget: give one, and null for "
                "the other"
            )
        return self

    def compress(self, drafts: Sequence[Draft], context: Context) -> list[Rewrite]:
        """See `Compressor.compress`."""
        return [
            Rewrite(rationale=shorten(draft.annotation.rationale, self._budget(draft)), label=draft.annotation.label)
            for draft in drafts
        ]

    def _budget(self, draft: Draft) -> int:
        if self.ratio is None:
            return self.words or 0
        return int(Fraction(str(self.ratio)) * len(words(draft.annotation.rationale)))


def shorten(rationale: str, budget: int) -> str | None:
    """As many whole first steps as have no more than so many words; if not even one has, that many words."""
    kept, count = "", 0
    for step in steps(rationale):
        count += len(words(step))
        if count > budget:
            break
        kept += step
    return kept.strip() or _first_words(rationale, budget)


def _first_words(text: str, budget: int) -> str | None:
    end = 0
    for word in words(text)[:budget]:
        end = text.index(word, end) + len(word)
    return " ".join(text[:end].split()) or None
