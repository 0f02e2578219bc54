"""Two runs compared on the same questions."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import samples

FILE = Path(__file__).parents[2] / "benchmarks" / "compare_runs.py"
SPEC = importlib.util.spec_from_file_location("compare_runs", FILE)
assert SPEC is not None and SPEC.loader is not None
benchmark = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(benchmark)


def test_a_run_against_itself(finished):
    rows = benchmark.predictions(finished.folder, "answer_only")
    assert "p = 1.000" in benchmark.line(rows, rows)


def test_one_that_is_better():
    found = benchmark.line(samples.predictions("-" * 9), samples.predictions("+" * 9), ("plain", "ours"))
    assert found.startswith("0.0% against 100.0% on 9 questions. ours is more accurate than plain by 100.0 points")
    assert "p = 0.004" in found


def test_other_questions_are_refused(finished, monkeypatch, tmp_path):
    other = tmp_path / "09-answer_only-test-scores"
    other.mkdir()
    row = samples.predictions("+")[0]
    (other / "rows.jsonl").write_text(row.model_dump_json() + "\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["compare_runs", str(finished.folder), str(tmp_path)])
    with pytest.raises(SystemExit, match="not asked the same questions"):
        benchmark.main()
