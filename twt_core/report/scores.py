"""How the student did: accuracy against tokens, stage by stage, and what can be said of the differences."""

from __future__ import annotations

from collections.abc import Sequence

from twt_core.comparisons import Comparison, show_p
from twt_core.metrics import UNTOUCHED, StageScore
from twt_core.report import figures
from twt_core.report.blocks import Block, Figure, Section, Table, Text
from twt_core.report.figures import FrontierPoint
from twt_core.report.reading import Material
from twt_core.score_tables import marks, share_cells
from twt_core.summary import Summary

_NUMBERS = ("accuracy", "95 % interval", "mean tokens", "median", "p95", "saved", "seconds", "USD per 1000")
_COMPARED = ("difference, points", "95 % interval", "p, corrected", "tokens", "95 % interval of tokens")


def scores_section(material: Material) -> Section:
    """Accuracy against tokens by stage, the table behind it, each task of a mixture, paired comparisons."""
    if not material.scores:
        return Section("accuracy", "Accuracy and tokens", [Text("No stage has answered the test questions yet.")])
    blocks: list[Block] = [*stage_blocks(material.scores, material.summary)]
    blocks += _passes(material.scores)
    for task, scores in material.tasks.items():
        blocks.append(stage_table(f"Task {task}", scores, None))
    if material.summary and material.summary.comparisons:
        blocks.append(comparison_table(material.summary.comparisons))
    return Section("accuracy", "Accuracy and tokens", blocks)


def stage_blocks(scores: Sequence[StageScore], summary: Summary | None) -> list[Block]:
    """The figure with its table, and what has to be said beside it."""
    recommended = summary.recommended_stage if summary else None
    drawn = [frontier_point(score, score.name, "stages", score.on_frontier) for score in scores]
    points = [point for point in drawn if point is not None]
    table = stage_table("All stages on the test questions", scores, recommended)
    title = "Accuracy against output tokens"
    alt = f"{title}: " + "; ".join(_in_words(score) for score in scores)
    blocks: list[Block] = [Figure(title, alt, figures.frontier(points), table, open=True)] if points else [table]
    if summary:
        blocks.append(Text(f"Recommended: {summary.recommended_stage}. {summary.recommended_because}"))
    return [*blocks, *(Text(line, mark=True) for line in marks(scores))]


def _passes(scores: Sequence[StageScore]) -> list[Block]:
    """The chance that one of k answers is right, where several are asked for."""
    rows = [
        [score.name, str(k), *share_cells(value, score.pass_at_ci[k])]
        for score in scores
        for k, value in score.pass_at.items()
    ]
    several = any(max(score.pass_at, default=1) > 1 for score in scores)
    columns = ("stage", "k", "pass@k", "95 % interval")
    return [Table("The chance that one of k answers is right", columns, rows, columns[1:])] if several else []


def _wordless(score: StageScore) -> bool:
    return score.tokens_unknown == score.answers


def frontier_point(score: StageScore, name: str, group: str, on_frontier: bool | None) -> FrontierPoint | None:
    """A score's place on a plot of accuracy against tokens; None where nothing is graded, or no tokens are known.

    One that there is no other to compare with counts as the best; one with answers of unknown length never does.
    """
    if score.accuracy is None or _wordless(score):
        return None
    low, high = score.accuracy_ci or (None, None)
    best = on_frontier is not False and not score.tokens_unknown
    return FrontierPoint(name, group, score.accuracy, low, high, score.mean_output_tokens, best)


def _in_words(score: StageScore) -> str:
    share, interval = share_cells(score.accuracy, score.accuracy_ci)
    return f"{score.name} {share} ({interval}) at {_tokens(score, score.mean_output_tokens)} tokens"


def stage_table(caption: str, scores: Sequence[StageScore], recommended: str | None) -> Table:
    """One row a stage; the recommended one stands out. Columns that nothing is known of are left out."""
    rows = [
        [
            score.name, *share_cells(score.accuracy, score.accuracy_ci), str(score.questions),
            _tokens(score, score.mean_output_tokens), _tokens(score, score.median_output_tokens),
            _tokens(score, score.p95_output_tokens), _percent(score.tokens_saved_vs_untouched),
            f"{score.seconds_per_answer:.2f}", _price(score.usd_per_thousand), _notes(score, recommended),
        ]
        for score in scores
    ]  # fmt: skip
    columns = (
        "stage", "accuracy", "95 % interval", "questions", "mean tokens", "median", "p95", "saved", "seconds",
        "USD per 1000", "",
    )  # fmt: skip
    strong = frozenset(place for place, score in enumerate(scores) if score.name == recommended)
    return Table(caption, columns, rows, (*_NUMBERS, "questions"), strong).without_empty_columns()


def _tokens(score: StageScore, tokens: float) -> str:
    return "not known" if _wordless(score) else f"{tokens:.1f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _price(usd: float | None) -> str:
    return "" if usd is None else f"{usd:.4f}"


def _notes(score: StageScore, recommended: str | None) -> str:
    notes = ["recommended"] if score.name == recommended else []
    return ", ".join([*notes, *(["frontier"] if score.on_frontier else [])])


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """One row a comparison: how the second differs from the first. Those with a corrected p below 0.05 stand out."""
    return Table(
        "Paired comparisons: how the second differs from the first; p corrected after Holm",
        ("second", "first", *_COMPARED),
        [_comparison(one) for one in comparisons],
        _COMPARED,
        frozenset(place for place, one in enumerate(comparisons) if one.significant),
    )


def _comparison(one: Comparison) -> list[str]:
    interval, ratio = one.accuracy_difference_ci, one.token_ratio_ci
    return [
        one.second,
        one.first,
        "none graded" if one.accuracy_difference is None else f"{100 * one.accuracy_difference:+.1f}",
        "" if interval is None else f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}",
        "" if one.p_corrected is None else show_p(one.p_corrected),
        "not known" if one.token_ratio is None else f"\N{MULTIPLICATION SIGN} {one.token_ratio:#.3g}",
        "" if ratio is None else f"\N{MULTIPLICATION SIGN} {ratio[0]:#.3g} to {ratio[1]:#.3g}",
    ]


def headline(summary: Summary) -> str:
    """The result in a sentence."""
    scores = {score.name: score for score in summary.stages}
    chosen = scores[summary.recommended_stage]
    share, interval = share_cells(chosen.accuracy, chosen.accuracy_ci)
    line = f"Stage {chosen.name}: {share} right ({interval}) in {_tokens(chosen, chosen.mean_output_tokens)} tokens"
    untouched = scores.get(UNTOUCHED)
    if untouched is None or untouched is chosen:
        return f"{line}."
    before = share_cells(untouched.accuracy, untouched.accuracy_ci)[0]
    return f"{line}; untouched, {before} in {_tokens(untouched, untouched.mean_output_tokens)}."
