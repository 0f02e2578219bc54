"""Habitual reasoning distillation: full reasoning, less of it, none (section 3.2)."""

from __future__ import annotations

from abc import abstractmethod

from pydantic import Field

from twt_core.components import StageScheduler
from twt_core.records import Stage
from twt_core.settings import Json

FULL, ANSWER_ONLY = "full", "answer_only"


class Habitual(StageScheduler):
    """What schedules that lead from full reasoning to none have in common."""

    replay: float = Field(
        default=0.0, ge=0, le=1, description="Texts of earlier stages in each later one, as a share of its own."
    )
    student_answers: bool = Field(
        default=True,
        description="Whether the student answers the queries before each compressed stage. Without, compressors that "
        "read its answers are refused, and there is no style distance.",
    )

    def stages(self) -> list[Stage]:
        """See `StageScheduler.stages`."""
        return [Stage(name=FULL, rationale="full"), *self.rounds(), self.answer_only()]

    @abstractmethod
    def rounds(self) -> list[Stage]:
        """The stages between the first and the last."""

    def compressed(self, name: str, of: str | None = None, compressor: dict[str, Json] | None = None) -> Stage:
        """A stage of compressed reasoning; by the run's compressor unless given one."""
        return Stage(
            name=name,
            rationale="compressed",
            of=of,
            compressor=compressor,
            replay=self.replay,
            student_answers=self.student_answers,
        )

    def answer_only(self, after: str | None = None) -> Stage:
        """The stage without reasoning."""
        return Stage(name=ANSWER_ONLY, rationale="none", after=after, replay=self.replay)


class ThreeStage(Habitual):
    """Full reasoning, compressed reasoning, answers only (section 3.2, eq. 4-6)."""

    def rounds(self) -> list[Stage]:
        """One."""
        return [self.compressed("compressed")]


class NStage(Habitual):
    """The three stages with the compressed one repeated: each round works on the last student's answers (table 3)."""

    n: int = Field(default=4, ge=2, le=20, description="Stages in all; 2 leaves compression out, 3 is three_stage.")

    def rounds(self) -> list[Stage]:
        """All but two; one alone has no number."""
        if self.n == 3:
            return [self.compressed("compressed")]
        return [self.compressed(f"compressed_{number}") for number in range(1, self.n - 1)]
