"""Which report the viewer shows: the one on disk, one that is built, or none."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from twt_core import report
from twt_core.errors import InputError
from twt_core.view.folders import Folders
from twt_core.view.reports import Reports


@pytest.fixture
def reports(finished, tmp_path, monkeypatch) -> Iterator[tuple[Path, Reports, list[Path]]]:
    """A run with a report that is no more current, and which reports were built."""
    folder = Path(shutil.copytree(finished.folder, tmp_path / "runs" / "tiny"))
    built: list[Path] = []
    monkeypatch.setattr(report, "page", lambda run: built.append(run) or f"built {len(built)}")
    found = Reports(Folders(tmp_path / "runs"))
    yield folder, found, built
    found.close()


def shown(folder: Path, reports: Reports) -> str:
    card = Folders(folder.parent).by_name()[folder.name]
    return asyncio.run(reports.of(card)).decode()


def test_a_report_is_built_where_the_one_on_disk_is_not_current(reports):
    folder, found, built = reports
    (folder / "report.html").write_text("on disk")
    assert shown(folder, found) == "on disk"
    os.utime(folder / "summary.json", (2e9, 2e9))
    assert shown(folder, found) == "built 1"
    assert shown(folder, found) == "built 1"  # kept
    (folder / "summary.json").unlink()  # a step is being made anew
    assert shown(folder, found) == "built 2"
    (folder / "progress.json").write_text("{}")  # which changes all the time
    assert shown(folder, found) == "built 2"
    assert built == [folder, folder]


def test_a_bench_has_the_report_that_it_wrote(reports, tmp_path):
    _, found, _ = reports
    table = tmp_path / "runs" / "table"
    table.mkdir()
    (table / "bench.json").write_text("{}")
    with pytest.raises(InputError, match="no report yet"):
        shown(table, found)
    (table / "report.html").write_text("of the bench")
    assert shown(table, found) == "of the bench"
