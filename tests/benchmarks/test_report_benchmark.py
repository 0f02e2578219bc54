"""The benchmark of reports: what it makes is a run, and what it measures is there."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from twt_core.report.reading import Material

FILE = Path(__file__).parents[2] / "benchmarks" / "report.py"
SPEC = importlib.util.spec_from_file_location("report_benchmark", FILE)
assert SPEC is not None and SPEC.loader is not None
benchmark = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = benchmark
SPEC.loader.exec_module(benchmark)


def test_the_run_is_as_large_as_it_says_and_the_same_each_time(tmp_path):
    material = Material(benchmark.make(tmp_path / "run", 400))
    again = Material(benchmark.make(tmp_path / "again", 400))
    assert len(material.annotations) == 400 and len(material.queries) == 100
    assert len(material.full) == len(material.compressed["compressed"]) == len(material.selected) > 100
    assert {len(rows) for rows in material.test.values()} == {benchmark.QUESTIONS}
    assert material.annotations == again.annotations and material.test == again.test
    assert material.missing == []


def test_a_page_is_measured(tmp_path, page, monkeypatch):
    monkeypatch.setattr(benchmark, "QUESTIONS", 5)
    monkeypatch.setattr(benchmark, "SEARCHES", ("because",))
    row = benchmark.measure(80, page, tmp_path)
    assert row.queries == 20 and row.keys == 7 and row.megabytes > 0.1
    assert min(row.key_ms_median, row.filter_ms_most, row.open_ms_most) > 0
