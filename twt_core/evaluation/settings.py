"""All that determines an evaluation, from what the subject says, a task's name or file, and ``--set``."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import Field, ValidationError, model_validator

from twt_core.components import TaskEvaluator, Teacher, teachers_in
from twt_core.config import RunConfig
from twt_core.config_bases import Place
from twt_core.config_errors import describe
from twt_core.config_source import ConfigSource
from twt_core.errors import InputError
from twt_core.evaluation.config import EvaluationConfig
from twt_core.models import find_model
from twt_core.settings import Json, Settings
from twt_core.student.config import StudentConfig
from twt_core.yaml_reader import KeyPath

_TASK = "task"


class EvaluationSettings(Settings):
    """What ``--set KEY=VALUE`` of `twt evaluate` sets."""

    task: TaskEvaluator = Field(description="The kind of question: --task NAME. `twt plugins task_evaluator` has all.")
    student: StudentConfig | None = Field(default=None, description="A model that is loaded, and how it answers.")
    served: Teacher | None = Field(default=None, description="A model that a server has, and how it is asked.")
    prefix: str = Field(default="", description="Put before each question; a run's stage says its own.")
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig, description="How answers are measured.")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="Of the sampling, above temperature 0.")

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if (self.student is None) == (self.served is None):
            raise ValueError("one model is evaluated: set options of student (loaded) or of served (a server's)")
        return self

    @model_validator(mode="after")
    def _samples_differ(self) -> Self:
        asked = self.student or self.served
        temperature = getattr(asked, "temperature", None)
        if self.evaluation.samples > 1 and temperature == 0:
            raise ValueError("at temperature 0 all samples are the same: give --temperature, or --samples 1")
        return self

    @model_validator(mode="after")
    def _one_teacher_a_name(self) -> Self:
        if self.served is not None and any(judge.name == self.served.name for judge in teachers_in(self.task)):
            raise ValueError(f"the judge and the model have one name, {self.served.name!r}: give the judge another")
        return self

    @model_validator(mode="after")
    def _one_judge_a_name(self) -> Self:
        known: dict[str, Teacher] = {}
        for judge in teachers_in(self.task):
            if known.setdefault(judge.name, judge) != judge:
                raise ValueError(f"two different judges are called {judge.name!r}: give each a name of its own")
        return self

    @property
    def judges(self) -> list[Teacher]:
        """The teachers that the task asks."""
        return list({judge.name: judge for judge in teachers_in(self.task)}.values())


class Said(NamedTuple):
    """What a subject, or a task's file, says of the settings; where it is written; and the folder of its paths."""

    values: dict[str, Json]
    places: dict[KeyPath, Place]
    folder: Path


def read_settings(subject: dict[str, Json], task: str | None, overrides: Sequence[str]) -> EvaluationSettings:
    """The checked settings.

    Args:
        subject: what the subject says of them.
        task: an evaluator's name, or a YAML file with one: ``{use: ...}``, or a run's config.
        overrides: `KEY=VALUE` texts, as `--set` takes them.

    Raises:
        InputError: whatever is wrong, each problem on a line of its own.
    """
    said = _task_of(task)
    source = ConfigSource(Path("twt evaluate"), EvaluationSettings, {**deepcopy(subject), **said.values}, said.places)
    source.override(overrides, {})
    try:
        settings = EvaluationSettings.model_validate(source.value, context={"folder": said.folder})
    except ValidationError as error:
        raise InputError(describe(error, source)) from None  # pydantic's own text would show values
    if settings.student is not None:
        find_model(settings.student.model)
    return settings


def _task_of(task: str | None) -> Said:
    if task is None:
        return Said({}, {}, Path.cwd())
    if not task.endswith((".yaml", ".yml")):
        return Said({_TASK: {"use": task}}, {}, Path.cwd())
    file = Path(task)
    source = ConfigSource.read(file, RunConfig)
    inside = ("task_evaluator",) if "task_evaluator" in source.value else ()
    value = source.value["task_evaluator"] if inside else source.value
    places = {
        (_TASK, *key[len(inside) :]): place for key, place in source.places.items() if key[: len(inside)] == inside
    }
    return Said({_TASK: value}, places, file.parent)
