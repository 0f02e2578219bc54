"""A pair drawn at random: the baseline every selector must beat."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from pydantic import Field

from twt_core.components import Context, DiversitySelector
from twt_core.records import Annotation
from twt_plugins.diversity_selectors.pairs import Pair, select_pairs


class RandomPair(DiversitySelector):
    """Two annotations a query, drawn uniformly, where three or more teachers remain; else all.

    A query's draw depends on the seed and its id alone, so that adding queries changes no other query's pair.
    """

    seed: int = Field(default=0, ge=0, description="Seed of the draw.")

    def select(self, pool: Sequence[Annotation], context: Context) -> list[Annotation]:
        """See `DiversitySelector.select`."""
        return select_pairs(pool, self._draw)

    def _draw(self, annotations: Sequence[Annotation]) -> Pair:
        first, second = sorted(Random(f"{self.seed}/{annotations[0].query_id}").sample(range(len(annotations)), 2))
        return first, second
