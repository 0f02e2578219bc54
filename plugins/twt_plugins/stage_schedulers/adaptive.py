"""Compression for as long as accuracy holds."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from twt_core.records import Stage, StageResult
from twt_plugins.stage_schedulers.habitual import FULL, Habitual

# What two accuracies in decimals may differ by as binary numbers.
_ROUNDING = 1e-9


class Adaptive(Habitual):
    """Compresses round by round until accuracy on the dev queries falls, then goes back and leaves reasoning out.

    A round holds when its accuracy is at most `margin` below the best of the full stage and the rounds before it: of
    the best and not of the last, so that many small losses do not add up. After the first round that does not hold, or
    `most_rounds`, the last stage learns the answers alone. It goes on from the student of the last round that held, or
    of the full stage; the student of the round that did not is left as it is.

    Nothing follows the last stage, so it is trained whatever the accuracies say; should it lose too much, the run's
    recommendation is another stage.
    """

    reads_scores = True

    margin: float = Field(
        default=0.02, ge=0, le=1, description="How far below the best accuracy so far a round may be, as a share."
    )
    most_rounds: int = Field(default=4, ge=1, le=20, description="Most rounds of compression.")

    def stages(self) -> list[Stage]:
        """The longest way: every round holds."""
        return [Stage(name=FULL, rationale="full"), *self.rounds(), self.answer_only(self.rounds()[-1].name)]

    def rounds(self) -> list[Stage]:
        """As many as there may be."""
        return [self.compressed(f"compressed_{number}") for number in range(1, self.most_rounds + 1)]

    def next_stage(self, done: Sequence[StageResult]) -> Stage | None:
        """See `StageScheduler.next_stage`."""
        stages = self.stages()
        if not done:
            return stages[0]
        if done[-1].stage.rationale == "none":
            return None
        held = self._held(done)
        goes_on = held == len(done) <= self.most_rounds
        return stages[len(done)] if goes_on else self.answer_only(done[held - 1].stage.name)

    def _held(self, done: Sequence[StageResult]) -> int:
        """How many stages there are up to the last that held. An accuracy that is not known yet holds."""
        best = 0.0
        for count, accuracy in enumerate(result.accuracy for result in done):
            if accuracy is not None and accuracy < best - self.margin - _ROUNDING:
                return count
            best = max(best, accuracy or 0.0)
        return len(done)
