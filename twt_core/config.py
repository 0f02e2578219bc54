"""One YAML file to one checked `RunConfig`. Each option of a run is declared here once, with its one default."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from twt_core.components import (
    Compressor,
    ConfidenceScorer,
    DiversitySelector,
    QualityFilter,
    StageScheduler,
    TaskEvaluator,
    Teacher,
    teachers_in,
)
from twt_core.config_bases import extendable
from twt_core.config_errors import describe
from twt_core.config_source import ConfigSource
from twt_core.data_file import DataFile, Sources, each_of
from twt_core.errors import InputError
from twt_core.evaluation.config import EvaluationConfig
from twt_core.schema import schema_of
from twt_core.settings import Json, Settings
from twt_core.student.config import StudentConfig
from twt_core.suggest import did_you_mean
from twt_core.yaml_reader import KeyPath

#: The paper's components, used where the config names none.
DEFAULT_COMPONENTS: dict[str, str] = {
    "confidence_scorer": "self_reported",
    "quality_filter": "threshold",
    "diversity_selector": "min_similarity_pair",
    "compressor": "teacher_guided",
    "stage_scheduler": "three_stage",
}

#: They as a config file would say them.
DEFAULTS: dict[str, Json] = {kind: {"use": name} for kind, name in DEFAULT_COMPONENTS.items()}

#: What makes a config one of many runs (`twt_core.bench`).
GRID = "grid"

_LONGEST_NAME = 100


def _component(kind: str, description: str) -> Any:  # what pydantic's own Field is declared to give
    def named() -> Any:
        return {"use": DEFAULT_COMPONENTS[kind]}

    return Field(default_factory=named, description=description, json_schema_extra={"default": named()})


def safe_folder_name(name: str) -> str:
    """A name that a folder can have.

    Raises:
        ValueError: why it cannot.
    """
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise ValueError(f"must have 1 to {_LONGEST_NAME} characters")
    if re.search(r'[/\\:*?"<>|\x00-\x1f\x7f]', name) or name.startswith((".", "-", " ")) or name.endswith((".", " ")):
        raise ValueError("names the run's folder: use letters, digits, - and _, and no slash")
    return name


class RunConfig(Settings):
    """All that determines a run."""

    name: Annotated[str, AfterValidator(safe_folder_name)] = Field(description="Names the run's folder, runs/NAME.")
    task_evaluator: TaskEvaluator = Field(description="The kind of question: exact_match, math, multiple_choice, ...")
    queries: Sources = Field(
        description="The unlabeled queries to distil from; an answer in them is for measuring only. One source, or a "
        "list of them."
    )
    test_queries: Sources = Field(
        description="Queries with answers, scored before the first and after each stage. One source, or a list."
    )
    dev_queries: Sources | None = Field(
        default=None, description="Queries with answers that choose the recommended stage; without, test_queries do."
    )
    teachers: Annotated[tuple[Teacher, ...], Field(min_length=1)] = Field(
        description="One or more teachers, each with a name of its own."
    )
    confidence_scorer: ConfidenceScorer = _component(
        "confidence_scorer", "Gives each annotation its confidence (eq. 1)."
    )
    quality_filter: QualityFilter = _component("quality_filter", "Keeps or rejects annotations by their confidence.")
    diversity_selector: DiversitySelector = _component(
        "diversity_selector", "Picks those that form the distillation set."
    )
    compressor: Compressor = _component("compressor", "Shortens the teachers' rationales for the student.")
    stage_scheduler: StageScheduler = _component("stage_scheduler", "What the student learns, in which order.")
    student: StudentConfig = Field(description="The model that learns.")
    evaluation: EvaluationConfig = Field(
        default_factory=EvaluationConfig, description="How the students' answers are measured."
    )
    budget_usd: float | None = Field(
        default=None, description="Most that all teacher calls of this run may cost together; null for unlimited."
    )
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="Of all that is random.")

    @field_validator("teachers")
    @classmethod
    def _unique_names(cls, teachers: tuple[Teacher, ...]) -> tuple[Teacher, ...]:
        first: dict[str, int] = {}
        for index, teacher in enumerate(teachers):
            if (other := first.setdefault(teacher.name, index)) != index:
                message = "two teachers have this name, also teachers[{other}]: give each its own"
                raise PydanticCustomError("duplicate_name", message, {"at": (index, "name"), "other": other})
        return teachers

    @model_validator(mode="after")
    def _one_teacher_a_name(self) -> Self:
        known: dict[str, Teacher] = {}
        for teacher in teachers_in(self):
            if known.setdefault(teacher.name, teacher) != teacher:
                raise ValueError(f"two different teachers are called {teacher.name!r}: give each a name of its own")
        return self

    @model_validator(mode="after")
    def _samples_differ(self) -> Self:
        self.evaluation.check(self.student.temperature)
        return self

    @model_validator(mode="after")
    def _known_tasks(self) -> Self:
        for place, source in self._written_sources():
            if found := _task_problem(source, self.task_evaluator):
                inside, problem = found
                raise PydanticCustomError("task", "{problem}", {"at": (*place, *inside), "problem": problem})
        return self

    def _written_sources(self) -> Iterator[tuple[KeyPath, DataFile]]:
        for name in ("queries", "test_queries", "dev_queries"):
            sources: Sources | None = getattr(self, name)
            for number, source in enumerate(each_of(sources)):
                yield (name, number) if isinstance(sources, tuple) else (name,), source

    @property
    def helpers(self) -> list[Teacher]:
        """Teachers that components ask and that annotate nothing themselves: a grader's judge."""
        return list({t.name: t for t in teachers_in(self) if t not in self.teachers}.values())

    @field_validator("budget_usd")
    @classmethod
    def _real_budget(cls, budget: float | None) -> float | None:
        if budget is not None and budget <= 0:
            raise ValueError("must be greater than 0: use null for unlimited")
        return budget


