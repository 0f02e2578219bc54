"""The benchmark of reports: what it makes is a run, and what it measures is there."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from twt_core.report.reading import Material

FOLDER = Path(__file__).parents[2] / "benchmarks"


def load(name: str, file: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


parts = load("report_parts", "report_parts.py")
benchmark = load("report_benchmark", "report.py")


def test_the_run_is_as_large_as_it_says_and_the_same_each_time(tmp_path):
    material = Material(parts.make(tmp_path / "run", 400))
    again = Material(parts.make(tmp_path / "again", 400))
    assert len(material.annotations) == 400 and len(material.queries) == 100
    assert len(material.full) == len(material.compressed["compressed"]) == len(material.selected) > 100
    assert {len(rows) for rows in material.test.values()} == {parts.QUESTIONS}
    assert material.annotations == again.annotations and material.test == again.test
    assert material.missing == []


@pytest.mark.parametrize("way", [benchmark.REPORT, benchmark.TABLE], ids=lambda way: way.name)
def test_a_page_is_measured(tmp_path, page, monkeypatch, way):
    monkeypatch.setattr(parts, "QUESTIONS", 5)
    monkeypatch.setattr(benchmark, "SEARCHES", ("q-00007",))
    monkeypatch.setattr(benchmark, "FRAMES", 5)
    row = benchmark.measure(way, parts.make(tmp_path / "run", 80), 80, page)
    assert row.keys == 7 and row.first_text_ms > 0
    assert min(row.key_ms_median, row.filter_ms_most, row.scroll_frame_ms_most) > 0
    # what was typed did its work on the page
    field = f"{way.form} input[type=search]"
    page.fill(field, "q-00007")
    left = page.locator(f"{way.rows} .row" if way.rows else "tr:not([hidden])").count()
    assert left == (1 if way.rows else 4)
