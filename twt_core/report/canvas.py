"""What every figure is drawn with: a small SVG for light or dark pages, the same bytes each time."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from threading import Lock
from typing import TYPE_CHECKING, Any

from twt_core.report.texts import cut, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: In inches of 72 points. On a phone of 360 pixels a point is a pixel, so the text is as large as its number says.
WIDTH = 4.5
FONT_SIZE = 10.0
_LONGEST_LABEL = 32
#: How many columns a legend has, by its longest label; and how high a line of it is, in inches.
_COLUMNS = ((13, 3), (22, 2), (_LONGEST_LABEL, 1))
_LEGEND_LINE = 0.2
#: Room around the axes, in inches: for numbers and labels; for names, so much and so much a letter.
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.68, 0.12, 0.1, 0.52
_BESIDE_NAMES, _LETTER = 0.15, 0.088
#: matplotlib's settings are the process's, and a server may draw in several threads.
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True)
class Theme:
    """The colours of a page. `series` are told apart by eyes of all kinds (Okabe and Ito 2008; Tol 2021)."""

    ink: str
    faint: str
    page: str
    series: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Every colour, in an order that all themes share."""
        return (self.ink, self.faint, self.page, *self.series)


LIGHT = Theme(
    ink="#33383d",
    faint="#c9ced3",
    page="#ffffff",
    series=("#0063a8", "#c44e00", "#00795a", "#a3477f", "#7a6a00", "#4a4fb5", "#5c636a"),
)
DARK = Theme(
    ink="#d3d8dd",
    faint="#4b5258",
    page="#15181b",
    series=("#62b4f0", "#f29a4a", "#3fc79a", "#e08fc0", "#d9c84a", "#a5a8f0", "#a4abb2"),
)
#: Shapes go with the colours, so that nothing is told by colour alone.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


class Canvas:
    """A figure under way: its axes, its colours, and at the end its SVG."""

    def __init__(self, figure: Figure) -> None:
        self.figure, self.theme = figure, LIGHT
        self._left, self._top, self._bottom = _LEFT, _TOP, _BOTTOM

    def axes(self, x_label: str, y_label: str, names: Iterable[str] = ()) -> Axes:
        """The only axes of a figure.

        Args:
            x_label: what stands below them; with none there are no numbers either.
            y_label: what stands at their left.
            names: what their ticks at the left say, where they are no numbers; one a row, the first on top.
        """
        axes = self.figure.add_subplot()
        axes.set(xlabel=x_label, ylabel=y_label)
        if not x_label:
            axes.set_axis_off()
            self._bottom = _TOP
        if shown := [label(name) for name in names]:
            axes.grid(visible=False, axis="y")
            axes.set_yticks(range(len(shown)), shown)
            axes.set_ylim(len(shown) - 0.5, -0.5)
            self._left = _BESIDE_NAMES + _LETTER * max(map(len, shown))
        return axes

    def legend(self, axes: Axes) -> None:
        """A legend of the axes' series, at the top of the figure, for which it grows."""
        handles, names = axes.get_legend_handles_labels()
        columns = next(n for longest, n in _COLUMNS if max(map(len, names)) <= longest)
        above = _LEGEND_LINE * -(-len(names) // columns) + _TOP
        self.figure.set_figheight(self.figure.get_figheight() + above)
        self._top += above
        self.figure.legend(
            handles, names, loc="upper left", ncols=columns, handletextpad=0.5, columnspacing=1.2, borderaxespad=0.2
        )

    def arrange(self) -> None:
        """Give the axes all the room that their labels and the legend leave."""
        width, height = self.figure.get_size_inches()
        self.figure.subplots_adjust(
            left=self._left / width, right=1 - _RIGHT / width, bottom=self._bottom / height, top=1 - self._top / height
        )

    def colour(self, place: int) -> str:
        """The colour of the n-th series; they come again after the last."""
        return self.theme.series[place % len(self.theme.series)]

    def svg(self) -> str:
        """The figure as an SVG document, for a light page."""
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        self.arrange()
        out = StringIO()
        drawing = FigureCanvasSVG(self.figure)
        drawing.print_svg(out, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
        text = out.getvalue()
        return text[text.index("<svg") :]


@contextmanager
def canvas(height: float) -> Iterator[Canvas]:
    """A canvas of the usual width, and so many inches high."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with _ONE_AT_A_TIME, mpl.rc_context(_settings(LIGHT)), warnings.catch_warnings():
        # The viewer's fonts draw the text, and may well have a letter that matplotlib's own does not.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(WIDTH, height))
        FigureCanvasAgg(figure)  # whose renderer measures texts
        yield Canvas(figure)


def for_dark_pages(svg: str) -> str:
    """A figure in the colours of a dark page, which is quicker than to draw it again."""
    colours = dict(zip(LIGHT.all, DARK.all, strict=True))

    def recoloured(style: re.Match[str]) -> str:
        return re.sub(r"#[0-9a-f]{6}\b", lambda found: colours.get(found[0], found[0]), style[0])

    return re.sub(r'(?:style|fill|stroke)="[^"]*"', recoloured, svg)


def _settings(theme: Theme) -> dict[Any, object]:  # its type lists every setting by name
    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "legend.labelcolor")
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "twt",
        "text.parse_math": False,  # a name with two dollar signs is no formula
        "font.family": ["sans-serif"],
        "font.size": FONT_SIZE,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.color": theme.faint,
        "grid.linewidth": 0.5,
        "legend.frameon": False,
        "legend.fontsize": FONT_SIZE,
        "axes.edgecolor": theme.ink,
        **dict.fromkeys(inked, theme.ink),
    }


def label(text: str) -> str:
    """A text of somebody else's, as a label: visible characters, in one line, not too long."""
    return cut(" ".join(visible(text[: 4 * _LONGEST_LABEL]).split()), _LONGEST_LABEL)
