"""The figures of reports and benches, as SVG: plain data in, a document out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from twt_core.calibration import BINS, ReliabilityBin
from twt_core.report.canvas import MARKERS, Canvas, canvas, for_dark_pages, label
from twt_core.report.labels import place_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: With more points than this, or longer labels in all, only the best are labelled: the table beside the figure names
#: all.
_MOST_LABELS, _MOST_LETTERS = 7, 80
#: A label that is longer than this is broken at a plus, which joins the parts of a bench's names.
_LONG = 16
#: Patterns of stacked bars, so that nothing is told by colour alone.
_HATCHES = ("", "///", "\\\\\\", "---", "xxx", "|||", "++")
_SMOOTHED_OVER = 10
_PERCENTILES = (5, 25, 50, 75, 95)


class FrontierPoint(NamedTuple):
    """One student on a plot of accuracy against tokens.

    Attributes:
        label: what stands beside it.
        group: points of one group share a colour and a shape; groups have a legend if there are several.
        accuracy: a share in [0, 1].
        low: the lower end of its interval; None: there is none.
        high: the upper end.
        tokens: mean output tokens.
        best: whether it is on the frontier: filled, and joined to the others that are.
    """

    label: str
    group: str
    accuracy: float
    low: float | None
    high: float | None
    tokens: float
    best: bool


def frontier(points: Sequence[FrontierPoint], *, dark: bool = False) -> str:
    """Accuracy against output tokens with 95 % intervals; the line joins those that nothing else beats in both.

    Args:
        points: the students; with none, empty axes.
        dark: for a dark page.

    Returns:
        An SVG document, 324 points wide, with a transparent background; the same for the same points.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    with canvas(3.3) as drawing:
        axes = drawing.axes("mean output tokens", "accuracy (95 % interval)")
        # Whole percents: the least that is shown are 16, see `_frame`.
        axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        _frame(axes, points)
        best = sorted((p.tokens, p.accuracy) for p in points if p.best)
        axes.plot([x for x, _ in best], [y for _, y in best], color=drawing.theme.ink, linewidth=1, zorder=2)
        groups = list(dict.fromkeys(point.group for point in points))
        for place, group in enumerate(groups):
            _points(drawing, axes, [p for p in points if p.group == group], place)
        if len(groups) > 1:
            drawing.legend(axes)
        drawing.arrange()
        place_labels(axes, points, [(p, _broken(label(p.label))) for p in _named(points)], drawing.theme.ink)
        svg = drawing.svg()
    return for_dark_pages(svg) if dark else svg


def _named(points: Sequence[FrontierPoint]) -> Sequence[FrontierPoint]:
    if len(points) <= _MOST_LABELS and sum(len(label(point.label)) for point in points) <= _MOST_LETTERS:
        return points
    return [point for point in points if point.best][:_MOST_LABELS]


def _broken(text: str) -> str:
    """A label in two lines, if it is long: broken at the plus that is nearest to its middle."""
    places = [place for place, letter in enumerate(text) if letter == "+"]
    if len(text) <= _LONG or not places:
        return text
    at = min(places, key=lambda place: abs(place - len(text) / 2))
    return f"{text[:at]}\n{text[at:]}"


def _frame(axes: Axes, points: Sequence[FrontierPoint]) -> None:
    """The limits: from no tokens, and the intervals with some room."""
    ends = [end for p in points for end in (p.accuracy, p.low, p.high) if end is not None] or [0.0, 1.0]
    axes.set_ylim(max(-0.02, min(ends) - 0.08), min(1.04, max(ends) + 0.08))
    axes.set_xlim(0, max((p.tokens for p in points), default=1.0) * 1.12 or 1.0)


def _points(drawing: Canvas, axes: Axes, points: Sequence[FrontierPoint], place: int) -> None:
    colour, marker = drawing.colour(place), MARKERS[place % len(MARKERS)]
    for number, point in enumerate(points):
        low, high = (point.accuracy if end is None else end for end in (point.low, point.high))
        axes.vlines(point.tokens, low, high, color=colour, linewidth=1.4, alpha=0.75, zorder=3)
        axes.plot(
            [point.tokens], [point.accuracy], marker, color=colour, markersize=7, markeredgewidth=1.6, zorder=4,
            markerfacecolor=colour if point.best else drawing.theme.page,
            label=label(point.group) if number == 0 else "_",
        )  # fmt: skip


class FunnelRow(NamedTuple):
    """One row of a funnel: how many are left, or how many were `lost` there; `name` says which, or why."""

    name: str
    number: int
    lost: bool


def funnel(rows: Sequence[FunnelRow]) -> str:
    """From the first row to the last: how many are left, and where the others went.

    Args:
        rows: in order. The bar of a loss begins where the bar of those that are left after it ends.
    """
    most = max(row.number for row in rows)
    with canvas(0.2 + 0.4 * len(rows)) as drawing:
        axes = drawing.axes("", "", [""] * len(rows))
        left = most
        for place, row in enumerate(rows):
            left = left - row.number if row.lost else row.number
            axes.barh(
                place + 0.24, row.number, 0.34, left if row.lost else 0, color=drawing.colour(int(row.lost)),
                hatch=_HATCHES[int(row.lost)], edgecolor=drawing.theme.page, linewidth=0,
            )  # fmt: skip
            share = f" ({row.number / most:.1%})" if most else ""
            axes.text(0.0, place, f"{label(row.name)}: {row.number:,}{share}", verticalalignment="bottom")
        axes.set_xlim(0, most or 1)
        return drawing.svg()


