"""The example's config and its comparison run."""

from __future__ import annotations

import runpy
from pathlib import Path

from twt_core.config import load_config

ROOT = Path(__file__).parent.parent


def compare(scratch, *overrides, first):
    """With the first of the example's queries."""
    queries = load_config(ROOT / "example.yaml").queries.path.read_text(encoding="utf-8").splitlines(keepends=True)
    (scratch / "queries.jsonl").write_text("".join(queries[:first]), encoding="utf-8")
    script = runpy.run_path(str(ROOT / "compare.py"))
    script["compare"](ROOT / "example.yaml", [f"queries.path={scratch / 'queries.jsonl'}", *overrides], scratch)


def test_the_config_names_the_selector():
    assert load_config(ROOT / "example.yaml").diversity_selector.use == "dpp"


def test_the_comparison_agrees_with_the_paper_s_pair_where_quality_does_not_count(capsys, tmp_path):
    compare(tmp_path, first=10)
    rows = {row.split(" | ")[0].strip("| "): row for row in capsys.readouterr().out.splitlines() if " | " in row}
    assert "| 100% |" in rows["dpp, quality_weight 0"]
    assert "| 100% |" not in rows["most_confident"]


def test_the_comparison_says_when_there_is_nothing_to_choose(capsys, tmp_path):
    compare(tmp_path, "quality_filter.minimum=1", first=2)
    assert capsys.readouterr().out == "0 queries with three kept annotations or more, 0 annotations\n"
