"""No selection: the baseline without diversity selection (table 6)."""

from __future__ import annotations

from collections.abc import Sequence

from twt_core.components import Context, DiversitySelector
from twt_core.records import Annotation


class All(DiversitySelector):
    """Every kept annotation."""

    def select(self, pool: Sequence[Annotation], context: Context) -> list[Annotation]:
        """See `DiversitySelector.select`."""
        return list(pool)
