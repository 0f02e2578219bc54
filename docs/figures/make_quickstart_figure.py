"""Draw accuracy against output tokens from a run's ``summary.json``, as an SVG for light and dark pages.

python docs/figures/make_quickstart_figure.py examples/quickstart/runs/quickstart/summary.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.ticker import PercentFormatter

TARGET = Path(__file__).parent / "quickstart.svg"
# Contrast of at least 4 on white and on near-black: a page's theme and the system's need not agree.
INK = "#737b84"
POINT = "#2f81f7"
#: Points nearer than this share of the longest mean are labelled at their outer sides.
NEAR = 0.15


def draw(summary: dict[str, object], target: Path) -> None:
    """One point a stage, joined in training order, each with its 95 % interval; the recommended one is filled."""
    stages = summary["stages"]
    assert isinstance(stages, list)  # as `twt run` writes it
    tokens = [stage["mean_output_tokens"] for stage in stages]
    accuracy = [stage["accuracy"] for stage in stages]
    below = [a - stage["accuracy_ci"][0] for a, stage in zip(accuracy, stages, strict=True)]
    above = [stage["accuracy_ci"][1] - a for a, stage in zip(accuracy, stages, strict=True)]
    style = {"svg.fonttype": "none", "svg.hashsalt": "twt", "font.family": "sans-serif", "font.size": 11}
    colours = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK)
    with mpl.rc_context({**style, **colours}):
        figure, axes = plt.subplots(figsize=(7, 4))
        axes.plot(tokens, accuracy, color=INK, linewidth=1, linestyle=":")
        axes.errorbar(tokens, accuracy, yerr=[below, above], fmt="none", ecolor=INK, elinewidth=1, capsize=4)
        order = sorted(stages, key=lambda stage: stage["mean_output_tokens"])
        for place, stage in enumerate(order):
            chosen = stage["name"] == summary["recommended_stage"]
            x, y = stage["mean_output_tokens"], stage["accuracy"]
            axes.plot(x, y, "o", markersize=9, color=POINT, fillstyle="full" if chosen else "none", markeredgewidth=2)
            label = stage["name"].replace("_", " ") + ("\n(recommended)" if chosen else "")
            axes.annotate(label, textcoords="offset points", **_place(order, place, max(tokens)))
        axes.set_xlim(0, max(tokens) * 1.15)
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel("mean output tokens")
        axes.set_ylabel(f"accuracy on {stages[0]['questions']} test questions")
        axes.spines[["top", "right"]].set_visible(False)
        figure.tight_layout()
        figure.savefig(target, transparent=True, metadata={"Date": None})
        plt.close(figure)


def _place(stages: list[dict[str, Any]], place: int, longest: float) -> dict[str, Any]:
    """Where a stage's label goes, stages in the order of their tokens: above its interval, or to the side that is free.

    Beside one that is so near that the two labels would be taken for each other's: to the left of the first of them, to
    the right of the second.
    """
    tokens = [stage["mean_output_tokens"] for stage in stages]
    after = place + 1 < len(tokens) and tokens[place + 1] - tokens[place] < NEAR * longest
    before = place > 0 and tokens[place] - tokens[place - 1] < NEAR * longest
    if after == before:
        top = (tokens[place], stages[place]["accuracy_ci"][1])
        return {"xy": top, "xytext": (0, 7), "ha": "center", "va": "bottom"}
    side, align = (-10, "right") if after else (10, "left")
    return {"xy": (tokens[place], stages[place]["accuracy"]), "xytext": (side, 9), "ha": align, "va": "center"}


def main() -> None:
    """Draw the figure of the README."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("summary", type=Path, help="a run's summary.json")
    parser.add_argument("--out", type=Path, default=TARGET, help="the SVG to write")
    arguments = parser.parse_args()
    draw(json.loads(arguments.summary.read_text(encoding="utf-8")), arguments.out)
    print(arguments.out)


if __name__ == "__main__":
    main()
