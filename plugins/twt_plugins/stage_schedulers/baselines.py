"""What habitual reasoning distillation is compared with (table 1): one stage each, from the untouched student.

The number of passes is `student.epochs`: to compare by work, three stages' worth is three times as many.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from twt_core.components import Context, StageScheduler
from twt_core.errors import InputError
from twt_core.records import Objective, Stage
from twt_core.suggest import did_you_mean
from twt_plugins.stage_schedulers.habitual import ANSWER_ONLY

Weight = Annotated[float, Field(gt=0)]

_TEACHER = "{teacher}"


def _answers(prefix: str) -> Objective:
    # Once: these methods have one label for a query, however many teachers gave it, and a query whose teachers agree
    # would count as often as they do. Labels that differ are all learned.
    return Objective(target="answer", prefix=prefix, once=True)


class StandardKD(StageScheduler):
    """Answers only, from the start: plain distillation on the teachers' labels (table 1, 'Standard KD')."""

    def stages(self) -> list[Stage]:
        """See `StageScheduler.stages`."""
        return [Stage(name=ANSWER_ONLY, rationale="none")]


class ByPrefix(StageScheduler):
    """What methods with a task for the labels and others for the rationales have in common."""

    label_prefix: str = Field(default="[label] ", description="Put before a question to ask for its answer.")
    rationale_prefix: str = Field(default="[rationale] ", description="Put before a question to ask for the reasoning.")

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        if self.label_prefix == self.rationale_prefix:
            raise ValueError(f"label_prefix and rationale_prefix are both {self.label_prefix!r}: tell the tasks apart")
        if _TEACHER in self.label_prefix:
            raise ValueError(
                f"label_prefix: {_TEACHER} stands for nobody there, since a label may be several teachers'"
            )
        return self


class DistillingStepByStep(ByPrefix):
    """Two tasks, told apart by a prefix: answer, and say why (Hsieh et al. 2023, arXiv 2305.02301).

    The loss is that of the labels plus `rationale_weight` times that of the rationales. The student is then asked with
    the label's prefix, so that it answers without reasoning.
    """

    rationale_weight: float = Field(default=1.0, gt=0, description="Weight of the rationales' loss (lambda).")

    def stages(self) -> list[Stage]:
        """See `StageScheduler.stages`."""
        rationales = Objective(target="rationale", weight=self.rationale_weight, prefix=self.rationale_prefix)
        return [
            Stage(name="label_and_rationale", rationale="full", objectives=(_answers(self.label_prefix), rationales))
        ]


class TinyLLM(ByPrefix):
    """The answer, and each teacher's reasoning as a task of its own (Tian et al. 2024, arXiv 2402.04616).

    The loss is that of the labels plus, for each teacher m, alpha_m times that of its rationales. The student is then
    asked with the label's prefix. The publication's rationales explain known labels; here they come with the teachers'
    own, as for every method that is compared. The prefixes are those of `distilling_step_by_step`, with the teacher.
    """

    alpha: float = Field(default=1.0, gt=0, description="Weight of each teacher's rationales.")
    teacher_weights: dict[str, Weight] = Field(
        default_factory=dict,
        description="Weights that are not alpha, by teacher.",
        json_schema_extra={"default": {}},
    )
    rationale_prefix: str = Field(
        default=f"[rationale {_TEACHER}] ",
        description="Put before a question to ask for a teacher's reasoning; {teacher} is its name.",
    )

    def check_run(self, context: Context) -> None:
        """Look for the teachers that have weights."""
        names = [teacher.name for teacher in context.teachers]
        if unknown := [name for name in self.teacher_weights if name not in names]:
            raise InputError(
                f"stage_scheduler.teacher_weights: the run has no teacher {unknown[0]!r}. "
                f"{did_you_mean(unknown[0], names)}"
            )

    def stages(self) -> list[Stage]:
        """See `StageScheduler.stages`."""
        rationales = Objective(
            target="rationale",
            weight=self.alpha,
            prefix=self.rationale_prefix,
            per_teacher=True,
            teacher_weights=self.teacher_weights,
        )
        return [
            Stage(name="label_and_rationales", rationale="full", objectives=(_answers(self.label_prefix), rationales))
        ]
