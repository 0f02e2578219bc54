"""The settings a run folder was last run with, kept in it: to tell another config, and to ask its student later."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from twt_core.components import TaskEvaluator
from twt_core.config import RunConfig
from twt_core.errors import InputError
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

    @classmethod
    def in_folder(cls, run: Path) -> Recipe | None:
        """The recipe in a run folder, if there is one.

        Raises:
            InputError: it is damaged.
        """
        file = run / RECIPE
        if not file.is_file():
            return None
        try:
            return cls.model_validate_json(file.read_text(encoding="utf-8"))
        except ValueError:  # no JSON, no UTF-8, or no recipe
            raise InputError(
                f"{file}: damaged. Remove it and run `twt run` again: what is on disk is not made again"
            ) from None

    def task(self) -> TaskEvaluator:
        """The run's task."""
        return TaskEvaluator.model_validate(self.task_evaluator)
