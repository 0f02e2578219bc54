"""What selectors that look at one query at a time have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import groupby
from typing import Literal

from pydantic import Field

from twt_core.components import Context, DiversitySelector
from twt_core.records import Annotation
from twt_plugins.diversity_selectors.votes import majority, unanimous


class PerQuery(DiversitySelector):
    """Chooses among each query's annotations, whatever the other queries have. Choices come out in the pool's order."""

    disagreement: Literal["keep", "drop", "vote"] = Field(
        default="keep",
        description="When a query's labels differ. keep: no matter (the paper); drop: no annotation of a query whose "
        "chosen ones differ; vote: choose only among those with the query's most frequent label, of equally frequent "
        "ones that of the higher summed confidence.",
    )

    def select(self, pool: Sequence[Annotation], context: Context) -> list[Annotation]:
        """See `DiversitySelector.select`."""
        queries = [list(group) for _, group in groupby(pool, key=lambda annotation: annotation.query_id)]
        if self.disagreement == "vote":
            queries = [majority(annotations, context) for annotations in queries]
        picks = iter(self._picks_of_crowded(queries, context))
        chosen = [[a[i] for i in sorted(next(picks))] if self.crowded(a) else a for a in queries]
        if self.disagreement == "drop":
            chosen = [annotations for annotations in chosen if unanimous(annotations, context)]
        return [annotation for annotations in chosen for annotation in annotations]

    def _picks_of_crowded(self, queries: Sequence[list[Annotation]], context: Context) -> list[list[int]]:
        crowded = [annotations for annotations in queries if self.crowded(annotations)]
        return self.picks(crowded, context) if crowded else []

    @abstractmethod
    def crowded(self, annotations: Sequence[Annotation]) -> bool:
        """Whether a query has more annotations than are chosen; if not, all of them are."""

    @abstractmethod
    def picks(self, queries: Sequence[Sequence[Annotation]], context: Context) -> list[list[int]]:
        """For each crowded query the positions of the chosen ones among its annotations. At least one query."""


class UpToN(PerQuery):
    """Chooses the same number for every query that has more."""

    n: int = Field(default=2, ge=1, description="Annotations chosen for a query; one with fewer keeps all of them.")

    def crowded(self, annotations: Sequence[Annotation]) -> bool:
        """Whether there are more than n."""
        return len(annotations) > self.n
