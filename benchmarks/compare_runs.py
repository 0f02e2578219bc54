"""Compare one stage of two run folders on the same test questions: what `twt compare` says, for one stage by default.

The quickstart against plain distillation on answers, for as many passes in all:

    twt run examples/quickstart/quickstart.yaml --runs-dir examples/quickstart/runs --name standard-kd \\
        --set stage_scheduler.use=standard_kd --set student.epochs=3
    python benchmarks/compare_runs.py examples/quickstart/runs/quickstart examples/quickstart/runs/standard-kd
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from twt_core.comparisons import compare
from twt_core.errors import InputError
from twt_core.records import Prediction
from twt_core.run import Rows


def predictions(run: Path, stage: str) -> list[Prediction]:
    """A stage's answers to the test queries."""
    [folder] = run.glob(f"[0-9][0-9]-{stage}-test-scores")
    return Rows(folder, None, Prediction).read()


def line(first: list[Prediction], second: list[Prediction], names: tuple[str, str] = ("first", "second")) -> str:
    """Both accuracies, and what can be said of their difference."""
    found = compare(first, second, names)
    shares = " against ".join(
        "none" if a is None else f"{a:.1%}" for a in (found.first_accuracy, found.second_accuracy)
    )
    return f"{shares} on {found.graded} questions. {found.sentence()}"


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, help="a run folder")
    parser.add_argument("second", type=Path, help="another")
    parser.add_argument("--stage", default="answer_only", help="the stage to compare (answer_only)")
    arguments = parser.parse_args()
    rows = [predictions(run, arguments.stage) for run in (arguments.first, arguments.second)]
    try:
        print(line(rows[0], rows[1], (arguments.first.name, arguments.second.name)))
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
