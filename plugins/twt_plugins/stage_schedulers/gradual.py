"""Reasoning left out step by step."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from twt_core.records import Stage
from twt_plugins.stage_schedulers.habitual import FULL, Habitual

_DIGITS = 10**6


class Gradual(Habitual):
    """Full reasoning, then in each stage fewer of its steps, then answers only (Deng et al. 2024, arXiv 2405.14838).

    After stage k of n, from 0, the share k / (n - 1) of each rationale's steps is gone, rounded to fewer removed: as
    many more in each stage, from one end, by the compressor `step_dropping`. The publication removes tokens, from the
    start, and more of them each epoch; here it is steps, so that what is left can be read.
    """

    n: int = Field(default=6, ge=3, le=50, description="Stages in all, the full and the answer-only one included.")
    drop: Literal["first", "last"] = Field(
        default="first", description="The end that steps are removed from; the publication's is first."
    )

    def rounds(self) -> list[Stage]:
        """Each takes from the full rationales, not from what the stage before left."""
        return [
            self.compressed(
                f"dropped_{number}",
                of=FULL,
                compressor={"use": "step_dropping", "keep": self._keep(number), "drop": self.drop},
            )
            for number in range(1, self.n - 1)
        ]

    def _keep(self, number: int) -> float:
        # Rounded down: two thirds of three steps are two, and a float just above two thirds would keep three.
        return (self.n - 1 - number) * _DIGITS // (self.n - 1) / _DIGITS
