"""The kinds of Dual-Criteria Rejection Sampling (section 3.1)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from twt_core.components.base import RunComponent
from twt_core.components.context import Context
from twt_core.records import Annotation


class ConfidenceScorer(RunComponent):
    """Gives each annotation its confidence c in [0, 1] (paper, section 3.1.1, eq. 1)."""

    kind = "confidence_scorer"

    @abstractmethod
    def score(self, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
        """One confidence per annotation, in order. None: nothing to score by; the annotation counts as failed."""


class QualityFilter(RunComponent):
    """Keeps or rejects scored annotations (section 3.1.1)."""

    kind = "quality_filter"

    @abstractmethod
    def judge(self, annotations: Sequence[Annotation], context: Context) -> list[str | None]:
        """One verdict per annotation, in order: None keeps it, a text rejects it and is the counted reason."""


class DiversitySelector(RunComponent):
    """Chooses, from the kept annotations, those that form the distillation set G (section 3.1.2)."""

    kind = "diversity_selector"

    @abstractmethod
    def select(self, pool: Sequence[Annotation], context: Context) -> list[Annotation]:
        """The chosen annotations, each one of `pool`. The pool is ordered by query, then by teacher, then by sample."""
