"""The paper's filter: a confidence threshold s."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from twt_core.components import Context, QualityFilter
from twt_core.records import Annotation


class Threshold(QualityFilter):
    """Keeps an annotation when its confidence c >= s (section 3.1.1; s = 0.95 in section 4.1)."""

    minimum: float = Field(default=0.95, ge=0, le=1, description="s: the lowest confidence that is kept.")

    def judge(self, annotations: Sequence[Annotation], context: Context) -> list[str | None]:
        """See `QualityFilter.judge`."""
        reason = f"confidence below {self.minimum:g}"
        return [None if (a.confidence or 0.0) >= self.minimum else reason for a in annotations]
