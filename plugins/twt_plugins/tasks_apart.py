"""A mixture's tasks apart: for components that have one of their own kind for each task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from twt_core import contract
from twt_core.components import Context, RunComponent
from twt_core.errors import InputError
from twt_core.records import Annotation
from twt_core.suggest import did_you_mean

C = TypeVar("C", bound=RunComponent)
R = TypeVar("R")


def check(name: str, tasks: Mapping[str, C], otherwise: C, context: Context) -> None:
    """Refuse tasks that the run does not have; let each task's component look at the task's queries.

    Args:
        name: what the components are for, for messages.
        tasks: the components by task.
        otherwise: that of all other tasks.
        context: the run's.

    Raises:
        InputError: what is wrong, and the way out.
    """
    names = context.task.task_names
    if not names:
        raise InputError(f"{name}: the task_evaluator {context.task.use} is no mixture of tasks: use one component")
    for task in tasks:
        if task not in names:
            raise InputError(f"{name}: no task is called {task!r}. {did_you_mean(task, names)}")
    for task in names:
        own = _of_task(task, context)
        if own.queries:
            contract.check_run(tasks.get(task, otherwise), own)


def each_by_its_own(
    annotations: Sequence[Annotation],
    tasks: Mapping[str, C],
    otherwise: C,
    context: Context,
    work: Callable[[C, list[Annotation], Context], list[R]],
) -> list[R]:
    """What each task's component makes of the task's annotations, in the order of the annotations."""
    places: dict[str | None, list[int]] = defaultdict(list)
    for place, annotation in enumerate(annotations):
        places[context.queries[annotation.query_id].task].append(place)
    found: dict[int, R] = {}
    for task, own in places.items():
        component = tasks.get(task, otherwise) if task is not None else otherwise
        made = work(component, [annotations[place] for place in own], _of_task(task, context))
        found |= dict(zip(own, made, strict=True))
    return [found[place] for place in range(len(annotations))]


def _of_task(task: str | None, context: Context) -> Context:
    return replace(context, queries={id_: query for id_, query in context.queries.items() if query.task == task})
