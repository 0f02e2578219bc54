"""A diversity selector, a confidence scorer and a task evaluator that TwT does not ship."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from pydantic import Field

from twt_core.components import ConfidenceScorer, Context, DiversitySelector, TaskEvaluator
from twt_core.hookspecs import Register, hookimpl
from twt_core.prompts import Message
from twt_core.records import Annotation, Query, Reading


class Brevity(ConfidenceScorer):
    """The shorter the rationale, the higher: 1 for no words, 0 from `longest` words on."""

    longest: int = Field(default=200, ge=1, description="Words from which on the confidence is 0.")

    def score(self, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
        """See `ConfidenceScorer.score`."""
        return [max(0.0, 1 - len(a.rationale.split()) / self.longest) for a in annotations]


class LongestPair(DiversitySelector):
    """The two longest rationales of each query."""

    def select(self, pool: Sequence[Annotation], context: Context) -> list[Annotation]:
        """See `DiversitySelector.select`."""
        queries = [list(group) for _, group in groupby(pool, key=lambda a: a.query_id)]
        return [a for query in queries for a in sorted(query, key=lambda a: -len(a.rationale))[:2]]


class OneWord(TaskEvaluator):
    """Answers in one word; case does not matter. A prompt, a parser and a check: all that a task has to have."""

    def teacher_messages(self, query: Query) -> list[Message]:
        """See `TaskEvaluator.teacher_messages`."""
        return [Message("user", f'{query.query}\nThink in one sentence, and end with "The answer is: " and one word.')]

    def read(self, text: str, query: Query) -> Reading:
        """See `TaskEvaluator.read`."""
        thinking, mark, label = text.rpartition("The answer is:")
        if not mark:
            return Reading(rationale=text.strip())
        return Reading(rationale=thinking.strip(), label=label.strip().partition("\n")[0] or None)

    def same(self, label: str, other: str, query: Query) -> bool:
        """See `TaskEvaluator.same`."""
        return label.casefold() == other.casefold()


@hookimpl
def register_confidence_scorers(register: Register) -> None:
    """See `twt_core.hookspecs`."""
    register("brevity", Brevity)


@hookimpl
def register_diversity_selectors(register: Register) -> None:
    """See `twt_core.hookspecs`."""
    register("longest_pair", LongestPair)


@hookimpl
def register_task_evaluators(register: Register) -> None:
    """See `twt_core.hookspecs`."""
    register("one_word", OneWord)
