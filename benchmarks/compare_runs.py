"""Compare one stage of two run folders on the same test questions: accuracies, and the exact McNemar test.

The quickstart against plain distillation on answers, for as many passes in all:

    twt run examples/quickstart/quickstart.yaml --runs-dir examples/quickstart/runs --name standard-kd \\
        --set stage_scheduler.use=standard_kd --set student.epochs=3
    python benchmarks/compare_runs.py examples/quickstart/runs/quickstart examples/quickstart/runs/standard-kd
"""

from __future__ import annotations

import argparse
from pathlib import Path

from twt_core.metrics import mcnemar
from twt_core.records import Prediction
from twt_core.run import ROWS


def verdicts(run: Path, stage: str) -> dict[str, bool]:
    """Right or wrong by query id, of the test queries that have an answer."""
    [folder] = run.glob(f"[0-9][0-9]-{stage}-test-scores")
    rows = (folder / ROWS).read_text(encoding="utf-8").split("\n")
    predictions = [Prediction.model_validate_json(row) for row in rows if row]
    return {p.query_id: p.correct for p in predictions if p.correct is not None}


def compare(first: dict[str, bool], second: dict[str, bool]) -> str:
    """One line with both accuracies and p."""
    if first.keys() != second.keys():
        raise SystemExit("the two runs were not tested on the same questions")
    pairs = [(first[key], second[key]) for key in first]
    p_value = mcnemar([a for a, _ in pairs], [b for _, b in pairs])
    shares = [sum(side) / len(pairs) for side in zip(*pairs, strict=True)]
    return f"{shares[0]:.1%} against {shares[1]:.1%} on {len(pairs)} questions, exact McNemar p = {p_value:.3f}"


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, help="a run folder")
    parser.add_argument("second", type=Path, help="another")
    parser.add_argument("--stage", default="answer_only", help="the stage to compare (answer_only)")
    arguments = parser.parse_args()
    print(compare(verdicts(arguments.first, arguments.stage), verdicts(arguments.second, arguments.stage)))


if __name__ == "__main__":
    main()
