"""From asked to selected: what became of every annotation, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from twt_core.accounting import AnnotationCounts
from twt_core.records import Annotation
from twt_core.report import figures
from twt_core.report.blocks import Block, Figure, Figures, Section, Table, Text
from twt_core.report.figures import FunnelRow
from twt_core.report.reading import Key, Material

SELECTED, KEPT, PENDING = "selected", "kept, not selected", "pending"
#: More reasons than this are drawn as one; the table has all.
_MOST_REASONS = 4


def outcome(annotation: Annotation, selected: set[Key], *, judged: bool) -> str:
    """What became of an annotation, in words."""
    if annotation.failure is not None:
        return f"failed: {annotation.failure}"
    if annotation.rejection is not None:
        return f"rejected: {annotation.rejection}"
    if not judged:
        return PENDING
    return SELECTED if annotation.key in selected else KEPT


def funnel_section(material: Material) -> Section:
    """The whole funnel, and each teacher's part in it."""
    drawn = [funnel(material.sampling)] if material.sampling else []
    counts = {
        teacher: Counter(outcome(a, material.selected, judged=material.judged) for a in rows)
        for teacher, rows in by_teacher(material.annotations).items()
    }
    if counts:
        drawn.append(_by_teacher(counts))
    blocks: list[Block] = [Figures(drawn) if drawn else Text("No teacher has been asked yet.")]
    return Section("funnel", "From asked to selected", blocks)


def by_teacher(annotations: list[Annotation]) -> dict[str, list[Annotation]]:
    """The annotations of each teacher, in order of appearance."""
    found: dict[str, list[Annotation]] = {}
    for one in annotations:
        found.setdefault(one.teacher, []).append(one)
    return found


def funnel(counts: AnnotationCounts) -> Figure:
    """How many annotations are left after each step, and why the others are not."""
    rows = [FunnelRow("asked", counts.asked, lost=False)]
    rows += [FunnelRow("pending", counts.pending, lost=True)] if counts.pending else []
    rows += [FunnelRow(f"failed: {cause}", number, lost=True) for cause, number in counts.failed_by_cause.items()]
    rows += [FunnelRow("answered", counts.asked - counts.failed - counts.pending, lost=False)]
    rows += [FunnelRow(f"rejected: {reason}", number, lost=True) for reason, number in counts.rejected.items()]
    rows += [FunnelRow(*kept, lost=False) for kept in (("kept", counts.kept), ("selected", counts.selected))]
    cells = [[row.name, f"{row.number:,}", _share(row.number, counts.asked)] for row in rows]
    strong = frozenset(place for place, row in enumerate(rows) if not row.lost)
    title = f"Annotations of all teachers to {counts.queries:,} queries"
    table = Table(title, ("", "annotations", "share"), cells, ("annotations", "share"), strong)
    alt = f"{title}: " + ", ".join(f"{row.name} {row.number}" for row in rows)
    return Figure(title, alt, figures.funnel(few(rows)), table)


def few(rows: Sequence[FunnelRow]) -> list[FunnelRow]:
    """The rows with all losses but the largest, between two rows of those that are left, as one."""
    found: list[FunnelRow] = []
    for lost, group in groupby(rows, key=lambda row: row.lost):
        some = list(group)
        if lost and len(some) > _MOST_REASONS:
            largest = set(sorted(some, key=lambda row: -row.number)[: _MOST_REASONS - 1])
            others = [row for row in some if row not in largest]
            some = [row for row in some if row in largest]
            some.append(FunnelRow(f"{len(others)} other reasons", sum(row.number for row in others), lost=True))
        found += some
    return found


def _share(number: int, asked: int) -> str:
    return f"{number / asked:.1%}" if asked else ""


def _by_teacher(counts: dict[str, Counter[str]]) -> Figure:
    names = _ordered(sum(counts.values(), Counter()))
    table = Table(
        "Annotations by teacher",
        ("teacher", *names),
        [[teacher, *(f"{found[name]:,}" for name in names)] for teacher, found in counts.items()],
        tuple(names),
    )
    drawn = _drawn(names)
    rows = {teacher: _folded(found, drawn) for teacher, found in counts.items()}
    said = "; ".join(f"{t}: " + ", ".join(f"{n} {name}" for name, n in row.items() if n) for t, row in rows.items())
    return Figure("What became of each teacher's annotations", said, figures.outcomes(rows), table)


def _ordered(total: Counter[str]) -> list[str]:
    """Selected and kept ones first, then what went wrong, the most frequent first."""
    first = [name for name in (SELECTED, KEPT, PENDING) if total[name]]
    return first + sorted((name for name in total if name not in first), key=lambda name: (-total[name], name))


def _drawn(names: list[str]) -> list[str]:
    reasons = [name for name in names if name.startswith(("rejected", "failed"))]
    if len(reasons) <= _MOST_REASONS:
        return names
    return [name for name in names if name not in reasons[_MOST_REASONS - 1 :]] + ["rejected or failed otherwise"]


def _folded(found: Counter[str], drawn: list[str]) -> dict[str, int]:
    row = {name: found[name] for name in drawn}
    row[drawn[-1]] += found.total() - sum(row.values())
    return row
