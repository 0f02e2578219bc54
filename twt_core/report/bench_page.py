"""The report of a bench: its arms side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from twt_core.bench.result import RESULT, Arm, BenchResult, Combination
from twt_core.errors import InputError
from twt_core.report import REPORT, figures
from twt_core.report.blocks import Block, Facts, Figure, Link, Links, Page, Section, Table, Text
from twt_core.report.figures import FrontierPoint
from twt_core.report.scores import comparison_table, frontier_point, stage_table
from twt_core.run import engine_version
from twt_core.score_tables import UNSANDBOXED, marks, share_cells

_FIGURES = ("accuracy", "95 % interval", "± seeds", "tokens", "kept", "kept right", "words", "calls", "USD")
_MADE = ("steps", "taken over", "seconds", "calls", "USD")


def bench_page(folder: Path, place: Path) -> Page:
    """The page of a bench's folder, which is to lie in the folder `place`.

    Raises:
        InputError: there is no bench in it, or one of another version.
    """
    result = _read(folder)
    sections = [
        Section("what", "What was compared", [Facts(_facts(result)), *map(Text, _notes(result))]),
        Section("accuracy", "Accuracy and tokens", _arms(result)),
        Section("comparisons", "Comparisons", _comparisons(result)),
        *([Section("stages", "Every stage", stages)] if (stages := _stages(result)) else []),
        Section("runs", "Runs", _runs(folder, place, result)),
    ]
    done = sum(one.state == "done" for one in result.combinations)
    colophon = (
        f"Made by TwT {engine_version()} from {RESULT} in the folder of the bench, which has all numbers. This page "
        "loads nothing and sends nothing."
    )
    subtitle = f"{done} of {len(result.combinations)} combinations are done{', at the reduced size' * result.reduced}."
    return Page("Report of a bench", result.name, subtitle, _marks(result), sections, colophon)


def _read(folder: Path) -> BenchResult:
    file = folder / RESULT
    if not file.is_file():
        raise InputError(f"{folder}: no bench: it has no {RESULT}. Make it by twt bench")
    try:
        return BenchResult.model_validate_json(file.read_bytes())
    except ValueError:
        raise InputError(f"{file}: damaged, or of another version. `twt bench` writes it anew") from None


def _marks(result: BenchResult) -> list[str]:
    found = []
    if result.simulated:
        made_up = ", ".join(result.simulated)
        found.append(f"SIMULATED: the answers of {made_up} are made up. No number says how a model does")
    if result.unsandboxed_code:
        found.append(UNSANDBOXED)
    return found + [note for note in result.notes if note not in _notes(result)]


def _notes(result: BenchResult) -> list[str]:
    """The notes but for those that begin with a word in capitals: nobody may overlook those."""
    return [note for note in result.notes if not note.partition(" ")[0].isupper()]


def _facts(result: BenchResult) -> list[tuple[str, str]]:
    axes = [(axis, ", ".join(values)) for axis, values in result.axes.items()]
    baseline = ", ".join(f"{axis} {value}" for axis, value in result.baseline.items()) or "none"
    cost = f"{result.cost_usd:.4f} US dollars for {result.teacher_calls:,} teacher calls"
    if result.maybe_billed_usd:
        cost += f", of which {result.maybe_billed_usd:.4f} may have been billed"
    versions = ", ".join(f"{name} {number}" for name, number in result.versions.items())
    return [
        *axes, ("seeds", ", ".join(map(str, result.seeds))), ("stage compared", result.stage), ("baseline", baseline),
        ("cost", cost), ("versions", versions),
    ]  # fmt: skip


def _arms(result: BenchResult) -> list[Block]:
    table = _arm_table(result)
    points = frontier_points(result.arms)
    if not points:
        return [table]
    alt = "Accuracy against output tokens: " + "; ".join(
        f"{p.label} {p.accuracy:.1%} at {p.tokens:.1f} tokens" for p in points
    )
    note = "Filled points are on the frontier: no other arm is better in one of the two and no worse in the other."
    figure = Figure("Accuracy against output tokens", alt, figures.frontier(points), table, note, open=True)
    said = dict.fromkeys(line for arm in result.arms if arm.score for line in marks([arm.score]))
    return [figure, *(Text(line, mark=True) for line in said)]


def frontier_points(arms: Sequence[Arm]) -> list[FrontierPoint]:
    """The arms that have a place on a plot of accuracy against tokens."""
    return [point for arm in arms if (point := _point(arm)) is not None]


def _point(arm: Arm) -> FrontierPoint | None:
    if arm.score is None:
        return None
    own = arm.name.removeprefix(f"{arm.group}+")
    return frontier_point(arm.score, own, arm.group or "all arms", arm.on_frontier)


def _arm_table(result: BenchResult) -> Table:
    return Table(
        "Arms: the runs that differ in the seed alone, together",
        ("arm", *_FIGURES, ""),
        [[*_arm(arm), _notes_on(arm, result.baseline)] for arm in result.arms],
        _FIGURES,
        frozenset(place for place, arm in enumerate(result.arms) if arm.on_frontier),
    ).without_empty_columns()


def _notes_on(arm: Arm, baseline: Mapping[str, str]) -> str:
    is_baseline = arm.score is not None and bool(baseline) and baseline.items() <= arm.values.items()
    return ", ".join([*(["baseline"] if is_baseline else []), *(["frontier"] if arm.on_frontier else [])])


def _arm(arm: Arm) -> list[str]:
    score, spread = arm.score, arm.accuracy_spread
    deviation = spread.deviation if spread else None
    shorter = None not in (arm.words_before, arm.words_after)
    return [
        arm.name,
        *(share_cells(score.accuracy, score.accuracy_ci) if score else ("not done", "")),
        "" if deviation is None else f"{100 * deviation:.1f}",
        f"{score.mean_output_tokens:.1f}" if score and score.tokens_unknown < score.answers else "",
        "" if arm.kept is None else f"{arm.kept:,.0f}",
        "" if arm.kept_right is None else f"{arm.kept_right:.1%}",
        f"{arm.words_before:.1f} to {arm.words_after:.1f}" if shorter else "",
        f"{arm.teacher_calls:,}",
        f"{arm.cost_usd:.4f}",
    ]


def _comparisons(result: BenchResult) -> list[Block]:
    if not result.comparisons:
        return [Text("There is nothing to compare: no baseline, or its runs are not done.")]
    return [
        comparison_table(result.comparisons),
        *(Text(one.sentence()) for one in result.comparisons if one.significant),
    ]


def _stages(result: BenchResult) -> list[Block]:
    """The stages of each arm; none where each stage is an arm."""
    return (
        [] if result.stage == "each" else [stage_table(arm.name, arm.stages, None) for arm in result.arms if arm.stages]
    )


def _runs(folder: Path, place: Path, result: BenchResult) -> list[Block]:
    table = Table(
        "Every combination; steps that another one had made were taken over, not made twice",
        ("combination", "state", *_MADE, "why"),
        [_run(one) for one in result.combinations],
        _MADE,
    )
    files = {one.name: folder / one.run / REPORT for one in result.combinations}
    there = [Link(name, os.path.relpath(file, place)) for name, file in files.items() if file.is_file()]
    return [table, Text("The reports of the runs:"), Links(there)] if there else [table]


def _run(one: Combination) -> list[str]:
    return [
        one.name, one.state.replace("_", " "), str(one.steps), str(len(one.taken)), f"{one.seconds:.1f}",
        f"{one.teacher_calls:,}", f"{one.cost_usd:.4f}", one.error or "",
    ]  # fmt: skip
