"""No selection: the baseline without diversity selection (table 6)."""

from __future__ import annotations

from collections.abc import Sequence

from twt_core.components import Context
from twt_core.records import Annotation
from twt_plugins.diversity_selectors.per_query import PerQuery


class All(PerQuery):
    """Every kept annotation, unless labels disagree and `disagreement` says otherwise."""

    def crowded(self, annotations: Sequence[Annotation]) -> bool:
        """Never."""
        return False

    def picks(self, queries: Sequence[Sequence[Annotation]], context: Context) -> list[list[int]]:
        """All of them."""
        return [list(range(len(annotations))) for annotations in queries]
