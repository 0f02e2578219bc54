"""A pair drawn at random: the baseline every selector must beat."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from pydantic import Field

from twt_core.components import Context
from twt_core.records import Annotation
from twt_plugins.diversity_selectors.pairs import OnePair


class RandomPair(OnePair):
    """Two annotations of two teachers a query, drawn uniformly, where three or more teachers remain; else all.

    A query's draw depends on the seed and its id alone, so that adding queries changes no other query's pair.
    """

    seed: int = Field(default=0, ge=0, description="Seed of the draw.")

    def picks(self, queries: Sequence[Sequence[Annotation]], context: Context) -> list[list[int]]:
        """See `PerQuery.picks`."""
        return [self._draw(annotations) for annotations in queries]

    def _draw(self, annotations: Sequence[Annotation]) -> list[int]:
        random = Random(f"{self.seed}/{annotations[0].query_id}")
        while True:  # three teachers: at least every other draw has two of them
            first, second = random.sample(range(len(annotations)), 2)
            if annotations[first].teacher != annotations[second].teacher:
                return [first, second]
