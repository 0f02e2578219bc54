"""A compressor that needs no model: keep the beginning."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import Field

from twt_core.components import Compressor, Context
from twt_core.records import Draft, Rewrite

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


class FixedLength(Compressor):
    """The rationale's first `ratio` of words, cut after a whole sentence where one ends within it (table 5)."""

    reads_student = False

    ratio: float = Field(default=0.5, gt=0, lt=1, description="Share of each rationale's words that may stay.")

    def compress(self, drafts: Sequence[Draft], context: Context) -> list[Rewrite]:
        """See `Compressor.compress`."""
        return [
            Rewrite(rationale=shorten(draft.annotation.rationale, self.ratio), label=draft.annotation.label)
            for draft in drafts
        ]


def shorten(rationale: str, ratio: float) -> str | None:
    """As many whole first sentences as fit in `ratio` of the words; if not even one fits, that many words."""
    allowed = int(len(rationale.split()) * ratio)
    kept: list[str] = []
    for sentence in _SENTENCE_END.split(rationale):
        if sum(len(s.split()) for s in kept) + len(sentence.split()) > allowed:
            break
        kept.append(sentence)
    return " ".join(kept) or " ".join(rationale.split()[:allowed]) or None
