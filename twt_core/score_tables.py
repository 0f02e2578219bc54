"""Scores and comparisons as tables, and what has to be said beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from twt_core import terminal
from twt_core.comparisons import Comparison, show_p
from twt_core.metrics import StageScore

#: What the marks in both tables mean.
LEGEND = "* on the accuracy-per-token frontier; < recommended; ! accuracies differ (p corrected after Holm)"
#: What stands beside every number that code without walls had a part in.
UNSANDBOXED = "UNSANDBOXED: programs written by models ran without walls, and could have changed any result"


def stage_table(stages: Sequence[StageScore], recommended: str | None = None) -> Table:
    """One row a stage, or model. ``*``: on the accuracy-per-token frontier; ``<``: recommended.

    `saved` is of the mean output tokens, against the untouched student; `seconds` are those an answer took.
    """
    priced = any(stage.usd_per_thousand is not None for stage in stages)
    saved = any(stage.tokens_saved_vs_untouched is not None for stage in stages)
    figures = ["accuracy", "95 % interval", "output tokens", "median", "p95", *_only(saved, "saved"), "seconds"]
    figures += _only(priced, "$/1000")
    table = terminal.table("stage", *figures, "", right=tuple(figures), wraps=("stage",))
    for stage in stages:
        mark = ("*" if stage.on_frontier else " ") + ("<" if stage.name == recommended else "")
        table.add_row(
            Text(terminal.plain(stage.name)),
            *share_cells(stage.accuracy, stage.accuracy_ci),
            *_token_cells(stage),
            *_only(saved, _percent(stage.tokens_saved_vs_untouched)),
            f"{stage.seconds_per_answer:.2f}",
            *_only(priced, "" if stage.usd_per_thousand is None else f"{stage.usd_per_thousand:.4f}"),
            mark,
        )
    return table


def share_cells(share: float | None, interval: tuple[float, float] | None) -> tuple[str, str]:
    """A share and its 95 % interval, as two cells."""
    if share is None or interval is None:
        return "none", "nothing graded"
    return f"{share:.1%}", f"{interval[0]:.1%} to {interval[1]:.1%}"


def _token_cells(stage: StageScore) -> tuple[str, str, str]:
    if stage.tokens_unknown == stage.answers:
        return "not known", "", ""
    return f"{stage.mean_output_tokens:.1f}", f"{stage.median_output_tokens:.0f}", f"{stage.p95_output_tokens:.0f}"


def _only(wanted: bool, cell: str) -> list[str]:
    return [cell] if wanted else []


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """One row a comparison: how the second differs from the first. The p are corrected; ``!``: below 0.05."""
    figures = ("points", "95 % interval", "p", "tokens, 95 % interval")
    table = terminal.table("compared", "", *figures, right=figures, wraps=("compared", ""))
    for one in comparisons:
        interval, ratio = one.accuracy_difference_ci, one.token_ratio_ci
        table.add_row(
            Text(terminal.plain(one.second)),
            Text(f"to {terminal.plain(one.first)}"),
            "none" if one.accuracy_difference is None else f"{100 * one.accuracy_difference:+.1f}",
            "nothing graded" if interval is None else f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}",
            "" if one.p_corrected is None else f"{'! ' if one.significant else ''}{show_p(one.p_corrected)}",
            "" if ratio is None else f"x {one.token_ratio:.3g} ({ratio[0]:.3g} to {ratio[1]:.3g})",
        )
    return table


def marks(scores: Sequence[StageScore]) -> list[str]:
    """What has to be said beside scores: what could not be graded, whose opinion a grade is, code without walls."""
    lines = [line for score in scores if (line := _ungraded(score))]
    if judges := sorted({judge for score in scores for judge in score.judged_by}):
        lines.append(judged(judges))
    if any(score.unsandboxed for score in scores):
        lines.append(UNSANDBOXED)
    return lines


def judged(judges: Sequence[str]) -> str:
    """What stands beside every number that is a model's opinion."""
    return f"JUDGED by {', '.join(judges)}: right or wrong is that model's opinion"


def _ungraded(score: StageScore) -> str:
    if not score.ungraded:
        return ""
    causes = ", ".join(f"{count} {verdict}" for verdict, count in score.ungraded.items())
    return f"{score.name}: {score.answers - score.graded} of {score.answers} answers not graded ({causes})"


def _passes(scores: Sequence[StageScore]) -> list[str]:
    return [
        f"{score.name}: pass@{k} {' ('.join(share_cells(value, score.pass_at_ci[k]))})"
        for score in scores
        if max(score.pass_at) > 1
        for k, value in score.pass_at.items()
    ]


def print_scores(
    console: Console, scores: Sequence[StageScore], tasks: Mapping[str, Sequence[StageScore]], recommended: str | None
) -> None:
    """Scores, those of each task of a mixture, and what has to be said beside them."""
    console.print(stage_table(scores, recommended))
    for task, own in tasks.items():
        console.print(Text(f"\ntask {terminal.plain(task)}"))
        console.print(stage_table(own))
    for line in [*_passes(scores), *marks(scores)]:
        console.print(Text(terminal.plain(line)))
