"""The generated pages are what the code would write today."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from twt_core.config import load_config

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))


@pytest.mark.parametrize(
    ("script", "write", "name"),
    [
        ("make_config_reference", "reference", "config.md"),
        ("make_catalogue", "catalogue", "catalogue.md"),
        ("make_reproducing", "page", "reproducing.md"),
    ],
)
def test_a_generated_page_is_current(script, write, name):
    current = (DOCS / name).read_text(encoding="utf-8")
    assert getattr(importlib.import_module(script), write)() == current, "run make docs"


def test_the_catalogue_has_every_option_of_every_component():
    catalogue = importlib.import_module("make_catalogue")
    page = catalogue.catalogue()
    for kind in catalogue.KINDS:
        found = catalogue.built_in(kind)
        assert found
        for one in found:
            section = re.search(rf"^### {kind}: {one.name}$(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
            assert section, one.name
            assert [name for name in one.cls.model_fields if f"| `{name}` |" not in section[1]] == []


@pytest.mark.parametrize("name", ["config.md", "catalogue.md"])
def test_types_are_told_in_words(name):
    page = (DOCS / name).read_text(encoding="utf-8")
    types = re.findall(r"^\| `\w+` \| ([^|]+) \| (?:`|required)", page, re.MULTILINE)
    assert len(types) > 50
    assert [found for found in types if re.search(r"\b[A-Z][a-z]+[A-Z]", found)] == []


def test_sources_are_read_out_of_docstrings():
    catalogue = importlib.import_module("make_catalogue")
    by_name = {(kind, one.name): one for kind in catalogue.KINDS for one in catalogue.built_in(kind)}
    assert catalogue.source_of(by_name["confidence_scorer", "self_reported"]).startswith("paper: section 3.1.1, eq. 1")
    assert "Wang et al. 2022" in catalogue.source_of(by_name["confidence_scorer", "agreement"])
    assert catalogue.source_of(by_name["teacher", "litellm"]) == "-"


def test_costs_add_up_as_they_are_said_to():
    costs = importlib.import_module("paper_costs")
    before = costs.Before()
    run = costs.PaperRun("standard_kd")
    first, again = costs.cost_of("mbpp", run, before), costs.cost_of("mbpp", run, before)
    assert (first.calls, again.calls, again.expected_usd) == (374, 0, 0)  # bought once
    assert 0 < first.expected_usd < first.worst_usd
    # 374 labels of 48 tokens, four times; 500 questions untouched and after: by hand, from the page's assumptions.
    sized = costs._Sized(load_config(costs.PAPER / "mbpp" / "standard_kd.yaml"), "mbpp", run)
    prompt = costs._tokens(sized.config.task_evaluator.student_messages(sized.query))
    assert first.trained_tokens == pytest.approx(374 * 4 * (prompt + 48))
    assert first.generated_tokens == 500 * (209 + 48)
    assert costs.A100.train_tokens_per_second(7.25e9) == pytest.approx(312e12 * 0.35 / 6 / 7.25e9)


def test_runs_that_begin_alike_share_what_they_begin_with():
    costs = importlib.import_module("paper_costs")
    before = costs.Before()
    costs.cost_of("mbpp", costs.PaperRun("twt"), before)
    longer = costs.cost_of("mbpp", costs.PaperRun("four_stage"), before)
    alone = costs.cost_of("mbpp", costs.PaperRun("four_stage"), costs.Before())
    assert 0 < longer.train_hours < alone.train_hours


def test_the_overview_of_results_has_each_of_them():
    results = DOCS / "results"
    overview = (results / "index.md").read_text(encoding="utf-8")
    files = {path.name for path in results.iterdir() if path.is_file()} - {"index.md"}
    assert sorted(name for name in files if f"]({name})" not in overview) == []


def test_every_result_is_on_the_overview():
    results = DOCS / "results"
    page = (results / "index.md").read_text(encoding="utf-8")
    assert [file.name for file in sorted(results.iterdir()) if f"({file.name})" not in page] == ["index.md"]
    scripts = re.findall(r"`(benchmarks/\w+\.py)`", page)
    assert scripts
    assert [script for script in scripts if not (DOCS.parent / script).is_file()] == []


def test_the_overview_has_the_reports_times_of_its_file():
    pages = json.loads((DOCS / "results" / "report.json").read_text(encoding="utf-8"))["pages"]
    report, table = (
        next(one for one in pages if one["page"] == name and one["annotations"] == 20_000)
        for name in ("report", "table")
    )
    times = f"{report['key_ms_median']:g} ms (median), where a plain table takes {table['key_ms_median']:g} ms"
    assert times in (DOCS / "results" / "index.md").read_text(encoding="utf-8")