def outcomes(rows: Mapping[str, Mapping[str, int]]) -> str:
    """Stacked bars: what became of each teacher's annotations.

    Args:
        rows: by teacher, how many have each outcome; all teachers name the same outcomes, in the same order.
    """
    names = list(next(iter(rows.values())))
    with canvas(0.9 + 0.36 * len(rows)) as drawing:
        axes = drawing.axes("annotations", "", rows)
        before = [0] * len(rows)
        for place, name in enumerate(names):
            counts = [row[name] for row in rows.values()]
            axes.barh(
                range(len(rows)), counts, 0.62, before, color=drawing.colour(place), label=label(name),
                hatch=_HATCHES[place % len(_HATCHES)], edgecolor=drawing.theme.page, linewidth=0,
            )  # fmt: skip
            before = [one + other for one, other in zip(before, counts, strict=True)]
        drawing.legend(axes)
        return drawing.svg()


def reliability(
    bins: Sequence[ReliabilityBin], kept: Sequence[int], rejected: Sequence[int], passed: str = "kept"
) -> str:
    """A reliability diagram (Guo et al. 2017, fig. 1) above the histogram of all confidences.

    Args:
        bins: of the annotations whose answer is known; those without any show nothing.
        kept: how many kept annotations have a confidence in each of the ten bins.
        rejected: likewise of the rejected ones.
        passed: what the first are called.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    known = any(one.n for one in bins)
    with canvas(3.8 if known else 2.0) as drawing:
        if known:
            above, below = drawing.figure.subplots(2, sharex=True, height_ratios=(2, 1))
            _diagram(drawing, above, bins)
            above.yaxis.set_major_formatter(PercentFormatter(1.0))
        else:
            below = drawing.figure.add_subplot()
        middles = [(number + 0.5) / BINS for number in range(BINS)]
        below.bar(middles, kept, 0.085, color=drawing.colour(0), label=passed)
        below.bar(middles, rejected, 0.085, kept, color=drawing.colour(1), label="rejected", hatch="///",
                  edgecolor=drawing.theme.page, linewidth=0)  # fmt: skip
        below.set(xlabel="confidence", ylabel="annotations", xlim=(0, 1))
        below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        drawing.legend(below)
        return drawing.svg()


def _diagram(drawing: Canvas, axes: Axes, bins: Sequence[ReliabilityBin]) -> None:
    axes.plot([0, 1], [0, 1], color=drawing.theme.ink, linewidth=1, linestyle=":")
    found = [(one.mean_confidence or 0.0, one.accuracy or 0.0) for one in bins if one.n]
    for one in bins:
        if one.n:
            axes.bar((one.low + one.high) / 2, one.accuracy or 0.0, 0.085, color=drawing.colour(0), alpha=0.3)
    axes.plot([c for c, _ in found], [a for _, a in found], "o", color=drawing.colour(0), markersize=5)
    axes.set(ylabel="labels right", ylim=(0, 1.04), xlim=(0, 1))


def lengths(words: Mapping[str, Sequence[int]]) -> str:
    """How many words the rationales of each stage have: median, the middle half, and 5 to 95 %.

    Args:
        words: by stage, the count of each rationale; none is empty.
    """
    import numpy as np

    with canvas(1.2 + 0.4 * len(words)) as drawing:
        axes = drawing.axes("words in a rationale", "", words)
        for place, counts in enumerate(words.values()):
            low, first, middle, third, high = np.percentile(counts, _PERCENTILES)
            colour = drawing.colour(place)
            axes.hlines(place, low, high, color=colour, linewidth=1.6)
            axes.hlines(place, first, third, color=colour, linewidth=9, alpha=0.45)
            axes.plot([middle], [place], MARKERS[place % len(MARKERS)], color=colour, markersize=7)
        axes.set_xlim(left=0)
        return drawing.svg()


def losses(stages: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Training curves: the loss of each step, faint, and its running mean over ten, one stage after the other.

    Args:
        stages: by stage, (step, loss) in order.
    """
    with canvas(3.1) as drawing:
        axes = drawing.axes("training step, over all stages", "loss")
        done = 0
        for place, (stage, rows) in enumerate(stages.items()):
            steps, values = [done + step for step, _ in rows], [loss for _, loss in rows]
            axes.plot(steps, values, color=drawing.colour(place), linewidth=0.8, alpha=0.35)
            axes.plot(
                steps, _smoothed(values), color=drawing.colour(place), linewidth=1.8, label=label(stage),
                marker=MARKERS[place % len(MARKERS)], markersize=5, markevery=[len(steps) - 1],
            )  # fmt: skip
            done = steps[-1]
        axes.set_ylim(bottom=0)
        axes.set_xlim(0, done * 1.03)
        drawing.legend(axes)
        return drawing.svg()


def _smoothed(values: Sequence[float]) -> list[float]:
    windows = [values[max(0, end - _SMOOTHED_OVER) : end] for end in range(1, len(values) + 1)]
    return [sum(window) / len(window) for window in windows]
