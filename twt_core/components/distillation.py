"""The kinds of Habitual Reasoning Distillation (section 3.2)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from twt_core.components.base import RunComponent
from twt_core.components.context import Context
from twt_core.records import Draft, Rewrite, Stage, StageResult


class Compressor(RunComponent):
    """Shortens a teacher's rationale for the student (section 3.2, stage 2)."""

    kind = "compressor"
    #: Whether `compress` reads `Draft.student_rationale`: a stage that lets the student not answer is then refused.
    reads_student: ClassVar[bool] = True
    #: Whether `compress` calls `Context.student_logprobs`.
    reads_logprobs: ClassVar[bool] = False
    #: Whether `compress` asks teachers, which is what `twt plan` counts.
    asks_teachers: ClassVar[bool] = False

    @abstractmethod
    def compress(self, drafts: Sequence[Draft], context: Context) -> list[Rewrite]:
        """One rewrite per draft, in order. The engine uses none that lost the answer or is no shorter."""


class StageScheduler(RunComponent):
    """Says what the student is trained on, in which order (section 3.2)."""

    kind = "stage_scheduler"
    #: Whether `next_stage` reads accuracies: the run then needs dev queries, which no student is trained on.
    reads_scores: ClassVar[bool] = False

    @abstractmethod
    def stages(self) -> list[Stage]:
        """The stages, at least one, with unique names; of a scheduler that steers, the longest way it may take."""

    def next_stage(self, done: Sequence[StageResult]) -> Stage | None:
        """The stage to train after those that are done; None ends the training. Gives the same for the same results.

        An accuracy that is None is not known yet, as in a plan: take the way that is longest.
        """
        stages = self.stages()
        return stages[len(done)] if len(done) < len(stages) else None
