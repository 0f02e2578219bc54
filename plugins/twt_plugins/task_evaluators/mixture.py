"""Several tasks in one run: each query names its own."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field, SerializeAsAny, field_validator
from pydantic_core import PydanticCustomError

from twt_core import contract
from twt_core.components import Context, TaskEvaluator
from twt_core.prompts import Message
from twt_core.records import Answered, Draft, Grade, Query, Reading
from twt_core.settings import Json
from twt_core.suggest import did_you_mean

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,49}")


class Mixture(TaskEvaluator):
    """Tasks of several kinds for one student; a query's `task` says which of them it is.

    Everything that is done with a query is done by its task: asked, read, compared, graded. The paper trains a student
    for each data set, and is "not applicable to datasets containing mixed tasks" (Limitations).
    """

    tasks: dict[str, SerializeAsAny[TaskEvaluator]] = Field(
        min_length=1, description="Each task by the name that queries call it: {sums: {use: math}}."
    )

    @field_validator("tasks")
    @classmethod
    def _plain_names(cls, tasks: dict[str, TaskEvaluator]) -> dict[str, TaskEvaluator]:
        for name, task in tasks.items():
            if not _NAME.fullmatch(name):
                message = "a task's name is one word of at most 50 letters, digits, _ and -, and begins with a letter"
                raise PydanticCustomError("task_name", message, {"at": (name,)})
            if task.task_names:
                message = "a mixture within a mixture: write its tasks among the others"
                raise PydanticCustomError("nested", message, {"at": (name,)})
        return tasks

    @property
    def task_names(self) -> tuple[str, ...]:
        """The tasks, in the order of the config."""
        return tuple(self.tasks)

    def of(self, query: Query) -> TaskEvaluator:
        """The task of a query.

        Raises:
            ValueError: the query names none, or another than there are.
        """
        if query.task is None:
            raise ValueError(f'the query names no task: add "task", one of {", ".join(self.tasks)}')
        if query.task not in self.tasks:
            raise ValueError(f"no task is called {query.task!r}. {did_you_mean(query.task, self.tasks)}")
        return self.tasks[query.task]

    def factor_weights(self, query: Query) -> dict[str, float]:
        """Those of the query's task."""
        return self.of(query).factor_weights(query)

    def check(self, query: Query) -> None:
        """Refuse a query of no known task, and one that its task cannot use.

        Raises:
            ValueError: with what is wrong and what would be right.
        """
        contract.check_query(self.of(query), query)

    def teacher_messages(self, query: Query) -> list[Message]:
        """The prompt p of the query's task."""
        return list(contract.teacher_messages(self.of(query), query))

    def rewrite_messages(self, draft: Draft) -> list[Message]:
        """The prompt p' of the query's task."""
        return self.of(draft.query).rewrite_messages(draft)

    def student_messages(self, query: Query) -> list[Message]:
        """The student's prompt of the query's task: by it the student tells the tasks apart."""
        return list(contract.student_messages(self.of(query), query))

    def completion(self, rationale: str | None, label: str, query: Query) -> str:
        """What the query's task teaches the student to write."""
        return contract.completion(self.of(query), rationale, label, query)

    def read(self, text: str, query: Query) -> Reading:
        """What the query's task reads."""
        return contract.read(self.of(query), text, query)

    def answered(self, text: str, query: Query) -> bool:
        """Whether the text has the whole answer that the query's task awaits."""
        return contract.answered(self.of(query), text, query)

    def same(self, label: str, other: str, query: Query) -> bool:
        """Whether the query's task takes the two for the same answer."""
        return contract.same(self.of(query), label, other, query)

    def gradable(self, query: Query) -> bool:
        """Whether the query's task can grade answers to it."""
        return contract.gradable(self.of(query), query)

    @property
    def asks_teachers(self) -> bool:
        """Whether one of the tasks does."""
        return any(task.asks_teachers for task in self.tasks.values())

    def grade(self, answers: Sequence[Answered], context: Context) -> list[Grade]:
        """Each task's answers graded by it as one batch; the grades in the order of the answers."""
        places: dict[str | None, list[int]] = defaultdict(list)
        for place, answer in enumerate(answers):
            self.of(answer.query)
            places[answer.query.task].append(place)
        found: dict[int, Grade] = {}
        for name, task in self.tasks.items():
            own = [answers[place] for place in places[name]]
            if own:
                found |= dict(zip(places[name], contract.grade(task, own, replace(context, task=task)), strict=True))
        return [found[place] for place in range(len(answers))]

    def answer_schema(self, query: Query) -> dict[str, Json] | None:
        """That of the query's task, if it has one."""
        return self.of(query).answer_schema(query)

    def tests_passed(self, label: str, query: Query) -> float | None:
        """The share of its tests that an answer passes; None where the query's task runs none."""
        return self.of(query).tests_passed(label, query)
