"""By task: another scorer for each of a mixture's tasks."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, SerializeAsAny

from twt_core import contract
from twt_core.components import ConfidenceScorer, Context
from twt_core.records import Annotation
from twt_plugins import tasks_apart
from twt_plugins.confidence_scorers.self_reported import SelfReported


class ByTask(ConfidenceScorer):
    """Each of a mixture's tasks scored in its own way, such as code by `tests_passed` and all else as it says itself.

    A filter compares the confidences of all tasks: where their scales differ, use the filter of this name, too.
    """

    tasks: dict[str, SerializeAsAny[ConfidenceScorer]] = Field(
        min_length=1, description="Scorers by task: {code: {use: tests_passed}}."
    )
    otherwise: SerializeAsAny[ConfidenceScorer] = Field(
        default_factory=SelfReported, description="The scorer of all other tasks."
    )

    def check_run(self, context: Context) -> None:
        """Let each task's scorer look at the task's queries.

        Raises:
            InputError: the run has no such tasks, or what a scorer found.
        """
        tasks_apart.check("confidence_scorer by_task", self.tasks, self.otherwise, context)

    def score(self, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
        """See `ConfidenceScorer.score`."""
        return tasks_apart.each_by_its_own(annotations, self.tasks, self.otherwise, context, contract.score)
