"""Calls into components, checked: whatever a plugin does, the message names it and its distribution."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pydantic import ValidationError

from twt_core import plugins
from twt_core.components import (
    Component,
    Compressor,
    ConfidenceScorer,
    Context,
    DiversitySelector,
    QualityFilter,
    RunComponent,
    StageScheduler,
    TaskEvaluator,
    Teacher,
)
from twt_core.errors import PluginError, TwtError
from twt_core.prompts import Message
from twt_core.records import (
    Annotation,
    Answered,
    Completion,
    Draft,
    Grade,
    Query,
    Reading,
    Request,
    Rewrite,
    Stage,
    StageResult,
)
from twt_core.settings import Json

T = TypeVar("T")

#: More than any schedule means to have.
MOST_STAGES = 100


def _name(component: Component) -> str:
    kind = next(base.__name__ for base in type(component).__mro__ if base in plugins.KINDS.values())
    return f"plugin {plugins.distribution_of(type(component))}: {kind} {component.use!r}"


def _guarded(component: Component, call: Callable[[], T]) -> T:
    try:
        return call()
    except TwtError:
        raise
    except (Exception, SystemExit) as error:  # a plugin's exit is a failure, not a success
        raise PluginError(f"{_name(component)} raised {type(error).__name__}: {error}") from error


def _listed(component: Component, value: object, of: type, count: int | None) -> None:
    expected = f"a list of {of.__name__}" if count is None else f"a list of {count} values"
    if not isinstance(value, list):
        raise PluginError(f"{_name(component)} returned {type(value).__name__}, expected {expected}")
    if count is not None and len(value) != count:
        raise PluginError(f"{_name(component)} returned {len(value)} values, expected {count}, one for each input")


def _each(component: Component, values: Sequence[object], allowed: tuple[type, ...]) -> None:
    for index, value in enumerate(values):
        if not isinstance(value, allowed):
            wanted = " or ".join("None" if t is type(None) else t.__name__ for t in allowed)
            raise PluginError(
                f"{_name(component)} returned {type(value).__name__} at position {index}, expected {wanted}"
            )


def _copies(annotations: Sequence[Annotation]) -> tuple[Annotation, ...]:
    # `factors` is what can be changed in a frozen annotation: a component gets its own.
    return tuple(a.model_copy(update={"factors": dict(a.factors)}) for a in annotations)


async def _awaited(component: Component, call: Callable[[], Awaitable[T]]) -> T:
    try:
        return await call()
    except TwtError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"{_name(component)} raised {type(error).__name__}: {error}") from error


async def complete(teacher: Teacher, request: Request) -> Completion:
    """`Teacher.complete`, checked."""
    completion = await _awaited(teacher, lambda: teacher.complete(request))
    if not isinstance(completion, Completion):
        raise PluginError(f"{_name(teacher)} returned {type(completion).__name__}, expected Completion")
    return completion


async def close(teacher: Teacher) -> None:
    """`Teacher.close`, checked."""
    await _awaited(teacher, teacher.close)


def answer_schema(teacher: Teacher, task: TaskEvaluator, query: Query) -> dict[str, Json] | None:
    """`Teacher.answer_schema`, checked: a JSON schema, or None for the task's text format."""
    schema = _guarded(teacher, lambda: teacher.answer_schema(task, query))
    _each(teacher, [schema], (dict, type(None)))
    return schema


def preflight(teacher: Teacher, queries: Sequence[Query]) -> None:
    """`Teacher.preflight`, checked."""
    _guarded(teacher, lambda: teacher.preflight(queries))


def check_run(component: RunComponent, context: Context) -> None:
    """`RunComponent.check_run`, checked."""
    _guarded(component, lambda: component.check_run(context))


