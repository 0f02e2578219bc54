"""The table on what the recorded teachers' confidences say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from twt_core.config import load_config

FILE = Path(__file__).parents[2] / "benchmarks" / "teacher_confidence.py"
SPEC = importlib.util.spec_from_file_location("teacher_confidence", FILE)
assert SPEC is not None and SPEC.loader is not None
benchmark = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(benchmark)


def test_every_scorer_on_every_teacher():
    config = load_config(benchmark.CONFIG)
    rows = benchmark.table(config)
    assert len(rows) == 2 * (len(config.teachers) + 1)
    for row in rows:
        assert 0 <= row.right <= 1
        kept = [entry.rows for entry in row.kept]
        assert kept == sorted(kept, reverse=True) and kept[0] <= row.scored
    together = {row.scorer: row.scored for row in rows if row.teacher == "all"}
    for scorer, scored in together.items():
        assert scored == sum(row.scored for row in rows if row.scorer == scorer and row.teacher != "all")