def _task_problem(source: DataFile, evaluator: TaskEvaluator) -> tuple[KeyPath, str] | None:
    """What is wrong with what a source says of its rows' tasks, and the option that says it."""
    names, column = evaluator.task_names, source.columns.task if source.columns is not None else None
    if not names and (source.task is not None or column is not None):
        inside: KeyPath = ("task",) if source.task is not None else ("columns", "task")
        return inside, f"the task_evaluator {evaluator.use} is no mixture of tasks: remove this, or use a mixture"
    if source.task is not None and source.task not in names:
        return ("task",), f"no task is called {source.task!r}. {did_you_mean(source.task, names)}"
    if names and source.columns is not None and source.task is None and column is None:
        named = ", ".join(names)
        return ("task",), f"missing: give the task of all rows, or its column in columns. There are: {named}."
    return None


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The checked config in a YAML file.

    Args:
        path: the file; relative paths in it start at its folder.
        overrides: `KEY=VALUE` texts. KEY has dots (`student.lora.r`, `teachers.0.name`), VALUE is YAML.

    Raises:
        InputError: whatever is wrong with it, each problem on a line of its own with its place in the file.
    """
    source = ConfigSource.read(path, RunConfig)
    if GRID in source.value:
        raise InputError(f"{source.position((GRID,))[1]} {GRID}: this config has a grid: use `twt bench {path}`")
    source.override(overrides, DEFAULTS)
    return checked(source)


def checked(source: ConfigSource) -> RunConfig:
    """The config that a source says; relative paths in it start at the folder of its file.

    Raises:
        InputError: as `load_config`.
    """
    try:
        return RunConfig.model_validate(source.value, context={"folder": source.path.parent})
    except ValidationError as error:
        raise InputError(describe(error, source)) from None  # pydantic's own text would show values


def config_schema() -> dict[str, Json]:
    """The JSON Schema (2020-12) of a config, with the options of every installed component.

    Raises:
        InputError: an installed plugin breaks the contract.
    """
    from twt_core.bench.settings import with_grid

    return with_grid(extendable(schema_of(RunConfig)))


def template_config() -> str:
    """A commented config to start from, which loads once the files that it names are there."""
    return files("twt_core").joinpath("config_template.yaml").read_text(encoding="utf-8")
