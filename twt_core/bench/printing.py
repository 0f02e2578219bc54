"""A bench as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from twt_core import score_tables, tables, terminal
from twt_core.bench.planning import BenchPlan
from twt_core.bench.result import FIGURE, RESULT, TABLE, BenchResult
from twt_core.planning import PlannedStep
from twt_core.seeds import Spread

_LEGEND = "* on the accuracy-per-token frontier; ! accuracies differ (p corrected after Holm)"


def print_bench(result: BenchResult, runs_dir: Path) -> None:
    """The result of a bench, as far as it is."""
    console = terminal.console()
    console.print(_arm_table(result))
    console.print()
    if result.comparisons:
        console.print(score_tables.comparison_table(result.comparisons))
        console.print()
    console.print(Text(_LEGEND))
    _print_runs(console, result)
    for line in _said(result):
        console.print(Text(terminal.plain(line)))
    folder = runs_dir / result.name
    console.print(Text(f"all numbers: {folder}/{RESULT}, {TABLE}; figure: {FIGURE}; report: report.html"))


def _arm_table(result: BenchResult) -> Table:
    several = len(result.seeds) > 1
    spread = ["± seeds"] if several else []
    figures = ["accuracy", *spread, "95 % interval", "output tokens", "median", "kept", "right"]
    table = terminal.table("arm", "stage", *figures, "", right=tuple(figures), wraps=("arm",))
    for arm in result.arms:
        score = arm.score
        if score is None:
            table.add_row(Text(arm.name), "", "none")
            continue
        share, interval = score_tables.share_cells(score.accuracy, score.accuracy_ci)
        table.add_row(
            Text(terminal.plain(arm.name)),
            Text(terminal.plain("/".join(dict.fromkeys(arm.stage.values())))),
            share,
            *([_deviation(arm.accuracy_spread)] if several else []),
            interval,
            f"{score.mean_output_tokens:.1f}",
            f"{score.median_output_tokens:.0f}",
            "" if arm.kept is None else f"{arm.kept:g}",
            "" if arm.kept_right is None else f"{arm.kept_right:.0%}",
            "*" if arm.on_frontier else "",
        )
    return table


def _deviation(spread: Spread | None) -> str:
    return "" if spread is None or spread.deviation is None else f"{100 * spread.deviation:.1f}"


def _print_runs(console: Console, result: BenchResult) -> None:
    for one in result.combinations:
        if one.state != "done":
            why = f": {one.error}" if one.error else ""
            console.print(Text(terminal.plain_lines(f"{one.name} {one.state.replace('_', ' ')}{why}")))


def _said(result: BenchResult) -> list[str]:
    """What has to be said beside the numbers."""
    marks = score_tables.marks([arm.score for arm in result.arms if arm.score is not None])
    taken = sum(len(one.taken) for one in result.combinations)
    steps = sum(one.steps for one in result.combinations)
    seconds = sum(one.seconds for one in result.combinations)
    billed = f", ${result.maybe_billed_usd:.4f} of it maybe billed" if result.maybe_billed_usd else ""
    made_up = f"SIMULATED teachers, whose answers are made up: {', '.join(result.simulated)}"
    return [
        *([made_up] if result.simulated else []),
        *marks,
        *result.notes,
        f"steps: {steps - taken} made in {seconds / 60:.1f} minutes, {taken} shared",
        f"teacher calls: {result.teacher_calls}, ${result.cost_usd:.4f}{billed}",
    ]


def print_bench_plan(plan: BenchPlan) -> None:
    """What a bench would do."""
    console = terminal.console()
    for run in plan.runs:
        console.print(Text(f"{run.name}: {_counted(run.steps)}"))
        for what, names in _whose(run.steps).items():
            console.print(Text(f"  {what}: {', '.join(names)}"))
    console.print()
    tables.print_calls(console, plan.calls)
    console.print()
    for note in plan.notes:
        console.print(Text(note))
    steps = [step for run in plan.runs for step in run.steps]
    console.print(Text(f"{len(plan.runs)} runs, {len(steps)} steps: {_counted(steps)}"))
    console.print(Text(tables.bill(plan)))


def _counted(steps: Sequence[PlannedStep]) -> str:
    on_disk, to_do = sum(step.cached for step in steps), sum(step.to_do for step in steps)
    return f"{on_disk} on disk, {len(steps) - on_disk - to_do} shared, {to_do} to do"


def _whose(steps: Sequence[PlannedStep]) -> dict[str, list[str]]:
    """The steps by what is said of them."""
    found: dict[str, list[str]] = {}
    for step in steps:
        shared = "to do" if step.shared_with is None else f"as in {step.shared_with}"
        found.setdefault("on disk" if step.cached else shared, []).append(step.step)
    return found
