"""How much the recorded teachers' confidences say: accuracy, AUROC, and what each threshold keeps.

Runs in seconds, by default on the quickstart's recordings. The queries need answers; the method itself never sees them.

    python benchmarks/teacher_confidence.py [CONFIG] [--json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from twt_core import sampling
from twt_core.asking import Desk
from twt_core.calibration import auroc
from twt_core.components import ConfidenceScorer, Context
from twt_core.config import RunConfig, load_config
from twt_core.embedding import Embeddings
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.records import Annotation, Query
from twt_core.rows import read_queries

CONFIG = Path(__file__).parents[1] / "examples/quickstart/quickstart.yaml"
THRESHOLDS = {"self_reported": (0.9, 0.95, 0.97, 0.98), "logprob": (0.8, 0.85, 0.9)}


class Kept(NamedTuple):
    """What a threshold keeps: rows, and the share of them with the right label."""

    minimum: float
    rows: int
    right: float | None


class Row(NamedTuple):
    """One scorer on one teacher, or on all. AUROC is 0.5 when the confidence says nothing."""

    scorer: str
    teacher: str
    scored: int
    right: float
    auroc: float | None
    kept: list[Kept]


def measure(name: str, teacher: str, rows: Sequence[Annotation], queries: dict[str, Query], config: RunConfig) -> Row:
    """One row of the table."""
    task = config.task_evaluator
    right = [task.same(a.label or "", queries[a.query_id].answer or "", queries[a.query_id]) for a in rows]
    confidences = [a.confidence or 0.0 for a in rows]
    kept = []
    for minimum in THRESHOLDS[name]:
        verdicts = [r for r, c in zip(right, confidences, strict=True) if c >= minimum]
        kept.append(Kept(minimum, len(verdicts), sum(verdicts) / len(verdicts) if verdicts else None))
    return Row(name, teacher, len(rows), sum(right) / len(right), auroc(confidences, right), kept)


def table(config: RunConfig) -> list[Row]:
    """Every scorer on every teacher, and on all together."""
    task = config.task_evaluator
    queries = {query.id: query for query in read_queries(config.queries.path, task)}
    with TemporaryDirectory() as folder, closing(Ledger(Path(folder, "ledger.sqlite"))) as ledger:
        desk = Desk(ledger, config.teachers, "benchmark", None, Progress(quiet=True))
        annotations = list(sampling.annotate(queries, config.teachers, task, desk))
    context = Context(task, queries, desk.ask, Embeddings(Path("unused"), Progress(quiet=True)))
    rows = []
    for name in THRESHOLDS:
        scored = sampling.score(annotations, ConfidenceScorer.model_validate({"use": name}), context)
        usable = [a for a in scored if a.failure is None]
        for teacher in [*(t.name for t in config.teachers), "all"]:
            rows.append(measure(name, teacher, [a for a in usable if teacher in (a.teacher, "all")], queries, config))
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", type=Path, default=CONFIG)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = table(load_config(arguments.config))
    if arguments.json:
        print(json.dumps([{**row._asdict(), "kept": [k._asdict() for k in row.kept]} for row in rows], indent=2))
        return
    for row in rows:
        kept = "  ".join(
            f">={k.minimum:g}: {k.rows}" + ("" if k.right is None else f" at {k.right:.0%}") for k in row.kept
        )
        area = "-" if row.auroc is None else f"{row.auroc:.2f}"
        print(f"{row.scorer:14} {row.teacher:20} {row.scored:4} scored, {row.right:.0%} right, AUROC {area}   {kept}")


if __name__ == "__main__":
    main()
