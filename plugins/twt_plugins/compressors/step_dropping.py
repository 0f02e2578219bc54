"""A compressor that leaves whole steps out."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from random import Random
from typing import Literal

from pydantic import Field

from twt_core.components import Compressor, Context
from twt_core.rationale_steps import steps
from twt_core.records import Draft, Rewrite


class StepDropping(Compressor):
    """Keeps a share of each rationale's steps: its sentences, lines and lines of code. Needs no model.

    Of n steps ceil(keep * n) stay, in their order and as they were; of one step, that one. Leaving out the first ones
    is how Deng et al. 2024 (arXiv 2405.14838) lead to implicit reasoning. A random draw depends on the seed, the query,
    the teacher and the sample alone.
    """

    reads_student = False

    keep: float = Field(default=0.5, gt=0, lt=1, description="Share of the steps that stay, rounded up.")
    drop: Literal["first", "last", "random"] = Field(default="first", description="Which steps go.")
    seed: int = Field(default=0, ge=0, description="Seed of the draw, where drop is random.")

    def compress(self, drafts: Sequence[Draft], context: Context) -> list[Rewrite]:
        """See `Compressor.compress`."""
        return [Rewrite(rationale=self._shortened(draft) or None, label=draft.annotation.label) for draft in drafts]

    def _shortened(self, draft: Draft) -> str:
        found = steps(draft.annotation.rationale)
        count = ceil(Fraction(str(self.keep)) * len(found))  # as written: 0.07 of 100 is 7, and not 8
        return "".join(found[index] for index in self._kept(len(found), count, draft)).strip()

    def _kept(self, total: int, count: int, draft: Draft) -> Sequence[int]:
        if self.drop == "random":
            annotation = draft.annotation
            draw = Random(f"{self.seed}/{annotation.query_id}/{annotation.teacher}/{annotation.sample}")
            return sorted(draw.sample(range(total), count))
        return range(total)[total - count :] if self.drop == "first" else range(count)
