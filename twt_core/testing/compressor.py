"""What compressors promise (section 3.2, stage 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from twt_core import contract
from twt_core.components import Compressor, Context
from twt_core.rationale_steps import words
from twt_core.records import Draft, Rewrite
from twt_core.testing.batch import Asked, Batch
from twt_core.testing.checks import Check
from twt_core.testing.findings import Findings
from twt_core.testing.rows import hard_drafts, more_drafts
from twt_core.testing.sample import Scripted, sample_annotations, sample_context, sample_drafts, word_logprobs


def compressor_checks(
    compressor: Compressor, drafts: Sequence[Draft] | None, context: Context | None, rows: int
) -> list[Check]:
    """Those of a compressor.

    Raises:
        ValueError: there is no draft.
    """
    known = context or sample_context()
    given = sample_drafts(sample_annotations(known), known) if drafts is None else drafts
    if not given:
        raise ValueError("drafts: give at least one")
    batch = Batch(
        compressor,
        "compress",
        contract.compress,
        given,
        _ready(known, given, compressor),
        hard_drafts(given),
        more_drafts(given, known),
        rows,
    )
    larger = batch.enlarged
    batch.enlarged = lambda count: _larger(*larger(count), compressor)
    return [
        *batch.checks(),
        Check("rewrites", "compress() gives rewrites that a run can use.", partial(_rewrites, batch)),
        Check("declared", "What compress() uses is what the class says: student, teachers.", partial(_declared, batch)),
    ]


def _larger(drafts: Sequence[Draft], context: Context, compressor: Compressor) -> tuple[Sequence[Draft], Context]:
    return drafts, _ready(context, drafts, compressor)


def _ready(context: Context, drafts: Sequence[Draft], compressor: Compressor) -> Context:
    """A context that has the drafts' queries, answers to rewrite requests, and the student where it is promised."""
    found = replace(context, queries={**context.queries, **{draft.query.id: draft.query for draft in drafts}})
    if isinstance(context.ask, Scripted):
        found = replace(found, ask=Scripted({draft.annotation.key: draft for draft in drafts}, context.task))
    if compressor.reads_logprobs and isinstance(context.ask, Scripted):
        found = replace(found, student_logprobs=word_logprobs)
    return found


def _rewrites(batch: Batch[Compressor, Draft], findings: Findings) -> None:
    before = findings.problems
    made = batch.result(findings, batch.rows, f"on {len(batch.rows)} drafts")
    rewrites = [value for value in made if isinstance(value, Rewrite)]
    if findings.problems != before or not rewrites:
        return
    for rewrite in rewrites:
        findings.expect(
            rewrite.reason is None or bool(rewrite.reason.strip()),
            "compress(): an empty reason: say why there is no rewrite, or give None",
        )
    refused = [_refused(batch.context, draft, rewrite) for draft, rewrite in zip(batch.rows, rewrites, strict=True)]
    worst = max(dict.fromkeys(refused), key=refused.count)
    findings.expect(
        None in refused,
        f"compress(): no rewrite of {len(rewrites)} is of use, most because {worst}: a run then keeps every original",
    )


def _refused(context: Context, draft: Draft, rewrite: Rewrite) -> str | None:
    if rewrite.reason is not None:
        return f"of its reason {rewrite.reason!r}"
    label = draft.annotation.label or ""
    if rewrite.label is None or not contract.same(context.task, rewrite.label, label, draft.query):
        return "the answer is lost: put the draft's label into Rewrite(label=...)"
    if not rewrite.rationale:
        return "it is empty"
    longer = len(words(rewrite.rationale)) >= len(words(draft.annotation.rationale))
    return "it is no shorter than the original" if longer else None


def _declared(batch: Batch[Compressor, Draft], findings: Findings) -> None:
    compressor, asked = batch.component, Asked(batch.context.ask)
    context = replace(batch.context, ask=asked)
    one = batch.result(findings, batch.rows, f"on {len(batch.rows)} drafts", context)
    findings.expect(
        compressor.asks_teachers or not asked.requests,
        "compress(): it asks teachers, and the class does not say so: asks_teachers = True, so that they are planned",
    )
    if not compressor.reads_student:
        others = [d.model_copy(update={"student_rationale": f"Else, {n}."}) for n, d in enumerate(batch.rows)]
        other = batch.result(findings, others, "with other texts of the student's", context)
        findings.expect(
            one == other,
            "compress(): it depends on student_rationale, and the class says reads_student = False: leave that out",
        )
