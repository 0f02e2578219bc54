"""What scorers, filters and selectors promise (section 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from twt_core import contract
from twt_core.components import ConfidenceScorer, Context, DiversitySelector, QualityFilter, RunComponent
from twt_core.records import Annotation
from twt_core.testing.batch import Batch
from twt_core.testing.checks import Check, NotTried
from twt_core.testing.findings import Findings, shown
from twt_core.testing.rows import hard_annotations, more_annotations
from twt_core.testing.sample import sample_annotations, sample_context

C = TypeVar("C", bound=RunComponent)

#: Reasons among a thousand rows. A few for each teacher are fine; one for each row is not.
MOST_REASONS = 100
_ROWS_WITH_REASONS = 1000


def given(annotations: Sequence[Annotation] | None, context: Context | None) -> tuple[Sequence[Annotation], Context]:
    """Annotations with a context that has their queries: those given, and the kit's own for those that are not.

    Raises:
        ValueError: there are none, or the context lacks a query of theirs.
    """
    known = context or sample_context()
    rows = sample_annotations(known) if annotations is None else annotations
    if not rows:
        raise ValueError("annotations: give at least one")
    missing = next((row.query_id for row in rows if row.query_id not in known.queries), None)
    if missing is not None:
        raise ValueError(
            f"context: it has no query {missing!r}, which an annotation is of: sample_context(queries=[...])"
        )
    return rows, known


def scorer_checks(
    scorer: ConfidenceScorer, annotations: Sequence[Annotation] | None, context: Context | None, rows: int
) -> list[Check]:
    """Those of a confidence scorer."""
    batch = _batch(scorer, "score", contract.score, annotations, context, rows)
    of_kind = Check("confidences", "score() has a confidence for some rows.", partial(_some_confidence, batch))
    return [*batch.checks(), of_kind]


def filter_checks(
    quality_filter: QualityFilter, annotations: Sequence[Annotation] | None, context: Context | None, rows: int
) -> list[Check]:
    """Those of a quality filter."""
    batch = _batch(quality_filter, "judge", contract.judge, annotations, context, rows)
    return [*batch.checks(), Check("reasons", "judge() gives reasons that can be counted.", partial(_reasons, batch))]


def selector_checks(
    selector: DiversitySelector, pool: Sequence[Annotation] | None, context: Context | None, rows: int
) -> list[Check]:
    """Those of a diversity selector."""
    batch = _batch(selector, "select", contract.select, pool, context, rows)
    return [*batch.checks(), Check("choice", "select() chooses some annotations.", partial(_some_chosen, batch))]


def _batch(
    component: C,
    method: str,
    work: Callable[[C, Sequence[Annotation], Context], Sequence[object]],
    annotations: Sequence[Annotation] | None,
    context: Context | None,
    most: int,
) -> Batch[C, Annotation]:
    rows, known = given(annotations, context)
    return Batch(component, method, work, rows, known, hard_annotations(rows), more_annotations(rows, known), most)


def _some_confidence(batch: Batch[ConfidenceScorer, Annotation], findings: Findings) -> None:
    made = batch.result(findings, batch.rows, f"on {len(batch.rows)} rows")
    if made and all(value is None for value in made):
        raise NotTried(f"score() has no confidence for any of {len(made)} rows: give annotations that it can score")


def _reasons(batch: Batch[QualityFilter, Annotation], findings: Findings) -> None:
    rows, context = batch.enlarged(_ROWS_WITH_REASONS)
    made = batch.result(findings, rows, f"on {len(rows)} rows", context)
    reasons = dict.fromkeys(value for value in made if isinstance(value, str))
    for reason in reasons:
        findings.expect(
            bool(reason.strip()), "judge(): an empty reason: say why it is rejected, or give None to keep it"
        )
        findings.expect(len(reason.splitlines()) <= 1, f"judge(): the reason {shown(reason)} has more than one line")
    findings.expect(
        len(reasons) <= MOST_REASONS,
        f"judge(): {len(reasons)} different reasons on {len(rows)} rows, such as {shown(next(iter(reasons), None))}: "
        "they are counted, so leave out what is of one row alone",
    )


def _some_chosen(batch: Batch[DiversitySelector, Annotation], findings: Findings) -> None:
    before = findings.problems
    made = batch.result(findings, batch.rows, f"on {len(batch.rows)} rows")
    if findings.problems == before:
        findings.expect(
            bool(made), f"select(): it chooses none of {len(batch.rows)} annotations: nothing would be learned"
        )
