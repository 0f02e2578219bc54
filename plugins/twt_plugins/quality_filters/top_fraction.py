"""The most confident part of all annotations."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil

from pydantic import Field

from twt_core.components import Context, QualityFilter
from twt_core.records import Annotation


class TopFraction(QualityFilter):
    """Keeps the most confident fraction of all scored annotations, whatever the scorer's scale.

    Exactly ceil(fraction * n) of n are kept; of equal confidences the earlier (by query, teacher, sample) stay. The
    order is over all teachers: one that gives itself high scores crowds out the others (see `per_teacher_quantile`).
    """

    fraction: float = Field(default=0.5, gt=0, le=1, description="The share that is kept, rounded up to whole rows.")

    def judge(self, annotations: Sequence[Annotation], context: Context) -> list[str | None]:
        """See `QualityFilter.judge`."""
        count = ceil(Fraction(str(self.fraction)) * len(annotations))  # as written: 0.1 of 30 is 3, and not 4
        ranked = sorted(range(len(annotations)), key=lambda i: -(annotations[i].confidence or 0.0))
        kept = set(ranked[:count])
        reason = f"not among the most confident {self.fraction:.4g}"
        return [None if index in kept else reason for index in range(len(annotations))]
