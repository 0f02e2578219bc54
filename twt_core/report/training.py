"""What the student was taught: lengths before and after compression, training curves, and what all of it cost."""

from __future__ import annotations

from statistics import fmean, median

from twt_core.rationale_steps import words
from twt_core.records import Trace
from twt_core.report import figures
from twt_core.report.blocks import Block, Figure, Section, Table, Text
from twt_core.report.reading import Loss, Material
from twt_core.summary import CompressionCounts, Summary

_COMPRESSED = (
    "rationales",
    "words before",
    "words after",
    "steps before",
    "steps after",
    "style before",
    "style after",
)
_LENGTHS = ("rationales", "mean words", "median", "longest")
_LOSSES = ("steps", "first loss", "last loss", "mean of the last ten", "learning rate")
_COSTS = ("calls", "USD", "kept", "selected", "USD per selected", "labels right", "kept labels right")
_LAST = 10


def lengths_section(material: Material) -> Section:
    """How long rationales are before and after each compression, and why originals were kept."""
    found = {"teachers'": material.full, **material.compressed}
    counts = {name: lengths for name, rows in found.items() if (lengths := _lengths(rows))}
    if not counts:
        return Section("lengths", "Length of rationales", [Text("No rationale has been selected yet.")])
    rows = [
        [name, f"{len(c):,}", f"{sum(c) / len(c):.1f}", f"{median(c):g}", f"{max(c):,}"] for name, c in counts.items()
    ]
    said = "; ".join(f"{name}: median {median(c):g} words, {len(c)} rationales" for name, c in counts.items())
    title = "Words in a rationale, by stage"
    note = "The point is the median, the bar the middle half, the line 5 to 95 % of the rationales."
    table = Table(title, ("stage", *_LENGTHS), rows, _LENGTHS)
    blocks: list[Block] = [Figure(title, said, figures.lengths(counts), table, note)]
    blocks += _compression(material.summary.compression) if material.summary else _kept_originals(material)
    return Section("lengths", "Length of rationales", blocks)


def _lengths(rows: list[Trace]) -> list[int]:
    return [len(words(row.rationale)) for row in rows if row.rationale is not None]


def _compression(stages: dict[str, CompressionCounts]) -> list[Block]:
    if not stages:
        return []
    table = Table(
        "Compression, means over all rationales; style is the distance to the student's own writing, from 0 to 1",
        ("stage", "compressor", *_COMPRESSED),
        [
            [
name, one.compressor, str(one.rationales),
                f"{one.mean_words_before:.1f}", f"{one.mean_words_after:.1f}",
                f"{one.mean_steps_before:.1f}", f"{one.mean_steps_after:.1f}", _distance(one.style_distance_before),
                _distance(one.style_distance_after),
            ]
            for name, one in stages.items()
        ],
        _COMPRESSED,
    )  # fmt: skip
    reasons = {name: one.kept_original for name, one in stages.items()}
    return [table, *_reasons(reasons)]


def _kept_originals(material: Material) -> list[Block]:
    reasons: dict[str, dict[str, int]] = {}
    for stage, rows in material.compressed.items():
        for row in rows:
            if row.kept_original:
                counts = reasons.setdefault(stage, {})
                counts[row.kept_original] = counts.get(row.kept_original, 0) + 1
    return _reasons(reasons)


def _reasons(stages: dict[str, dict[str, int]]) -> list[Block]:
    rows = [[stage, why, f"{number:,}"] for stage, counts in stages.items() for why, number in counts.items()]
    caption = "Originals that were kept in place of their compression"
    return [Table(caption, ("stage", "why", "rationales"), rows, ("rationales",))] if rows else []


def _distance(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def losses_section(material: Material) -> Section:
    """Training curves."""
    stages = {name: rows for name, rows in material.losses.items() if rows}
    if not stages:
        return Section("training", "Training", [Text("No stage has been trained yet.")])
    title = "Training loss"
    said = "; ".join(f"{name}: {rows[0].loss:.3f} to {rows[-1].loss:.3f}" for name, rows in stages.items())
    table = Table(title, ("stage", *_LOSSES), [_loss(name, rows) for name, rows in stages.items()], _LOSSES)
    svg = figures.losses({name: [(row.step, row.loss) for row in rows] for name, rows in stages.items()})
    note = "Faint: each step. Strong: the mean of the last ten steps. Each stage starts anew with its optimizer."
    return Section("training", "Training", [Figure(title, f"{title} by stage: {said}", svg, table, note)])


def _loss(name: str, rows: list[Loss]) -> list[str]:
    mean = fmean(row.loss for row in rows[-_LAST:])
    rate = max(row.learning_rate for row in rows)
    return [name, str(len(rows)), f"{rows[0].loss:.4f}", f"{rows[-1].loss:.4f}", f"{mean:.4f}", f"{rate:g}"]


def cost_section(summary: Summary | None) -> Section:
    """What each teacher was asked and cost, beside what came of it."""
    if summary is None:
        return Section("cost", "Cost", [Text("The ledger is read when the run is finished.")])
    rows = [
        [
            f"{one.name} (simulated)" if one.simulated else one.name, f"{one.calls:,}", f"{one.cost_usd:.4f}",
            f"{one.kept:,}", f"{one.selected:,}", f"{one.cost_usd / one.selected:.6f}" if one.selected else "",
            _share(one.label_accuracy), _share(one.kept_label_accuracy),
        ]
        for one in summary.teachers
    ]  # fmt: skip
    blocks: list[Block] = [Table("Cost by teacher, in US dollars", ("teacher", *_COSTS), rows, _COSTS)]
    total = f"{summary.teacher_calls:,} calls, {summary.cost_usd:.4f} US dollars in all, judges and rewrites included."
    if summary.maybe_billed:
        total += (
            f" Of it at most {summary.maybe_billed_usd:.4f} may have been billed for {len(summary.maybe_billed)} calls "
            "whose reply never came."
        )
    return Section("cost", "Cost", [*blocks, Text(total)])


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
