"""Figures: SVG that is the same each time, and takes any text for a text."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from twt_core.calibration import reliability
from twt_core.report import figures
from twt_core.report.canvas import DARK, LIGHT, MARKERS
from twt_core.report.figures import FrontierPoint, FunnelRow

HOSTILE = "<script>&\"'$x^2$ \x00\x1b[31m\u202e\ud800 名 😀" + "W" * 100_000
POINTS = [
    FrontierPoint("untouched", "a", 0.31, 0.2, 0.45, 60, best=False),
    FrontierPoint("full", "a", 0.62, 0.5, 0.74, 81, best=True),
    FrontierPoint("answer_only", "b", 0.58, None, None, 5.2, best=True),
]
BINS = reliability([0.2, 0.5, 0.95, 0.97], [False, True, True, True])


def drawn(text: str = "ann") -> dict[str, str]:
    return {
        "frontier": figures.frontier([*POINTS, FrontierPoint(text, text, 0.4, 0.3, 0.5, 20, best=False)]),
        "funnel": figures.funnel([FunnelRow("asked", 9, lost=False), FunnelRow(text, 2, lost=True)]),
        "outcomes": figures.outcomes({text: {"kept": 3, text + "!": 1}, "ben": {"kept": 0, text + "!": 4}}),
        "reliability": figures.reliability(BINS, [0] * 9 + [2], [1] * 10),
        "lengths": figures.lengths({text: [12, 15, 30], "compressed": [7]}),
        "losses": figures.losses({text: [(1, 1.4), (2, 1.0)], "short": [(1, 0.5)]}),
    }


def texts_of(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_the_same_figure_twice():
    assert drawn() == drawn()


@pytest.mark.parametrize("name", ["frontier", "funnel", "outcomes", "lengths", "losses"])
def test_any_name_is_text_in_one_short_line(name):
    svg = drawn(HOSTILE)[name]
    [said] = {text.removesuffix(": 2 (22.2%)") for text in texts_of(svg) if text.startswith("<script>&\"'$x^2$")}
    assert len(said) == 32
    assert len(svg) < 60_000
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ud800]", svg)


def test_empty_and_single_figures_are_drawn():
    assert "mean output tokens" in texts_of(figures.frontier([]))
    assert "labels right" not in texts_of(figures.reliability([], [1] * 10, [0] * 10))
    assert "labels right" in texts_of(figures.reliability(BINS, [1] * 10, [0] * 10))
    assert texts_of(figures.funnel([FunnelRow("asked", 0, lost=False)])) == ["asked: 0"]
    figures.frontier([FrontierPoint("none", "a", 0.0, 0.0, 0.0, 0.0, best=True)])


def test_a_dark_figure_is_the_same_in_other_colours():
    light, dark = figures.frontier(POINTS), figures.frontier(POINTS, dark=True)
    assert texts_of(light) == texts_of(dark)
    colours = set(re.findall("#[0-9a-f]{6}", dark))
    assert colours and colours <= {*DARK.all, "#000000"}
    assert set(re.findall("#[0-9a-f]{6}", light)) <= {*LIGHT.all, "#000000"}


def test_a_colour_in_a_name_stays():
    name = LIGHT.series[0]
    assert name in texts_of(figures.lengths({name: [1]}))
    assert name in texts_of(figures.for_dark_pages(figures.lengths({name: [1]})))


def test_groups_are_told_by_shape_too():
    assert len(set(MARKERS)) == len(MARKERS) == len(LIGHT.series)
    assert {"a", "b"} <= set(texts_of(figures.frontier(POINTS)))  # the legend
    assert "a" not in texts_of(figures.frontier(POINTS[:2]))


def test_of_many_points_the_best_are_named():
    many = [FrontierPoint(f"arm {n}", "a", n / 20, None, None, 5.0 + n, best=n % 9 == 0) for n in range(12)]
    assert [text for text in texts_of(figures.frontier(many)) if text.startswith("arm")] == ["arm 0", "arm 9"]


def test_labels_keep_off_points_and_one_another():
    close = [FrontierPoint(f"point {n}", "a", 0.5 + n / 100, None, None, 50 + n, best=False) for n in range(5)]
    places = re.findall(
        r'style="[^"]*"[^>]*transform="translate\(([\d.]+) ([\d.]+)\)"[^>]*>point', figures.frontier(close)
    )
    places += re.findall(r'<text[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>point', figures.frontier(close))
    assert len({(round(float(x)), round(float(y))) for x, y in places}) == 5


def test_long_names_are_broken_and_only_the_best_have_them():
    many = [
        FrontierPoint(f"min_similarity_pair+teacher_{n}", "", 0.5, 0.4, 0.6, 9 * n, best=n == 1) for n in range(1, 5)
    ]
    said = [text for text in texts_of(figures.frontier(many)) if "teacher" in text or "pair" in text]
    assert [text.strip() for text in said] == ["min_similarity_pair", "+teacher_1"]
