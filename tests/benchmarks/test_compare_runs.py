"""Two runs compared on the same questions."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "compare_runs.py"
SPEC = importlib.util.spec_from_file_location("compare_runs", FILE)
assert SPEC is not None and SPEC.loader is not None
benchmark = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(benchmark)


def test_a_run_against_itself(finished):
    verdicts = benchmark.verdicts(finished.folder, "answer_only")
    assert "p = 1.000" in benchmark.compare(verdicts, verdicts)


def test_one_that_is_better():
    worse = {str(n): False for n in range(8)}
    better = {str(n): True for n in range(8)}
    assert benchmark.compare(better, worse) == "100.0% against 0.0% on 8 questions, exact McNemar p = 0.008"


def test_other_questions_are_refused():
    with pytest.raises(SystemExit, match="same questions"):
        benchmark.compare({"a": True}, {"b": True})
