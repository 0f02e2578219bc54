"""By task: another filter for each of a mixture's tasks."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, SerializeAsAny

from twt_core import contract
from twt_core.components import Context, QualityFilter
from twt_core.records import Annotation
from twt_plugins import tasks_apart
from twt_plugins.quality_filters.threshold import Threshold


class ByTask(QualityFilter):
    """Each of a mixture's tasks filtered by itself, with borders of its own.

    A filter that sets its border by the rows it sees (`top_fraction`, `per_teacher_quantile`, `calibrated`) else sets
    one for all tasks, and keeps little of a hard one. What `calibrated` promises then holds for each task by itself.
    """

    tasks: dict[str, SerializeAsAny[QualityFilter]] = Field(
        default={}, description="Filters by task: {code: {use: threshold, minimum: 1}}."
    )
    otherwise: SerializeAsAny[QualityFilter] = Field(
        default_factory=Threshold, description="The filter of all other tasks, each task by itself."
    )

    def check_run(self, context: Context) -> None:
        """Let each task's filter look at the task's queries.

        Raises:
            InputError: the run has no such tasks, or what a filter found.
        """
        tasks_apart.check("quality_filter by_task", self.tasks, self.otherwise, context)

    def judge(self, annotations: Sequence[Annotation], context: Context) -> list[str | None]:
        """See `QualityFilter.judge`."""
        return tasks_apart.each_by_its_own(annotations, self.tasks, self.otherwise, context, contract.judge)
