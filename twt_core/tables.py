"""What the command line prints, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.text import Text

from twt_core import score_tables, terminal
from twt_core.accounting import AnnotationCounts
from twt_core.finished import Status
from twt_core.listing import Listed, Listing
from twt_core.planning import PlannedCalls, PlanSummary
from twt_core.progress_file import LiveProgress
from twt_core.seeds import SeedsSummary, Spread
from twt_core.summary import CompressionCounts, Summary


class Bill(Protocol):
    """What a plan says of money, of a run or of a bench; in US dollars."""

    @property
    def teacher_calls_at_most(self) -> int:
        """Calls still to be made."""

    @property
    def worst_case_usd(self) -> float | None:
        """Their price at most; None: not known."""

    @property
    def budget_usd(self) -> float | None:
        """The most that all calls may cost; None: unlimited."""

    @property
    def spent_usd(self) -> float:
        """What was spent before."""


def print_summary(summary: Summary, folder: Path) -> None:
    """The result of a run."""
    console = terminal.console()
    score_tables.print_scores(console, summary.stages, summary.tasks, summary.recommended_stage)
    console.print()
    console.print(score_tables.comparison_table(summary.comparisons))
    console.print(Text(score_tables.LEGEND))
    console.print()
    console.print(Text(f"recommended: {summary.recommended_stage}. {summary.recommended_because}"))
    console.print(Text(_accounting(summary.annotations)))
    _print_teachers(console, summary)
    for stage, counts in summary.compression.items():
        console.print(Text(f"{stage}: {_compression(counts)}"))
    console.print(Text(f"teacher calls: {summary.teacher_calls}, ${summary.cost_usd:.4f}"))
    if summary.maybe_billed:
        worst = f"at most ${summary.maybe_billed_usd:.4f} of it"
        console.print(Text(f"maybe billed, since no reply came: {len(summary.maybe_billed)} calls, {worst}"))
    console.print(Text(f"all numbers: {folder}/summary.json"))
    task = f" --task {next(iter(summary.tasks))}" if summary.tasks else ""
    console.print(Text(f'ask it: twt answer {folder} "..."{task}'))


def print_seeds(seeds: SeedsSummary, runs_dir: Path) -> None:
    """Several seeds of one config."""
    console = terminal.console()
    figures = ("accuracy", "deviation", "lowest", "highest", "output tokens", "deviation ", "lowest ", "highest ")
    table = terminal.table("stage", "runs", *figures, right=("runs", *figures))
    for stage in seeds.stages:
        accuracy = _spread_cells(stage.accuracy, "{:.1%}")
        table.add_row(stage.name, str(stage.runs), *accuracy, *_spread_cells(stage.output_tokens, "{:.1f}"))
    console.print(table)
    console.print()
    counted = ", ".join(f"{stage} by {runs} of {len(seeds.seeds)} seeds" for stage, runs in seeds.recommended.items())
    console.print(Text(f"recommended: {counted}"))
    if seeds.ungraded:
        console.print(Text(f"{seeds.ungraded} answers not graded: each run's summary.json says why"))
    if seeds.judged_by:
        console.print(Text(terminal.plain(score_tables.judged(seeds.judged_by))))
    if seeds.unsandboxed_code:
        console.print(Text(score_tables.UNSANDBOXED))
    console.print(Text(f"teacher calls: {seeds.teacher_calls}, ${seeds.cost_usd:.4f}"))
    console.print(Text(f"each run: {runs_dir}/{', '.join(seeds.runs)}"))
    console.print(Text(f"all numbers: {runs_dir}/{seeds.name}-seeds.json"))


def _spread_cells(spread: Spread | None, form: str) -> list[str]:
    if spread is None:
        return ["none", "", "", ""]
    figures = (spread.mean, spread.deviation, spread.lowest, spread.highest)
    return ["" if figure is None else form.format(figure) for figure in figures]


def _accounting(counts: AnnotationCounts) -> str:
    rejected = ", ".join(f"{n} {reason}" for reason, n in counts.rejected.items()) or "none"
    failed = ", ".join(f"{n} {cause}" for cause, n in counts.failed_by_cause.items())
    return (
        f"annotations: {counts.queries} queries, {counts.asked} asked = {counts.kept} kept "
        f"+ {sum(counts.rejected.values())} rejected ({rejected}) + {counts.failed} failed"
        f"{f' ({failed})' if failed else ''}{f' + {counts.pending} pending' if counts.pending else ''}; "
        f"{counts.selected} selected"
    )


def _print_teachers(console: Console, summary: Summary) -> None:
    if made_up := [teacher.name for teacher in summary.teachers if teacher.simulated]:
        console.print(Text(f"SIMULATED teachers, whose answers are made up: {', '.join(made_up)}"))
    for row in summary.calibration:
        if row.accuracy is not None and row.mean_confidence is not None:
            console.print(
                Text(
                    f"labels of {row.teacher}: {row.accuracy:.0%} right of {row.scored} scored, mean confidence "
                    f"{row.mean_confidence:.2f}, calibration error {row.ece:.2f}"
                    + (f", AUROC {row.auroc:.2f}" if row.auroc is not None else "")
                )
            )


def _compression(counts: CompressionCounts) -> str:
    kept = ", ".join(f"{n} {reason}" for reason, n in counts.kept_original.items())
    before, after = counts.style_distance_before, counts.style_distance_after
    return (
        f"{counts.compressor} took {counts.rationales} rationales from {counts.mean_words_before:.1f} to "
        f"{counts.mean_words_after:.1f} words and {counts.mean_steps_before:.1f} to {counts.mean_steps_after:.1f} steps"
        + (f"; style distance to the student {before:.2f} to {after:.2f}" if before is not None else "")
        + (f"; originals kept: {kept}" if kept else "")
    )


def print_plan(plan: PlanSummary) -> None:
    """What a run would do."""
    console = terminal.console()
    steps = terminal.table("step", "")
    for step in plan.steps:
        steps.add_row(step.step, "on disk" if step.cached else "to do")
    console.print(steps)
    console.print()
    print_calls(console, plan.calls)
    console.print()
    for note in plan.notes:
        console.print(Text(note))
    console.print(Text(bill(plan)))


def print_calls(console: Console, planned: Sequence[PlannedCalls]) -> None:
    """The calls of a plan, a row a teacher."""
    graded = any(row.grades_at_most for row in planned)
    figures = ("answers", "rewrites at most", *(["grades at most"] if graded else []), "worst case")
    calls = terminal.table("teacher", *figures, right=figures)
    for row in planned:
        counts = [row.answers, row.rewrites_at_most, *([row.grades_at_most] if graded else [])]
        calls.add_row(row.teacher, *map(str, counts), _price(row.worst_case_usd))
    console.print(calls)


def bill(plan: Bill) -> str:
    """What a plan comes to."""
    worst, budget, spent = plan.worst_case_usd, plan.budget_usd, plan.spent_usd
    told = f"at most {plan.teacher_calls_at_most} teacher calls, worst case {_price(worst)}, "
    told += "no budget" if budget is None else f"budget ${budget:.2f}"
    told += f", ${spent:.4f} of it spent" if spent and budget is not None else ""
    if worst is None or budget is None or not worst or spent + worst <= budget:
        return told
    above = "what is left of the budget" if spent else "the budget"
    return (
        f"{told}\nThe worst case is above {above}. Calls mostly cost less; where the budget would be passed, the run "
        "stops with exit code 3, and goes on from there with a larger one"
    )


def _price(usd: float | None) -> str:
    return "price not known" if usd is None else f"${usd:.4f}"


def print_status(status: Status, folder: Path) -> None:
    """How far a run is."""
    console = terminal.console()
    working = status.live is not None and status.live.state == "working"
    now = status.live.step if status.live is not None and working else None
    steps = terminal.table("step", "seconds", right=("seconds",))
    for step in status.steps:
        unmade = "working" if step.step == now else "not whole"
        steps.add_row(step.step, unmade if step.seconds is None else f"{step.seconds:.1f}")
    console.print(steps)
    console.print()
    if status.live is not None and working:
        _print_live(console, status.live)
    elif status.summary is None:
        if status.sampling is not None:
            console.print(Text(_accounting(status.sampling)))
        if status.live is not None and status.live.why:
            console.print(Text(f"{status.live.state}: {terminal.plain_lines(status.live.why)}"))
        console.print(Text("not finished: the `twt run` or `twt bench` that began it goes on from here"))
    else:
        print_summary(status.summary, folder)


def _print_live(console: Console, live: LiveProgress) -> None:
    for task in live.tasks:
        for part in task.parts:
            console.print(Text(terminal.plain(f"{task.label} {part.name}: {part.figures}")))
    if live.spent_usd is not None:
        console.print(Text(f"spent or reserved so far: ${live.spent_usd:.4f}"))
    since = f"{live.began.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    console.print(Text(f"working since {since}, process {live.writer.pid}; `twt view` shows it as it goes"))


def print_components(listing: Listing, *, with_options: bool) -> None:
    """What is installed."""
    console = terminal.console()
    if with_options:
        for component in listing.components:
            _print_component(console, component)
        return
    table = terminal.table("kind", "name", "distribution", "meaning")
    for component in listing.components:
        table.add_row(
            component.kind,
            component.name,
            component.distribution,
            Text(component.doc.split("\n\n")[0].replace("\n", " ")),
        )
    console.print(table, soft_wrap=False)
    for broken in listing.broken:
        console.print(Text(f"could not be imported: {broken}"))


def _print_component(console: Console, component: Listed) -> None:
    console.print(Text(f"{component.kind} {component.name} ({component.distribution})\n\n{component.doc}\n"))
    table = terminal.table("option", "type", "default", "meaning")
    for option in component.options:
        default = "(required)" if option.required else str(option.default if option.default is not None else "null")
        table.add_row(option.name, Text(option.type), Text(default), Text(option.doc))
    console.print(table, soft_wrap=False)
