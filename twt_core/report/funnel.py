"""From asked to selected: what became of every annotation, and why."""

from __future__ import annotations

from collections import Counter

from twt_core.accounting import AnnotationCounts
from twt_core.records import Annotation
from twt_core.report import figures
from twt_core.report.blocks import Block, Figure, Section, Table, Text
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
    blocks: list[Block] = [_funnel(material.sampling)] if material.sampling else []
    counts = {
        teacher: Counter(outcome(a, material.selected, judged=material.judged) for a in rows)
        for teacher, rows in by_teacher(material.annotations).items()
    }
    if counts:
        blocks.append(_by_teacher(counts))
    return Section("funnel", "From asked to selected", blocks or [Text("No teacher has been asked yet.")])


def by_teacher(annotations: list[Annotation]) -> dict[str, list[Annotation]]:
    """The annotations of each teacher, in order of appearance."""
    found: dict[str, list[Annotation]] = {}
    for one in annotations:
        found.setdefault(one.teacher, []).append(one)
    return found


def _funnel(counts: AnnotationCounts) -> Table:
    rows = [("asked", counts.asked)]
    rows += [("pending", counts.pending)] if counts.pending else []
    rows += [(f"failed: {cause}", number) for cause, number in counts.failed_by_cause.items()]
    rows += [("answered", counts.asked - counts.failed - counts.pending)]
    rows += [(f"rejected: {reason}", number) for reason, number in counts.rejected.items()]
    rows += [("kept", counts.kept), ("selected for training", counts.selected)]
    cells = [[name, f"{number:,}", _share(number, counts.asked)] for name, number in rows]
    strong = frozenset(place for place, (name, _) in enumerate(rows) if ":" not in name)
    caption = f"Annotations of all teachers to {counts.queries:,} queries"
    return Table(caption, ("", "annotations", "share"), cells, ("annotations", "share"), strong)


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
