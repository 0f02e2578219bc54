"""The kit's functions, one for each kind, and one that finds the kind by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

from twt_core.components import (
    Component,
    Compressor,
    ConfidenceScorer,
    Context,
    DiversitySelector,
    QualityFilter,
    StageScheduler,
    TaskEvaluator,
    Teacher,
)
from twt_core.records import Annotation, Draft, Query, Request
from twt_core.testing.checks import Check, require
from twt_core.testing.component import common
from twt_core.testing.compressor import compressor_checks
from twt_core.testing.questions import questions_for
from twt_core.testing.sampling import filter_checks, scorer_checks, selector_checks
from twt_core.testing.speed import ROWS
from twt_core.testing.stage_scheduler import scheduler_checks
from twt_core.testing.task_evaluator import evaluator_checks
from twt_core.testing.teacher import teacher_checks


class Given(TypedDict, total=False):
    """What a component may be tried with, besides the kit's own samples. Each kind takes its part: see `TAKES`."""

    queries: Sequence[Query]
    labels: Mapping[str, Sequence[str]] | None
    structured: bool
    annotations: Sequence[Annotation] | None
    drafts: Sequence[Draft] | None
    context: Context | None
    request: Request | None
    rows: int


#: What each kind's check takes.
TAKES: Mapping[str, frozenset[str]] = {
    "teacher": frozenset({"request"}),
    "confidence_scorer": frozenset({"annotations", "context", "rows"}),
    "quality_filter": frozenset({"annotations", "context", "rows"}),
    "diversity_selector": frozenset({"annotations", "context", "rows"}),
    "compressor": frozenset({"drafts", "context", "rows"}),
    "stage_scheduler": frozenset(),
    "task_evaluator": frozenset({"queries", "labels", "structured"}),
}


def checks_of(component: Component, **given: Unpack[Given]) -> list[Check]:
    """The checks of a component's kind, in order.

    Raises:
        NotTried: a task evaluator that takes none of the kit's questions.
        ValueError: it is of no kind, or its kind does not take what was given.
    """
    if component.kind not in TAKES:
        raise ValueError(f"{type(component).__name__} is of none of the kinds: {', '.join(TAKES)}")
    if strange := sorted(set(given) - TAKES[component.kind]):
        takes = ", ".join(sorted(TAKES[component.kind])) or "nothing"
        raise ValueError(f"a {component.kind} is not tried with {', '.join(strange)}: it takes {takes}")
    rows, context = given.get("rows", ROWS), given.get("context")
    match component:
        case Teacher():
            own = teacher_checks(component, given.get("request"))
        case ConfidenceScorer():
            own = scorer_checks(component, given.get("annotations"), context, rows)
        case QualityFilter():
            own = filter_checks(component, given.get("annotations"), context, rows)
        case DiversitySelector():
            own = selector_checks(component, given.get("annotations"), context, rows)
        case Compressor():
            own = compressor_checks(component, given.get("drafts"), context, rows)
        case StageScheduler():
            own = scheduler_checks(component)
        case TaskEvaluator():
            queries = given.get("queries") if "queries" in given else questions_for(component)
            own = evaluator_checks(component, queries or (), given.get("labels"), given.get("structured", False))
        case _:
            own = []
    return [*own, *common(component)]


def check_component(component: Component, **given: Unpack[Given]) -> None:
    """Try a component of any kind, with the kit's own samples where nothing else is given.

    Args:
        component: with the options that it is to be tried with.
        **given: the keyword arguments of its kind's check, as `check_compressor` has them.

    Raises:
        Nonconformity: all that is wrong, and the way out.
        ValueError: its kind does not take what was given, or something could not be tried with it.
    """
    require(component, checks_of(component, **given))


def check_teacher(teacher: Teacher, request: Request | None = None) -> None:
    """Try a teacher: its pace, price, keys and batches; and its answers, if it is given something to ask.

    Args:
        teacher: with the options that it is to be tried with.
        request: made twice, with `close` after each, in event loops of their own. It may cost money. Without one, a
            teacher is asked only if it is `simulated`.

    Raises:
        Nonconformity: what is wrong, and the way out.
        ValueError: something could not be tried, such as a model's files that are not there.
    """
    check_component(teacher, request=request)


def check_confidence_scorer(
    scorer: ConfidenceScorer,
    annotations: Sequence[Annotation] | None = None,
    context: Context | None = None,
    *,
    rows: int = ROWS,
) -> None:
    """Try a confidence scorer on annotations, on harder ones, on none and on many.

    Args:
        scorer: with the options that it is to be tried with.
        annotations: as a run has them, ordered by query, teacher and sample; the kit's own if not given.
        context: with the annotations' queries; the kit's own, which needs no model and no network, if not given.
        rows: how many the speed check has; 0 leaves it out.

    Raises:
        Nonconformity: what is wrong, and the way out.
        ValueError: something could not be tried: `check_run` refuses the run, or no annotation gets a confidence.
    """
    check_component(scorer, annotations=annotations, context=context, rows=rows)


def check_quality_filter(
    quality_filter: QualityFilter,
    annotations: Sequence[Annotation] | None = None,
    context: Context | None = None,
    *,
    rows: int = ROWS,
) -> None:
    """Try a quality filter on scored annotations. Arguments and errors as for `check_confidence_scorer`."""
    check_component(quality_filter, annotations=annotations, context=context, rows=rows)


def check_diversity_selector(
    selector: DiversitySelector,
    annotations: Sequence[Annotation] | None = None,
    context: Context | None = None,
    *,
    rows: int = ROWS,
) -> None:
    """Try a diversity selector on a pool of kept annotations. Arguments and errors as for `check_confidence_scorer`."""
    check_component(selector, annotations=annotations, context=context, rows=rows)


def check_compressor(
    compressor: Compressor,
    drafts: Sequence[Draft] | None = None,
    context: Context | None = None,
    *,
    rows: int = ROWS,
) -> None:
    """Try a compressor on drafts, on harder ones, on none and on many.

    Args:
        compressor: with the options that it is to be tried with.
        drafts: rationales with the student's own; the kit's own if not given.
        context: the kit's own, whose teachers and student are scripts, if not given.
        rows: how many the speed check has; 0 leaves it out.

    Raises:
        Nonconformity: what is wrong, and the way out.
        ValueError: something could not be tried: `check_run` refuses the run.
    """
    check_component(compressor, drafts=drafts, context=context, rows=rows)


def check_stage_scheduler(scheduler: StageScheduler) -> None:
    """Try a stage scheduler with accuracies that rise, fall, stay, are drawn, and are not known.

    Raises:
        Nonconformity: what is wrong, and the way out.
        ValueError: something could not be tried.
    """
    check_component(scheduler)


def check_task_evaluator(
    task: TaskEvaluator,
    queries: Sequence[Query],
    labels: Mapping[str, Sequence[str]] | None = None,
    *,
    structured: bool = False,
) -> None:
    """Try a task evaluator on queries of its kind, on answers to them, and on junk.

    Args:
        task: with the options that it is to be tried with.
        queries: at least one that it accepts; some with answers, or right and wrong are not tried.
        labels: answers to each query by its id, as `read` gives them; those that count as right if not given.
        structured: whether teachers with ``structured: true`` are to work with it: `read` then has to find the parts
            of a JSON object of the form of `answer_schema`, too.

    Raises:
        Nonconformity: what is wrong, and the way out.
        ValueError: no query, one without a label, or labels that are no list.
    """
    check_component(task, queries=queries, labels=labels, structured=structured)
