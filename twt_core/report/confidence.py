"""What each teacher's confidence looks like and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence

from twt_core.calibration import ALL, BINS, CalibrationFigures, ReliabilityBin, TeacherCalibration, reliability
from twt_core.records import Annotation
from twt_core.report import figures
from twt_core.report.blocks import Block, Figure, Figures, Section, Table, Text
from twt_core.report.funnel import by_teacher
from twt_core.report.reading import Material

_NUMBERS = ("scored", "right", "95 % interval", "mean confidence", "ECE", "AUROC")


def confidence_section(material: Material) -> Section:
    """A histogram and, where answers are known, a reliability diagram for each teacher."""
    known = {row.teacher: row for row in material.calibration}
    found = {
        teacher: scored
        for teacher, rows in by_teacher(material.annotations).items()
        if (scored := [a for a in rows if a.confidence is not None and a.failure is None])
    }
    if not found:
        return Section("confidence", "Confidence", [Text("No annotation has a confidence yet.")])
    passed = "kept" if material.judged else "not judged yet"
    drawn = [_figure(name, rows, known.get(name), passed) for name, rows in found.items()]
    blocks: list[Block] = [Figures(drawn)]
    if rows := [row for row in material.calibration if row.scored]:
        blocks.append(_table(rows))
        blocks.append(Text("Above the dotted line a teacher is right more often than it says; below, less often."))
    else:
        blocks.append(Text("No query has a known answer, so nothing says what the confidences are worth."))
    return Section("confidence", "Confidence", blocks)


def _figure(teacher: str, rows: Sequence[Annotation], known: TeacherCalibration | None, passed: str) -> Figure:
    kept = _histogram([a for a in rows if a.rejection is None])
    rejected = _histogram([a for a in rows if a.rejection is not None])
    bins = known.reliability if known else []
    title = f"Confidence of {teacher}"
    table = Table(
        title,
        ("confidence", passed, "rejected", "known answer", "mean confidence", "right"),
        [_row(place, kept[place], rejected[place], bins) for place in range(BINS)],
        ("confidence", passed, "rejected", "known answer", "mean confidence", "right"),
    )
    note = ""
    if known and known.ece is not None:
        note = f"ECE {known.ece:.3f} over {known.scored} annotations, {known.accuracy:.1%} of them right."
    alt = f"{title}: {sum(kept)} annotations {passed} and {sum(rejected)} rejected, by confidence. {note}"
    return Figure(title, alt, figures.reliability(bins, kept, rejected, passed), table, note)


def _histogram(rows: Sequence[Annotation]) -> list[int]:
    bins = reliability([row.confidence or 0.0 for row in rows], [True] * len(rows))
    return [one.n for one in bins]


def _row(place: int, kept: int, rejected: int, bins: Sequence[ReliabilityBin]) -> list[str]:
    known = bins[place] if bins else None
    ends = f"{place / BINS:.1f} to {(place + 1) / BINS:.1f}"
    if known is None or not known.n:
        return [ends, str(kept), str(rejected), "0", "", ""]
    return [ends, str(kept), str(rejected), str(known.n), f"{known.mean_confidence:.3f}", f"{known.accuracy:.1%}"]


def _table(rows: Sequence[CalibrationFigures]) -> Table:
    return Table(
        "Labels against known answers, which the method did not see",
        ("teacher", *_NUMBERS),
        [_figures(row) for row in rows],
        _NUMBERS,
        frozenset(place for place, row in enumerate(rows) if row.teacher == ALL),
    )


def _figures(row: CalibrationFigures) -> list[str]:
    low, high = row.accuracy_ci or (0.0, 0.0)
    return [
        row.teacher,
        f"{row.scored:,}",
        "" if row.accuracy is None else f"{row.accuracy:.1%}",
        "" if row.accuracy_ci is None else f"{low:.1%} to {high:.1%}",
        "" if row.mean_confidence is None else f"{row.mean_confidence:.3f}",
        "" if row.ece is None else f"{row.ece:.3f}",
        "" if row.auroc is None else f"{row.auroc:.3f}",
    ]
