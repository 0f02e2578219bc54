"""All that a run folder has to show, finished or not: what is not there is told, and ends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter

from twt_core.accounting import ACCOUNTING, AnnotationCounts
from twt_core.calibration import CALIBRATION, TeacherCalibration
from twt_core.errors import TwtError
from twt_core.evaluation.config import EvaluationConfig
from twt_core.known_answers import DEV_QUERIES, KNOWN_ANSWERS, LABEL_GRADES, TEST_QUERIES, KnownAnswer, LabelGrade
from twt_core.metrics import StageScore, score_stages, score_tasks
from twt_core.missing_runs import no_run_folder
from twt_core.recipe import RECIPE, Recipe
from twt_core.records import Annotation, Prediction, Query, Record, StudentAnswer, Trace
from twt_core.run import MANIFEST, ROWS, SUMMARY, Manifest
from twt_core.session import QUERIES
from twt_core.student.training import LOSSES
from twt_core.summary import Summary

R = TypeVar("R", bound=Record)
M = TypeVar("M", bound=BaseModel)
Key = tuple[str, str, int]


class Loss(BaseModel):
    """One step of a training."""

    step: int
    loss: float
    learning_rate: float


@dataclass(frozen=True)
class Step:
    """A step that is whole: its name without its number, its folder, what it took, and when it was made."""

    name: str
    path: Path
    seconds: float
    made: datetime


class Material:
    """A run folder's contents. Each part is read at its first use, and `missing` says what could not be.

    Args:
        run: the run folder.

    Raises:
        InputError: it is no run folder.
    """

    def __init__(self, run: Path) -> None:
        if not (run / RECIPE).is_file():
            raise no_run_folder(run)
        self.run = run
        self.missing: list[str] = []

    @cached_property
    def recipe(self) -> Recipe | None:
        """The settings it was last run with."""
        try:
            return Recipe.in_folder(self.run)
        except TwtError as error:
            self.missing.append(str(error))
            return None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.run.resolve().name

    @cached_property
    def steps(self) -> list[Step]:
        """The steps that are whole, in order."""
        numbered = [path for path in self.run.glob("[0-9][0-9]*-*") if path.name.partition("-")[0].isdigit()]
        found = [_step(path) for path in sorted(numbered, key=lambda path: int(path.name.partition("-")[0]))]
        return [step for step in found if step is not None]

    @cached_property
    def summary(self) -> Summary | None:
        """The numbers of a finished run."""
        return self._one(SUMMARY, Summary, "the run is not finished, so there are no final numbers")

    @cached_property
    def sampling(self) -> AnnotationCounts | None:
        """Where the rows of sampling are."""
        return self.summary.annotations if self.summary else self._one(ACCOUNTING, AnnotationCounts, "")

    @cached_property
    def calibration(self) -> list[TeacherCalibration]:
        """What confidences are worth; empty where no answer is known."""
        file = self.run / CALIBRATION
        try:
            rows = TypeAdapter(list[TeacherCalibration]).validate_json(file.read_bytes()) if file.is_file() else []
        except ValueError:
            rows = []
            self.missing.append(f"{CALIBRATION} cannot be read")
        return rows

    @cached_property
    def queries(self) -> dict[str, Query]:
        """The queries that are distilled from, without answers."""
        return {query.id: query for query in self._lines(QUERIES, Query)}

    @cached_property
    def known(self) -> dict[str, tuple[str, ...]]:
        """The right answers to them, as far as they are known."""
        return {row.query_id: row.answers for row in self._lines(KNOWN_ANSWERS, KnownAnswer)}

    @cached_property
    def right(self) -> dict[Key, bool]:
        """Whether labels are right, by annotation, where that is known."""
        rows = self._lines(LABEL_GRADES, LabelGrade) if self.judged else []
        return {(row.query_id, row.teacher, row.sample): row.correct for row in rows}

    @cached_property
    def questions(self) -> dict[str, Query]:
        """The questions of the evaluation with their answers, those for choosing a stage included."""
        dev = self._lines(DEV_QUERIES, Query) if (self.run / DEV_QUERIES).is_file() else []
        return {query.id: query for query in [*dev, *self._lines(TEST_QUERIES, Query)]}

    @property
    def judged(self) -> bool:
        """Whether the quality filter has come to its verdicts."""
        return any(step.name == "kept" for step in self.steps)

    @cached_property
    def annotations(self) -> list[Annotation]:
        """Every teacher's annotations, as far as sampling is."""
        latest = next((name for name in ("kept", "scored", "annotations") if self._step(name)), None)
        return self._rows(latest, Annotation) if latest else []

    @cached_property
    def selected(self) -> set[Key]:
        """Which of them form the distillation set."""
        return {row.key for row in self._rows("selected", Annotation)}

    @cached_property
    def compressed(self) -> dict[str, list[Trace]]:
        """The traces of each stage that has rationales of its own making, by stage."""
        names = [step.name.removesuffix("-traces") for step in self.steps if step.name.endswith("-traces")]
        found = {name: self._rows(f"{name}-traces", Trace) for name in names}
        return {name: rows for name, rows in found.items() if any(row.rationale is not None for row in rows)}

    @cached_property
    def full(self) -> list[Trace]:
        """The distillation set as it is trained on, every rationale whole."""
        return self._rows("traces", Trace)

    @cached_property
    def student_answers(self) -> dict[str, list[StudentAnswer]]:
        """What the student wrote on the queries before each compressed stage."""
        return self._by_stage("-student-answers", StudentAnswer)

    @cached_property
    def test(self) -> dict[str, list[Prediction]]:
        """The answers to the test questions, by stage, the untouched student's first."""
        return self._by_stage("-test-scores", Prediction)

    @cached_property
    def losses(self) -> dict[str, list[Loss]]:
        """The training of each stage."""
        trained = [step for step in self.steps if (step.path / LOSSES).is_file()]
        return {step.name.removesuffix("-student"): self._file(step.path / LOSSES, Loss) for step in trained}

    @cached_property
    def scores(self) -> list[StageScore]:
        """How each stage did on the test questions; in an unfinished run, those that there are."""
        return self.summary.stages if self.summary else score_stages(self.test, self._evaluation)

    @cached_property
    def tasks(self) -> dict[str, list[StageScore]]:
        """The same for each task of a mixture."""
        return self.summary.tasks if self.summary else score_tasks(self.test, self._evaluation)

    @property
    def _evaluation(self) -> EvaluationConfig:
        found = self.recipe.identity.get("evaluation") if self.recipe else None
        return EvaluationConfig.model_validate(found) if found else EvaluationConfig()

    def _step(self, name: str) -> Step | None:
        return next((step for step in self.steps if step.name == name), None)

    def _by_stage(self, suffix: str, record: type[R]) -> dict[str, list[R]]:
        names = [step.name for step in self.steps if step.name.endswith(suffix)]
        return {name.removesuffix(suffix): self._rows(name, record) for name in names}

    def _rows(self, name: str, record: type[R]) -> list[R]:
        step = self._step(name)
        return self._file(step.path / ROWS, record) if step else []

    def _lines(self, name: str, record: type[R]) -> list[R]:
        file = self.run / name
        if file.is_file():
            return self._file(file, record)
        self.missing.append(f"{name} is not there: the run was made by an earlier version. `twt run` writes it anew")
        return []

    def _file(self, file: Path, record: type[M]) -> list[M]:
        try:
            with file.open("rb") as lines:
                return [record.model_validate_json(line) for line in lines]
        except (OSError, ValueError):
            self.missing.append(f"{file.relative_to(self.run)} cannot be read")
            return []

    def _one(self, name: str, model: type[M], absent: str) -> M | None:
        file = self.run / name
        if not file.is_file():
            self.missing.extend([absent] if absent else [])
            return None
        try:
            return model.model_validate_json(file.read_bytes())
        except ValueError:
            self.missing.append(f"{name} is damaged, or of another version. `twt run` writes it anew")
            return None


def _step(path: Path) -> Step | None:
    file = path / MANIFEST
    try:
        manifest = Manifest.model_validate_json(file.read_bytes())
    except (OSError, ValueError):  # not whole
        return None
    made = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return Step(path.name.partition("-")[2], path, manifest.seconds, made)


def made_between(steps: Sequence[Step]) -> tuple[datetime, datetime] | None:
    """When the first and the last of the steps were made, by the dates of their files."""
    dates = [step.made for step in steps]
    return (min(dates), max(dates)) if dates else None
