"""Tiny benches for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import project

from twt_core.bench.execution import run_bench
from twt_core.bench.result import BenchResult
from twt_core.progress import Progress

#: One stage of training, so that a run takes little.
QUICK = "stage_scheduler: {use: standard_kd}\n"
GRID = """\
grid:
  diversity_selector: [{use: random_pair}, {use: all}]
  student.epochs: {once: 1, twice: 2}
  seed: [0, 1]
"""
NAMES = [f"{selector}+{epochs}+seed-{seed}" for selector in ("random_pair", "all") for epochs in ("once", "twice")
         for seed in (0, 1)]  # fmt: skip


def write(config: Path, text: str) -> Path:
    """A bench's config beside the tiny project's."""
    config.write_text(config.read_text(encoding="utf-8") + text, encoding="utf-8")
    return config


def make(folder: Path, model: Path, text: str = QUICK + GRID) -> Path:
    """The tiny project with a grid."""
    return write(project.make(folder, model), text)


def bench(config: Path, *overrides: str, progress: Progress | None = None, **more: Any) -> BenchResult:
    """A bench in the folder ``runs`` beside its config."""
    return run_bench(config, overrides, config.parent / "runs", progress=progress or Progress(quiet=True), **more)


def manifests(runs: Path) -> dict[str, dict[str, Any]]:
    """The manifest of every step of every run, by its folder."""
    return {
        str(path.parent.relative_to(runs)): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(runs.glob("*.*/[0-9][0-9]-*/manifest.json"))
    }


def written(runs: Path) -> dict[str, int]:
    """When each manifest was written."""
    return {str(path.parent): path.stat().st_mtime_ns for path in runs.glob("*.*/[0-9][0-9]-*/manifest.json")}
