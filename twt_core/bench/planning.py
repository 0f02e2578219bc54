"""What a bench would do: the steps of each run, those that it shares, and the calls, each counted once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from twt_core.bench.grid import Grid, read_grid
from twt_core.bench.reading import Reader
from twt_core.bench.runs import beside
from twt_core.planning import (
    PlannedCalls,
    PlannedStep,
    PlanSummary,
    by_teacher,
    calls_at_most,
    plan_run,
    spent_usd,
    worst_case_usd,
)
from twt_core.run_plan import Plan


class PlannedRun(BaseModel):
    """A run of a bench: `values` are its labels by axis, `run` its folder."""

    name: str
    run: str
    values: dict[str, str]
    seed: int
    steps: list[PlannedStep]


class BenchPlan(BaseModel):
    """What `twt bench` would do now.

    A step is shared with the first run that has it or is to make it. Runs that differ in an option may turn out to make
    the same all the same, so that there may be less to do.
    """

    name: str
    runs: list[PlannedRun]
    on_disk: int
    shared: int
    to_do: int
    calls: list[PlannedCalls]
    teacher_calls_at_most: int
    worst_case_usd: float | None
    budget_usd: float | None
    #: What all combinations have cost so far, those that the grid no longer has included.
    spent_usd: float
    notes: list[str]


def plan_bench(
    config_path: Path,
    overrides: Sequence[str] = (),
    runs_dir: Path = Path("runs"),
    name: str | None = None,
    baseline: str | None = None,
    *,
    reduced: bool = False,
) -> BenchPlan:
    """What a bench would do now, having changed nothing. What `twt bench --plan` calls.

    Args:
        config_path: the config file, with its grid.
        overrides: ``KEY=VALUE`` texts, applied to every run.
        runs_dir: the project's folder of runs.
        name: the bench's, in place of the config's.
        baseline: what the others would be compared against, in place of the config's.
        reduced: whether to make the changes of the config's section ``reduced`` first.

    Raises:
        InputError: anything wrong with the config or the data of a run.
    """
    grid = read_grid(config_path, overrides, name, baseline, reduced=reduced)
    plans = _plans(grid, runs_dir)
    runs = [
        PlannedRun(name=run.name, run=plan.run, values=run.values, seed=run.config.seed, steps=_named(plan.steps, grid))
        for run, plan in zip(grid.runs, plans, strict=True)
    ]
    steps = [step for run in runs for step in run.steps]
    calls = by_teacher([row for plan in plans for row in plan.calls])
    return BenchPlan(
        name=grid.name,
        runs=runs,
        on_disk=sum(step.cached for step in steps),
        shared=sum(step.shared_with is not None for step in steps),
        to_do=sum(step.to_do for step in steps),
        calls=calls,
        teacher_calls_at_most=calls_at_most(calls),
        worst_case_usd=worst_case_usd(calls),
        budget_usd=grid.runs[0].config.budget_usd,
        spent_usd=_spent_usd(grid, runs_dir),
        notes=list(dict.fromkeys(note for plan in plans for note in plan.notes)),
    )


def _plans(grid: Grid, runs_dir: Path) -> list[PlanSummary]:
    planned: dict[str, str] = {}
    asked: set[str] = set()
    reader = Reader(runs_dir, download=False)
    found = []
    for run in grid.runs:
        prepared = reader.prepare(run)
        steps = Plan(prepared.path, beside=beside(grid, run, runs_dir), planned=planned)
        found.append(plan_run(prepared, runs_dir, steps, asked))
    return found


def _spent_usd(grid: Grid, runs_dir: Path) -> float:
    first = grid.runs[0]
    return spent_usd([first.folder, *(other.name for other in beside(grid, first, runs_dir))], runs_dir)


def _named(steps: Sequence[PlannedStep], grid: Grid) -> list[PlannedStep]:
    """The steps, with runs by their names in the bench in place of their folders."""
    names: dict[str | None, str] = {run.folder: run.name for run in grid.runs}
    return [step.model_copy(update={"shared_with": names.get(step.shared_with, step.shared_with)}) for step in steps]
