"""The paper's schedules and the baseline."""

from __future__ import annotations

from pydantic import Field

from twt_core.components import StageScheduler
from twt_core.records import Stage


def habitual(count: int) -> list[Stage]:
    """Full reasoning, `count - 2` rounds of compressed reasoning, answers only."""
    rounds = range(1, count - 1)
    compressed = [Stage(name="compressed" if count == 3 else f"compressed_{n}", rationale="compressed") for n in rounds]
    return [Stage(name="full", rationale="full"), *compressed, Stage(name="answer_only", rationale="none")]


class ThreeStage(StageScheduler):
    """Full reasoning, compressed reasoning, answers only (section 3.2, eq. 4-6)."""

    def stages(self) -> list[Stage]:
        """See `StageScheduler.stages`."""
        return habitual(3)


class NStage(StageScheduler):
    """The three stages with the compressed one repeated: each round works on the last student's answers (table 3)."""

    n: int = Field(default=4, ge=2, le=20, description="Stages in all; 2 leaves compression out, 3 is three_stage.")

    def stages(self) -> list[Stage]:
        """See `StageScheduler.stages`."""
        return habitual(self.n)


class StandardKD(StageScheduler):
    """Answers only, from the start: plain distillation on the teachers' labels (table 1, 'Standard KD')."""

    def stages(self) -> list[Stage]:
        """See `StageScheduler.stages`."""
        return [Stage(name="answer_only", rationale="none")]
