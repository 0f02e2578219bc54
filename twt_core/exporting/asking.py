"""How a student is asked: the prompt that it was trained with, around any question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from twt_core.distillation import asked_with
from twt_core.exporting.source import Source
from twt_core.prompts import Message
from twt_core.records import Query

#: Stands where a question goes.
QUESTION = "{question}"
#: So many prompts of a task are compared with the general one.
_COMPARED = 20


class Asking(NamedTuple):
    """A prompt. When `general`, it is every question's, with `QUESTION` in its place; else it is one as an example."""

    messages: list[Message]
    general: bool

    @property
    def around(self) -> list[Message]:
        """The prompt with all but the question, or all but the last message where there is no general form."""
        return self.messages if self.general else [*self.messages[:-1], Message("user", QUESTION)]


def asking(source: Source, task_name: str | None = None) -> Asking:
    """How a stage's student is asked; of a mixture, by queries of one task or by those of all.

    The prompt of some tasks shows more of a query than its question (options), or lays it out in another way; for
    these there is no text to put around a question.
    """
    task, prefix = source.recipe.task(), source.summary.asked_with(source.stage)
    compared = _some_of_each_task([q for q in source.queries.values() if task_name in (None, q.task)])
    prompts = [asked_with(prefix, query, task) for query in compared]
    general = asked_with(prefix, compared[0].model_copy(update={"query": QUESTION}), task)
    is_general = all(
        [_filled(message, query.query) for message in general] == prompt
        for query, prompt in zip(compared, prompts, strict=True)
    )
    return Asking(general if is_general else prompts[0], is_general)


def _some_of_each_task(queries: Iterable[Query]) -> list[Query]:
    by_task: dict[str | None, list[Query]] = defaultdict(list)
    for query in queries:
        by_task[query.task].append(query)
    return [query for own in by_task.values() for query in own[:_COMPARED]]


def _filled(message: Message, question: str) -> Message:
    return message._replace(content=message.content.replace(QUESTION, question))
