"""One of each: rationales that say the same as another one of the corpus are dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, SerializeAsAny

from twt_core import contract
from twt_core.components import Context, DiversitySelector
from twt_core.records import Annotation
from twt_plugins.diversity_selectors.by_rationale import ByRationale
from twt_plugins.diversity_selectors.everything import All
from twt_plugins.diversity_selectors.most_confident import by_confidence
from twt_plugins.diversity_selectors.near_duplicates import without_near_duplicates


class NearDuplicateRemoval(ByRationale):
    """Drops each annotation whose rationale is almost that of a kept one, over all queries; then another selector.

    Semantic deduplication (SemDeDup, Abbas et al. 2023, arXiv:2303.09540), without its clusters where the search is
    exact. The more confident of two survives, of equals the first. The search is FAISS's: `exact` compares each with
    all kept ones, in time that grows with the square; `approximate` looks into the nearest of about sqrt(annotations)
    cells (an inverted file) and may miss a duplicate at a cell's edge.
    """

    similarity: float = Field(default=0.95, gt=0, le=1, description="The cosine from which on two are duplicates.")
    search: Literal["exact", "approximate"] = Field(default="exact", description="How duplicates are looked for.")
    probes: int = Field(default=8, ge=1, description="Cells looked into, for `search: approximate`.")
    then: SerializeAsAny[DiversitySelector] = Field(
        default_factory=All, description="Chooses among the annotations that are left."
    )

    def check_run(self, context: Context) -> None:
        """Let the selector that comes then look."""
        contract.check_run(self.then, context)

    def select(self, pool: Sequence[Annotation], context: Context) -> list[Annotation]:
        """See `DiversitySelector.select`."""
        if not pool:
            return []
        probes = self.probes if self.search == "approximate" else None
        kept = without_near_duplicates(self.vectors(pool, context), by_confidence(pool), self.similarity, probes)
        return contract.select(self.then, [pool[row] for row in sorted(kept)], context)
