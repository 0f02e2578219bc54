"""Weighted: eq. 1 with scorers for factors."""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose

from pydantic import Field, SerializeAsAny, field_validator

from twt_core import contract
from twt_core.components import ConfidenceScorer, Context
from twt_core.records import Annotation
from twt_core.settings import Settings


class Factor(Settings):
    """A scorer and its weight."""

    weight: float = Field(strict=True, ge=0, le=1, description="w_j: the scorer's part in the sum.")
    scorer: SerializeAsAny[ConfidenceScorer] = Field(description="What gives m_j.")


class Weighted(ConfidenceScorer):
    """c = sum_j w_j * m_j (section 3.1.1, eq. 1), where each m_j comes from a scorer of its own.

    An annotation that one of them cannot score has no confidence: a missing factor is not taken for any number.
    """

    factors: tuple[Factor, ...] = Field(
        min_length=1, description="Scorers with their weights, which sum to 1: {weight: 0.5, scorer: {use: agreement}}."
    )

    @field_validator("factors")
    @classmethod
    def _sum_to_one(cls, factors: tuple[Factor, ...]) -> tuple[Factor, ...]:
        if not isclose(total := sum(factor.weight for factor in factors), 1.0, abs_tol=1e-6):
            raise ValueError(f"the weights sum to {total:g}, not to 1")
        return factors

    def check_run(self, context: Context) -> None:
        """Let each factor's scorer look."""
        for factor in self.factors:
            contract.check_run(factor.scorer, context)

    def score(self, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
        """See `ConfidenceScorer.score`."""
        columns = [contract.score(factor.scorer, annotations, context) for factor in self.factors]
        return [self._sum(row) for row in zip(*columns, strict=True)]

    def _sum(self, row: Sequence[float | None]) -> float | None:
        if any(value is None for value in row):
            return None
        total = sum(factor.weight * (value or 0.0) for factor, value in zip(self.factors, row, strict=True))
        return min(1.0, round(total, 6))
