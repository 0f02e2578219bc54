"""The settings a run folder was last run with, kept in it: to tell another config, and to ask its student later."""

from __future__ import annotations

from pydantic import BaseModel

from twt_core.components import TaskEvaluator
from twt_core.config import RunConfig
from twt_core.settings import Json

RECIPE = "config.json"


class Recipe(BaseModel):
    """`identity` is all of the config with files as hashes; the rest is what asking the student takes."""

    identity: dict[str, Json]
    task_evaluator: dict[str, Json]
    student: dict[str, Json]
    seed: int

    @classmethod
    def of(cls, config: RunConfig) -> Recipe:
        """A config's recipe."""
        return cls(
            identity=config.identity(),
            task_evaluator=config.task_evaluator.model_dump(mode="json"),
            student=config.student.model_dump(mode="json"),
            seed=config.seed,
        )

    def task(self) -> TaskEvaluator:
        """The run's task."""
        return TaskEvaluator.model_validate(self.task_evaluator)
