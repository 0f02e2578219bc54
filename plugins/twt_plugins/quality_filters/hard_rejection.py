"""The paper's alternative: grades instead of a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from twt_core.components import Context, QualityFilter
from twt_core.records import Annotation


class HardRejection(QualityFilter):
    """Sorts annotations into Good, Medium and Poor and keeps the Good (section 4.4.1, table 4).

    The paper does not say who grades. Here the confidence does, by two borders, so that it works with any scorer; with
    the scorer `grade`, whose grades are 1, 0.5 and 0, the borders give a judge's words back.
    """

    good: float = Field(default=0.95, ge=0, le=1, description="The lowest confidence of a Good annotation.")
    medium: float = Field(
        default=0.5, ge=0, le=1, description="The lowest confidence of a Medium one; below it is Poor."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.medium > self.good:
            raise ValueError(f"medium ({self.medium:g}) is above good ({self.good:g}): swap them")
        return self

    def judge(self, annotations: Sequence[Annotation], context: Context) -> list[str | None]:
        """See `QualityFilter.judge`."""
        return [self._grade(annotation.confidence or 0.0) for annotation in annotations]

    def _grade(self, confidence: float) -> str | None:
        if confidence >= self.good:
            return None
        return "graded Medium" if confidence >= self.medium else "graded Poor"
