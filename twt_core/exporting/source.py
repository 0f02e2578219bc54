"""What an export is taken from: a finished run, and the stage whose student it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from twt_core import distillation, finished
from twt_core.course import Course
from twt_core.errors import InputError, TwtError
from twt_core.metrics import UNTOUCHED, StageScore
from twt_core.progress import Progress
from twt_core.recipe import Recipe
from twt_core.records import Query, Stage, Trace
from twt_core.run import Artifact, Rows, Run
from twt_core.session import QUERIES
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import Target
from twt_core.summary import Summary


@dataclass(frozen=True)
class Source:
    """A finished run and one of its stages, by name."""

    run: Path
    stage: str
    recipe: Recipe
    summary: Summary

    @classmethod
    def of(cls, run: Path, stage: str | None) -> Self:
        """A run's stage; the recommended one by default.

        Raises:
            InputError: no finished run, or no such stage.
        """
        return cls(run, finished.chosen_stage(run, stage), finished.recipe(run), finished.summary(run))

    @cached_property
    def student(self) -> StudentConfig:
        """The student's settings."""
        return StudentConfig.model_validate(self.recipe.student)

    @cached_property
    def queries(self) -> dict[str, Query]:
        """What was asked, by id.

        Raises:
            TwtError: the file was damaged since it was made.
        """
        path, count = self.run / QUERIES, self.summary.annotations.queries
        try:
            with path.open(encoding="utf-8") as file:
                found = {query.id: query for query in map(Query.model_validate_json, file)}
        except (OSError, ValueError):
            raise self._damaged_queries("it cannot be read") from None
        if len(found) != count:
            raise self._damaged_queries(f"it has {len(found)} of {count} queries")
        return found

    @cached_property
    def course(self) -> Course:
        """The stages as they were entered."""
        course = Course(Rows(self.run, None, Trace))
        for stage in self.summary.schedule:
            course.enter(stage)
        return course

    @property
    def stages(self) -> list[Stage]:
        """The stages that the student went through, the first one first; none for the untouched student."""
        if self.stage == UNTOUCHED:
            return []
        own = self.course.stages[self.stage]
        return [*self.course.before(own), own]

    @property
    def score(self) -> StageScore:
        """How the student did on the test queries."""
        return next(score for score in self.summary.stages if score.name == self.stage)

    @cached_property
    def weights(self) -> Path | None:
        """The folder that the stage's training made; None for the untouched student.

        Raises:
            TwtError: it was damaged since.
        """
        folder = finished.adapter_of(self.run, self.stage)
        if folder is not None:
            Run(self.run, Progress(quiet=True)).verify(Artifact(folder, None))
        return folder

    @property
    def adapter(self) -> Path:
        """The stage's adapter.

        Raises:
            InputError: it has none.
        """
        if self.weights is None:
            raise InputError(f"the {UNTOUCHED} student has no adapter; choose a stage by --stage")
        if not is_adapter(self.weights):
            raise InputError(
                f"stage {self.stage} has no adapter: with student.tuning full it is a model of its own. Take it "
                "out by --merged DIR"
            )
        return self.weights

    def targets(self, stage: Stage) -> list[Target]:
        """The texts that a stage was trained on, those of earlier stages that it replayed included."""
        replayed = self.course.before(stage) if stage.replay else []
        earlier = [target for one in replayed for target in self._own(one)]
        return distillation.with_replay(self._own(stage), earlier, stage.replay, f"{self.recipe.seed}/{stage.name}")

    def check_traces(self) -> None:
        """Make sure that what the stages were trained on is as it was made.

        Raises:
            TwtError: it was damaged since.
        """
        run = Run(self.run, Progress(quiet=True))
        for stage in self.course.stages.values():
            run.verify(Artifact(self.run / self.summary.trace_steps[stage.name], None))
            if lost := [trace.query_id for trace in self._traces(stage) if trace.query_id not in self.queries]:
                raise self._damaged_queries(f"query {lost[0]!r} is not in it")

    def _own(self, stage: Stage) -> list[Target]:
        return distillation.targets(self.queries, self._traces(stage), self.recipe.task(), stage.objectives)

    def _traces(self, stage: Stage) -> list[Trace]:
        return Rows(self.run / self.summary.trace_steps[stage.name], None, Trace).read()

    def _damaged_queries(self, problem: str) -> TwtError:
        way_out = "Run again: it is then written anew"
        return TwtError(f"{self.run / QUERIES}: damaged since it was made: {problem}. {way_out}")


def is_adapter(weights: Path) -> bool:
    """Whether a stage's folder holds an adapter, and not a whole model."""
    return (weights / "adapter_config.json").is_file()
