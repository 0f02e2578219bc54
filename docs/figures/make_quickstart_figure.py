"""Draw accuracy against output tokens from a run's ``summary.json``, as an SVG for light and dark pages.

python docs/figures/make_quickstart_figure.py examples/quickstart/runs/quickstart/summary.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.ticker import PercentFormatter

TARGET = Path(__file__).parent / "quickstart.svg"
# Contrast of at least 4 on white and on near-black: a page's theme and the system's need not agree.
INK = "#737b84"
POINT = "#2f81f7"


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
        # Labels stand above and below by turns, from left to right, since neighbours may be close; all above at 0.
        for place, stage in enumerate(sorted(stages, key=lambda stage: stage["mean_output_tokens"])):
            x, y, (low, high) = stage["mean_output_tokens"], stage["accuracy"], stage["accuracy_ci"]
            chosen = stage["name"] == summary["recommended_stage"]
            axes.plot(x, y, "o", markersize=9, color=POINT, fillstyle="full" if chosen else "none", markeredgewidth=2)
            label = stage["name"].replace("_", " ") + ("\n(recommended)" if chosen else "")
            above_it = place % 2 == 0 or low < 0.1
            axes.annotate(
                label,
                (x, high if above_it else low),
                xytext=(0, 7 if above_it else -7),
                textcoords="offset points",
                ha="center",
                va="bottom" if above_it else "top",
            )
        axes.set_xlim(0, max(tokens) * 1.15)
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel("mean output tokens")
        axes.set_ylabel(f"accuracy on {stages[0]['questions']} test questions")
        axes.spines[["top", "right"]].set_visible(False)
        figure.tight_layout()
        figure.savefig(target, transparent=True, metadata={"Date": None})
        plt.close(figure)


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
