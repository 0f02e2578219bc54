"""What selectors of one pair a query have in common."""

from __future__ import annotations

from collections.abc import Sequence

from twt_core.records import Annotation
from twt_plugins.diversity_selectors.per_query import PerQuery

#: Positions of two of a query's annotations, the lower first.
Pair = tuple[int, int]


class OnePair(PerQuery):
    """Chooses two annotations of two teachers."""

    def crowded(self, annotations: Sequence[Annotation]) -> bool:
        """Whether three or more teachers remain (section 3.1.2)."""
        return len({annotation.teacher for annotation in annotations}) >= 3
