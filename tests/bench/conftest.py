"""One finished bench for all tests that only look at it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import benches
import pytest

from twt_core import session
from twt_core.bench.planning import BenchPlan, plan_bench
from twt_core.bench.result import BenchResult


class Benched(NamedTuple):
    """A bench that came to its end, and what was planned before."""

    config: Path
    runs: Path
    planned: BenchPlan
    found: BenchResult


@pytest.fixture
def without_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs whose reports are not drawn: that takes longer than such a run. Those of `benched` are."""
    monkeypatch.setattr(session, "_write_report", lambda *_: None)


@pytest.fixture(scope="session")
def benched(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Benched:
    """Eight runs of the tiny project. Do not change them."""
    config = benches.make(tmp_path_factory.mktemp("bench"), model)
    runs = config.parent / "runs"
    planned = plan_bench(config, (), runs)
    assert not runs.exists()  # a plan changes nothing
    return Benched(config, runs, planned, benches.bench(config))
