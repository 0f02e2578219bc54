"""The table on how selection grows."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "selection.py"
SPEC = importlib.util.spec_from_file_location("selection", FILE)
assert SPEC is not None and SPEC.loader is not None
benchmark = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(benchmark)


def row(rows, seconds):
    return benchmark.Row("task", "method", rows, seconds, 1.0)


def test_unit_vectors_with_planted_copies():
    made = benchmark.make(1000)
    np.testing.assert_allclose(np.linalg.norm(made.vectors, axis=1), 1, rtol=1e-5)
    assert made.copies.sum() == 100
    cosines = np.tril(made.vectors @ made.vectors.T, -1)
    assert (cosines[made.copies].max(axis=1) > 0.95).all()
    assert (cosines[~made.copies].max(axis=1) < 0.9).all()
    assert (benchmark.make(1000).vectors == made.vectors).all()


def test_the_exponent_is_the_slope():
    assert benchmark.exponent([row(n, 3e-6 * n**2) for n in (10, 100, 1000)]) == pytest.approx(2)
    assert benchmark.exponent([row(10, 1.0), row(100, 10.0)]) == pytest.approx(1)
    assert benchmark.exponent([row(10, 1.0)]) is None
    assert benchmark.predicted([row(10, 1.0)], 100) == 100
    assert benchmark.predicted([row(10, 1.0), row(100, 2.0)], 1000) == pytest.approx(20)  # at least linear


def test_a_failure_is_told_and_ends_the_series():
    failed = benchmark.series("no such task", "selector", [100, 200], 1)
    assert [entry.seconds for entry in failed] == [None, None]
    assert failed[0].note == failed[1].note == "failed: KeyError: 'no such task'"


def test_methods_agree_and_what_would_take_too_long_is_not_run(tmp_path, monkeypatch, capsys):
    output = tmp_path / "selection.json"
    monkeypatch.setattr(
        sys, "argv", [str(FILE), "--sizes", "300", "600", "1000000000", "--limit", "30", "--output", str(output)]
    )
    benchmark.main()
    whole = json.loads(output.read_text(encoding="utf-8"))
    assert set(whole) == {"command", "machine", "versions", "settings", "measurements", "growth"}
    rows = [benchmark.Row(**entry) for entry in whole["measurements"]]
    assert len(rows) == 3 * len(whole["growth"]) == 3 * sum(map(len, benchmark.TASKS.values()))
    assert all(entry.note.startswith("not run: about") for entry in rows if entry.rows == 1_000_000_000)
    for entry in rows[0], rows[1]:
        assert entry.seconds > 0 and entry.megabytes >= 0
    for task in ("pair a query", "near-duplicate removal"):
        for size in (300, 600):
            assert len({e.digest for e in rows if (e.task, e.rows) == (task, size)}) == 1
    covered = [e.quality for e in rows if (e.task, e.rows) == ("facility location", 600)]
    assert covered == pytest.approx([covered[0]] * len(covered), rel=0.02)
    assert all(e.quality == 1 for e in rows if e.task == "near-duplicate removal" and e.rows == 600)
    assert "near-duplicate removal   selector, exact" in capsys.readouterr().out
