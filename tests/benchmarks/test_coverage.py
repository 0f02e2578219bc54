"""How often intervals hold the truth."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
SPEC = importlib.util.spec_from_file_location("coverage_benchmark", FILE)
assert SPEC is not None and SPEC.loader is not None
benchmark = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(benchmark)


@pytest.mark.parametrize("accuracy", [0.5, 0.95])
def test_answers_are_as_accurate_as_they_are_said_to_be(accuracy):
    rng = np.random.default_rng(0)
    answers = benchmark.right(rng, benchmark.difficulties(rng, 100_000), accuracy, 2)
    assert answers.mean() == pytest.approx(accuracy, abs=0.003)
    assert np.corrcoef(answers.T)[0, 1] > 0.3  # two answers to one question are alike


def test_every_interval_and_test_is_measured(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(benchmark, "RESAMPLES", 50)
    out = tmp_path / "coverage.json"
    monkeypatch.setattr(sys, "argv", ["coverage", "--repeats", "20", "--sizes", "30", "--output", str(out)])
    benchmark.main()
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert len(rows) == len(benchmark.INTERVALS) + len(benchmark.TESTS)
    assert all(row["share"] >= 0.6 for row in rows if row["mean_width"] is not None)
    assert all(row["share"] <= 0.3 for row in rows if row["mean_width"] is None)
    assert "difference 95 to 97 %" in capsys.readouterr().out
