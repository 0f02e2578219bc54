"""Where labels stand beside their points, so that they cover neither points nor one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import hypot
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

#: Offsets in points from the middle of the point, the ones that are tried first before the others.
_PLACES = ((0, 7), (0, -7), (8, 0), (-8, 0), (7, 7), (7, -7), (-7, 7), (-7, -7), (0, 20), (0, -20), (9, 18), (9, -18),
           (18, 26), (18, -26), (-18, 26), (-18, -26), (36, 14), (36, -14), (-36, 14), (-36, -14))  # fmt: skip
_MARKER, _LINE = 5.0, 1.5


class Point(Protocol):
    """What has a place on the plot."""

    @property
    def accuracy(self) -> float:
        """Its height."""

    @property
    def tokens(self) -> float:
        """How far to the right it is."""

    @property
    def low(self) -> float | None:
        """Where its interval begins."""

    @property
    def high(self) -> float | None:
        """Where it ends."""


class _Place(NamedTuple):
    x: float
    y: float

    @property
    def sides(self) -> tuple[str, str]:
        """Which side of the text is at the offset."""
        across = "left" if self.x > 0 else "right" if self.x < 0 else "center"
        return across, "bottom" if self.y > 0 else "top" if self.y < 0 else "center"


def place_labels(axes: Axes, points: Sequence[Point], named: Iterable[tuple[Point, str]], colour: str) -> None:
    """Write each name beside its point, nearer to it than to the others, where it covers least of points and names.

    Args:
        axes: arranged, with its limits set; names stay inside if they can.
        points: all points, named or not.
        named: points with their names.
        colour: of the line from a name to its point.
    """
    renderer = axes.figure.canvas.get_renderer()  # type: ignore[attr-defined]  # the canvas is Agg's
    taken = [box for point in points for box in _boxes(axes, point)]
    markers = {point: _marker(axes, point) for point in points}
    for point, name in named:
        # The line leads to the point, where others are as near to the text.
        line = {"arrowstyle": "-", "linewidth": 0.6, "color": colour, "shrinkA": 0.0, "shrinkB": _MARKER}
        text = axes.annotate(
            name, (point.tokens, point.accuracy), (0, 0), textcoords="offset points", arrowprops=line, zorder=5
        )
        places = [_Place(x, y) for x, y in _PLACES]
        boxes = {place: _moved(text, place, renderer) for place in places}
        costs = {place: _covered(box, taken, axes) + _misleading(box, markers, point) for place, box in boxes.items()}
        best = min(places, key=lambda place: costs[place])
        taken.append(_moved(text, best, renderer))


def _moved(text: Annotation, place: _Place, renderer: RendererAgg) -> Bbox:
    from matplotlib.text import Text

    across, along = place.sides
    text.set_position((place.x, place.y))
    text.set_horizontalalignment(across)  # type: ignore[arg-type]  # one of its words
    text.set_verticalalignment(along)  # type: ignore[arg-type]
    text.update_positions(renderer)
    return Text.get_window_extent(text, renderer)  # without the line


def _boxes(axes: Axes, point: Point) -> tuple[Bbox, Bbox]:
    """What a point and its interval cover."""
    from matplotlib.transforms import Bbox

    ends = [point.accuracy if end is None else end for end in (point.low, point.high)]
    x, y = _marker(axes, point)
    low, high = (float(axes.transData.transform((point.tokens, height))[1]) for height in ends)
    marker = Bbox.from_bounds(x - _MARKER, y - _MARKER, 2 * _MARKER, 2 * _MARKER)
    return marker, Bbox.from_bounds(x - _LINE, low, 2 * _LINE, high - low)


def _marker(axes: Axes, point: Point) -> tuple[float, float]:
    """Where its middle is."""
    x, y = axes.transData.transform((point.tokens, point.accuracy))
    return float(x), float(y)


def _misleading(box: Bbox, markers: Mapping[Point, tuple[float, float]], own: Point) -> float:
    """An eighth of a text's area for each other point that is as near to it as its own."""
    far = {point: _distance(box, *middle) for point, middle in markers.items()}
    return box.width * box.height * sum(far[point] <= far[own] + _MARKER for point in far if point != own) / 8


def _distance(box: Bbox, x: float, y: float) -> float:
    return hypot(max(box.x0 - x, 0.0, x - box.x1), max(box.y0 - y, 0.0, y - box.y1))


def _covered(box: Bbox, taken: Sequence[Bbox], axes: Axes) -> float:
    """The area of others that a box covers, and the part of it that is outside, which counts more."""
    outside = box.width * box.height - _common(box, axes.get_window_extent())
    return sum(_common(box, other) for other in taken) + 2 * outside


def _common(one: Bbox, other: Bbox) -> float:
    from matplotlib.transforms import Bbox

    shared = Bbox.intersection(one, other)
    return shared.width * shared.height if shared is not None else 0.0
