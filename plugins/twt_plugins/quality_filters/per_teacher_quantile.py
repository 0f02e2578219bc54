"""A border for each teacher, from its own confidences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from math import floor

from pydantic import Field

from twt_core.components import Context, QualityFilter
from twt_core.records import Annotation


class PerTeacherQuantile(QualityFilter):
    """Keeps what reaches the quantile of its own teacher's confidences, so that no teacher's scale rules.

    A teacher's border is the confidence at position floor(quantile * n), from 0, of its n in rising order: at most the
    stated share of each teacher is rejected, less where confidences tie with the border, which stay.
    """

    quantile: float = Field(default=0.5, ge=0, lt=1, description="The share of each teacher's rows below its border.")

    def judge(self, annotations: Sequence[Annotation], context: Context) -> list[str | None]:
        """See `QualityFilter.judge`."""
        by_teacher: dict[str, list[float]] = defaultdict(list)
        for annotation in annotations:
            by_teacher[annotation.teacher].append(annotation.confidence or 0.0)
        borders = {teacher: self._border(confidences) for teacher, confidences in by_teacher.items()}
        reason = f"below its teacher's {self.quantile:.4g} quantile"
        return [None if (a.confidence or 0.0) >= borders[a.teacher] else reason for a in annotations]

    def _border(self, confidences: Sequence[float]) -> float:
        return sorted(confidences)[floor(Fraction(str(self.quantile)) * len(confidences))]
