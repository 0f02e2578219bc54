"""What a bench leaves in its folder: all numbers, a table, a figure, a report."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from twt_core.bench.result import FIGURE, RESULT, TABLE, Arm, BenchResult
from twt_core.comparisons import Comparison
from twt_core.progress import Progress
from twt_core.run import write_whole


def write(result: BenchResult, runs_dir: Path) -> None:
    """Write ``bench.json`` and ``bench.csv``.

    Raises:
        TwtError: the disk is full or the folder is not writable.
    """
    folder = runs_dir / result.name
    write_whole(folder / RESULT, result.model_dump_json(indent=2) + "\n")
    write_whole(folder / TABLE, as_csv(result))


def draw(result: BenchResult, runs_dir: Path, progress: Progress) -> None:
    """Draw what `write` has written: the figure and the report."""
    from twt_core.report import write_bench

    folder = runs_dir / result.name
    try:
        write_whole(folder / FIGURE, figure(result))
        write_bench(folder)
    except Exception as error:  # noqa: BLE001  # whatever it is, the numbers are there
        progress.say(f"{folder}: the figure or the report could not be written: {type(error).__name__}: {error}")


def as_csv(result: BenchResult) -> str:
    """One line an arm. Shares are in [0, 1]; what is not known is empty."""
    against = {one.second: one for one in result.comparisons}
    text = io.StringIO()
    rows = [_row(arm, result, against.get(arm.name)) for arm in result.arms]
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(arm: Arm, result: BenchResult, against: Comparison | None) -> dict[str, object]:
    return {
        "arm": arm.name,
        **{f"axis:{axis}": arm.values.get(axis) for axis in result.axes},
        "seeds": len(arm.seeds),
        "stage": " ".join(dict.fromkeys(arm.stage.values())),
        **_score(arm),
        "on_frontier": arm.on_frontier,
        "baseline": arm.baseline,
        **_against(against),
        "kept": arm.kept,
        "kept_right": arm.kept_right,
        "words_before": arm.words_before,
        "words_after": arm.words_after,
        "teacher_calls": arm.teacher_calls,
        "cost_usd": arm.cost_usd,
        "seconds": arm.seconds,
    }


def _score(arm: Arm) -> dict[str, object]:
    score, spread = arm.score, arm.accuracy_spread
    low, high = _ends(score.accuracy_ci if score else None)
    return {
        "questions": score.questions if score else None,
        "accuracy": score.accuracy if score else None,
        "accuracy_low": low,
        "accuracy_high": high,
        "accuracy_deviation_over_seeds": spread.deviation if spread else None,
        "mean_output_tokens": score.mean_output_tokens if score else None,
        "median_output_tokens": score.median_output_tokens if score else None,
        "p95_output_tokens": score.p95_output_tokens if score else None,
        "usd_per_thousand": score.usd_per_thousand if score else None,
    }


def _against(one: Comparison | None) -> dict[str, object]:
    low, high = _ends(one.accuracy_difference_ci if one else None)
    least, most = _ends(one.token_ratio_ci if one else None)
    return {
        "accuracy_difference": one.accuracy_difference if one else None,
        "accuracy_difference_low": low,
        "accuracy_difference_high": high,
        "p": one.p_value if one else None,
        "p_corrected": one.p_corrected if one else None,
        "token_ratio": one.token_ratio if one else None,
        "token_ratio_low": least,
        "token_ratio_high": most,
    }


def _ends(interval: tuple[float, float] | None) -> tuple[float | None, float | None]:
    return interval or (None, None)


def figure(result: BenchResult) -> str:
    """Accuracy against mean output tokens, a point an arm, as an SVG document."""
    from twt_core.report.bench_page import frontier_points
    from twt_core.report.figures import frontier

    return frontier(frontier_points(result.arms))