def score(scorer: ConfidenceScorer, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
    """`ConfidenceScorer.score`, checked: one confidence in [0, 1], or None, per annotation."""
    values = _guarded(scorer, lambda: scorer.score(_copies(annotations), context))
    _listed(scorer, values, float, len(annotations))
    _each(scorer, values, (float, int, type(None)))
    for index, value in enumerate(values):
        if isinstance(value, bool):  # which Python counts as an int
            raise PluginError(f"{_name(scorer)} returned bool at position {index}, expected a number from 0 to 1")
        if value is not None and (math.isnan(value) or not 0 <= value <= 1):
            raise PluginError(f"{_name(scorer)} returned {value} at position {index}, expected a number from 0 to 1")
    return values


def judge(quality_filter: QualityFilter, annotations: Sequence[Annotation], context: Context) -> list[str | None]:
    """`QualityFilter.judge`, checked: None or a reason per annotation."""
    verdicts = _guarded(quality_filter, lambda: quality_filter.judge(_copies(annotations), context))
    _listed(quality_filter, verdicts, str, len(annotations))
    _each(quality_filter, verdicts, (str, type(None)))
    return verdicts


def select(selector: DiversitySelector, pool: Sequence[Annotation], context: Context) -> list[Annotation]:
    """`DiversitySelector.select`, checked: annotations of the pool, none of them twice or changed."""
    chosen = _guarded(selector, lambda: selector.select(_copies(pool), context))
    _listed(selector, chosen, Annotation, None)
    _each(selector, chosen, (Annotation,))
    known = {a.key: a for a in pool}
    for annotation in chosen:
        if known.pop(annotation.key, None) != annotation:
            raise PluginError(
                f"{_name(selector)} returned an annotation of query {annotation.query_id!r} that is not in the pool, "
                "was changed, or was chosen twice"
            )
    return chosen


def compress(compressor: Compressor, drafts: Sequence[Draft], context: Context) -> list[Rewrite]:
    """`Compressor.compress`, checked: one rewrite per draft."""
    rewrites = _guarded(compressor, lambda: compressor.compress(tuple(drafts), context))
    _listed(compressor, rewrites, Rewrite, len(drafts))
    _each(compressor, rewrites, (Rewrite,))
    return rewrites


def stages(scheduler: StageScheduler) -> list[Stage]:
    """`StageScheduler.stages`, checked: at least one, names unique, each of an earlier stage where it says so."""
    found = _guarded(scheduler, scheduler.stages)
    _listed(scheduler, found, Stage, None)
    _each(scheduler, found, (Stage,))
    if not found:
        raise PluginError(f"{_name(scheduler)} gave no stages: at least one")
    for index, stage in enumerate(found):
        _fits(scheduler, stage, [before.name for before in found[:index]])
    return found


def next_stage(scheduler: StageScheduler, done: Sequence[StageResult]) -> Stage | None:
    """`StageScheduler.next_stage`, checked as `stages` is; the first is not None, and there is an end."""
    stage = _guarded(scheduler, lambda: scheduler.next_stage(tuple(done)))
    _each(scheduler, [stage], (Stage, type(None)))
    if stage is None and not done:
        raise PluginError(f"{_name(scheduler)} gave no stages: at least one")
    if stage is not None and len(done) >= MOST_STAGES:
        raise PluginError(f"{_name(scheduler)} does not come to an end: it asked for stage {len(done) + 1}")
    if stage is not None:
        _fits(scheduler, stage, [result.stage.name for result in done])
    return stage


def _fits(scheduler: StageScheduler, stage: Stage, before: Sequence[str]) -> None:
    if stage.name in (*before, "untouched"):
        raise PluginError(f"{_name(scheduler)} gave two stages the name {stage.name!r}, or one the name 'untouched'")
    for option, named, known in (("after", stage.after, (*before, "untouched")), ("of", stage.of, before)):
        if named is not None and named not in known:
            there = ", ".join(before) or "none"
            raise PluginError(
                f"{_name(scheduler)}: stage {stage.name!r} says {option}={named!r}, and before it there is: {there}"
            )


def compressor_of(scheduler: StageScheduler, stage: Stage) -> Compressor:
    """The compressor that a scheduler gives to a stage, checked."""
    try:
        return Compressor.model_validate(stage.compressor)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))} {e['msg']}".strip() for e in error.errors())
        raise PluginError(f"{_name(scheduler)}: the compressor of stage {stage.name!r}: {problems}") from None


def teacher_messages(task: TaskEvaluator, query: Query) -> tuple[Message, ...]:
    """`TaskEvaluator.teacher_messages`, checked: at least one message."""
    return _messages(task, _guarded(task, lambda: task.teacher_messages(query)))


def student_messages(task: TaskEvaluator, query: Query) -> tuple[Message, ...]:
    """`TaskEvaluator.student_messages`, checked likewise."""
    return _messages(task, _guarded(task, lambda: task.student_messages(query)))


def _messages(task: TaskEvaluator, messages: object) -> tuple[Message, ...]:
    if not isinstance(messages, (list, tuple)):
        raise PluginError(f"{_name(task)} returned {type(messages).__name__}, expected a list of Message")
    _each(task, messages, (Message,))
    if not messages:
        raise PluginError(f"{_name(task)} returned no messages: at least one, the question")
    return tuple(messages)


def completion(task: TaskEvaluator, rationale: str | None, label: str, query: Query) -> str:
    """`TaskEvaluator.completion`, checked: a text with something in it."""
    text = _guarded(task, lambda: task.completion(rationale, label, query))
    if not isinstance(text, str) or not text.strip():
        raise PluginError(f"{_name(task)} gave no text to learn for query {query.id!r}: {type(text).__name__}")
    return text


def read(task: TaskEvaluator, text: str, query: Query) -> Reading:
    """`TaskEvaluator.read`, checked: a reading, whatever the text."""
    reading = _guarded(task, lambda: task.read(text, query))
    _each(task, [reading], (Reading,))
    return reading


def same(task: TaskEvaluator, label: str, other: str, query: Query) -> bool:
    """`TaskEvaluator.same`, checked: a truth value."""
    found = _guarded(task, lambda: task.same(label, other, query))
    _each(task, [found], (bool,))
    return found


def check_query(task: TaskEvaluator, query: Query) -> None:
    """`TaskEvaluator.check`, checked: nothing, or ValueError for a query that the task cannot use."""
    try:
        _guarded(task, lambda: task.check(query))
    except PluginError as error:
        if isinstance(error.__cause__, ValueError):
            raise error.__cause__ from None
        raise


def answered(task: TaskEvaluator, text: str, query: Query) -> bool:
    """`TaskEvaluator.answered`, checked: a truth value."""
    found = _guarded(task, lambda: task.answered(text, query))
    _each(task, [found], (bool,))
    return found


def gradable(task: TaskEvaluator, query: Query) -> bool:
    """`TaskEvaluator.gradable`, checked: a truth value."""
    found = _guarded(task, lambda: task.gradable(query))
    _each(task, [found], (bool,))
    return found


def grade(task: TaskEvaluator, answers: Sequence[Answered], context: Context) -> list[Grade]:
    """`TaskEvaluator.grade`, checked: one grade per answer."""
    grades = _guarded(task, lambda: task.grade(tuple(answers), context))
    _listed(task, grades, Grade, len(answers))
    _each(task, grades, (Grade,))
    return grades
