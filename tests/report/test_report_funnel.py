"""The funnel: every annotation is in it once, and the picture has no more rows than can be read."""

from __future__ import annotations

import pytest

from twt_core.accounting import AnnotationCounts
from twt_core.report.figures import FunnelRow
from twt_core.report.funnel import few, funnel


@pytest.fixture
def counts() -> AnnotationCounts:
    rejected = {f"reason {n}": n for n in range(1, 7)}
    failed = {"no label": 4}
    return AnnotationCounts(
        queries=20, asked=60, pending=5, failed=4, failed_by_cause=failed, rejected=rejected, kept=30, selected=20
    )


def test_what_is_lost_is_between_those_that_are_left(counts):
    rows = funnel(counts).table.rows
    assert rows[:4] == [
        ["asked", "60", "100.0%"],
        ["pending", "5", "8.3%"],
        ["failed: no label", "4", "6.7%"],
        ["answered", "51", "85.0%"],
    ]
    assert rows[4:10] == [[f"rejected: reason {n}", str(n), f"{n / 60:.1%}"] for n in range(1, 7)]
    assert rows[10:] == [["kept", "30", "50.0%"], ["selected", "20", "33.3%"]]


def test_many_reasons_are_drawn_as_one():
    lost = [FunnelRow(f"reason {n}", n, lost=True) for n in range(1, 7)]
    rows = [FunnelRow("asked", 30, lost=False), *lost, FunnelRow("kept", 9, lost=False)]
    assert few(rows) == [rows[0], *lost[3:], FunnelRow("3 other reasons", 6, lost=True), rows[-1]]
    assert few([rows[0], *lost[:4], rows[-1]]) == [rows[0], *lost[:4], rows[-1]]
