"""Commands that make runs: run, plan, status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twt_core.cli.application import (
    RUNS,
    AsJson,
    ConfigFile,
    Name,
    Overrides,
    Quiet,
    RunFolder,
    RunsDir,
    Seeds,
    Unsandboxed,
    allow_unsandboxed_code,
    app,
    examples,
    print_json,
)
from twt_core.cli.benching import show_plan

if TYPE_CHECKING:
    from twt_core.progress import Progress


@app.command(
    epilog=examples(
        "twt run run.yaml", "twt run run.yaml --set diversity_selector.use=random_pair", "twt run run.yaml --seeds 3"
    )
)
def run(
    config: ConfigFile,
    overrides: Overrides = None,
    runs_dir: RunsDir = RUNS,
    name: Name = None,
    seeds: Seeds = None,
    unsandboxed: Unsandboxed = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Do a run, or go on with it: whatever is not yet on disk, and nothing twice."""
    from twt_core import session, tables
    from twt_core.progress import Progress

    allow_unsandboxed_code(unsandboxed)
    if seeds is not None:
        _run_seeds(config, seeds, overrides or [], runs_dir, name, as_json=as_json, progress=Progress(quiet=quiet))
        return
    summary = session.run(config, overrides or (), runs_dir, name, Progress(quiet=quiet))
    if as_json:
        print_json(summary)
    else:
        tables.print_summary(summary, runs_dir / (name or summary.name))


def _run_seeds(
    config: Path,
    count: int,
    overrides: list[str],
    runs_dir: Path,
    name: str | None,
    *,
    as_json: bool,
    progress: Progress,
) -> None:
    from twt_core import seeds, tables

    found = seeds.run_seeds(config, count, overrides, runs_dir, name, progress)
    if as_json:
        print_json(found)
    else:
        tables.print_seeds(found, runs_dir)


@app.command(epilog=examples("twt plan run.yaml", "twt plan run.yaml --json"))
def plan(
    config: ConfigFile,
    overrides: Overrides = None,
    runs_dir: RunsDir = RUNS,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """What a run would do now: each step on disk or to do, the teacher calls, their worst-case price."""
    from twt_core import planning, tables
    from twt_core.bench.grid import has_grid

    if has_grid(config):
        show_plan(config, overrides or [], runs_dir, name, as_json=as_json)
        return
    planned = planning.plan(config, overrides or (), runs_dir, name)
    if as_json:
        print_json(planned)
    else:
        tables.print_plan(planned)


@app.command(epilog=examples("twt status runs/my-run"))
def status(folder: RunFolder, as_json: AsJson = False) -> None:
    """How far a run is: its steps, their seconds, and its result if there is one."""
    from twt_core import finished, tables

    found = finished.status(folder)
    if as_json:
        print_json(found)
    else:
        tables.print_status(found, folder)
