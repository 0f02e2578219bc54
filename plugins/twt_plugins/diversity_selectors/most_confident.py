"""Confidence alone: the baseline for whether diversity matters."""

from __future__ import annotations

from collections.abc import Sequence

from twt_core.components import Context
from twt_core.records import Annotation
from twt_plugins.diversity_selectors.per_query import UpToN


class MostConfident(UpToN):
    """The n annotations of highest confidence a query; of equal ones the first."""

    def picks(self, queries: Sequence[Sequence[Annotation]], context: Context) -> list[list[int]]:
        """See `PerQuery.picks`."""
        return [by_confidence(annotations)[: self.n] for annotations in queries]


def by_confidence(annotations: Sequence[Annotation]) -> list[int]:
    """Positions by falling confidence; equal ones stay in order."""
    return sorted(range(len(annotations)), key=lambda position: -(annotations[position].confidence or 0.0))
