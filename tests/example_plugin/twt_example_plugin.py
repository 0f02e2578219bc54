"""A diversity selector and a confidence scorer that TwT does not ship."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from pydantic import Field

from twt_core.components import ConfidenceScorer, Context, DiversitySelector
from twt_core.hookspecs import Register, hookimpl
from twt_core.records import Annotation


class Brevity(ConfidenceScorer):
    """The shorter the rationale, the higher: 1 for no words, 0 from `longest` words on."""

    longest: int = Field(default=200, ge=1, description="Words from which on the confidence is 0.")

    def score(self, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
        """See `ConfidenceScorer.score`."""
        return [max(0.0, 1 - len(a.rationale.split()) / self.longest) for a in annotations]


class LongestPair(DiversitySelector):
    """The two longest rationales of each query."""

    def select(self, pool: Sequence[Annotation], context: Context) -> list[Annotation]:
        """See `DiversitySelector.select`."""
        queries = [list(group) for _, group in groupby(pool, key=lambda a: a.query_id)]
        return [a for query in queries for a in sorted(query, key=lambda a: -len(a.rationale))[:2]]


@hookimpl
def register_confidence_scorers(register: Register) -> None:
    """See `twt_core.hookspecs`."""
    register("brevity", Brevity)


@hookimpl
def register_diversity_selectors(register: Register) -> None:
    """See `twt_core.hookspecs`."""
    register("longest_pair", LongestPair)
