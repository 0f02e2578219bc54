"""The command that makes many runs side by side: bench."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twt_core.cli.application import (
    RUNS,
    AsJson,
    ConfigFile,
    Name,
    Overrides,
    Quiet,
    RunsDir,
    Unsandboxed,
    allow_unsandboxed_code,
    app,
    examples,
    print_json,
)
from twt_core.errors import BatchPending, BudgetExceeded, TwtError

if TYPE_CHECKING:
    from twt_core.bench.result import BenchResult


@app.command(
    epilog=examples(
        "twt bench bench.yaml --plan",
        "twt bench bench.yaml --baseline diversity_selector=random_pair",
        "twt bench examples/paper/table2.yaml --reduced",
    )
)
def bench(  # noqa: PLR0913, PLR0917  # an argument is an option
    config: ConfigFile,
    overrides: Overrides = None,
    runs_dir: RunsDir = RUNS,
    name: Name = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what it would do: steps made, steps shared, calls, worst-case price.")
    ] = False,
    reduced: Annotated[
        bool, typer.Option("--reduced", help="At the small size that the config's section `reduced` gives.")
    ] = False,
    baseline: Annotated[
        str | None, typer.Option(metavar="NAME", help="What the others are compared against: LABEL or AXIS=LABEL.")
    ] = None,
    unsandboxed: Unsandboxed = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Alternatives side by side: every run of a config's grid, no common step twice, and how they compare."""
    if plan:
        show_plan(config, overrides or [], runs_dir, name, baseline, reduced=reduced, as_json=as_json)
        return
    from twt_core.bench import execution, printing
    from twt_core.progress import Progress

    allow_unsandboxed_code(unsandboxed)
    found = execution.run_bench(
        config, overrides or (), runs_dir, name, baseline, Progress(quiet=quiet), reduced=reduced
    )
    if as_json:
        print_json(found)
    else:
        printing.print_bench(found, runs_dir)
    _refuse_gaps(found)


def show_plan(
    config: Path,
    overrides: list[str],
    runs_dir: Path,
    name: str | None,
    baseline: str | None = None,
    *,
    reduced: bool = False,
    as_json: bool = False,
) -> None:
    """What a bench would do."""
    from twt_core.bench import planning, printing

    planned = planning.plan_bench(config, overrides, runs_dir, name, baseline, reduced=reduced)
    if as_json:
        print_json(planned)
    else:
        printing.print_bench_plan(planned)


def _refuse_gaps(found: BenchResult) -> None:
    """End with the exit code of what is not done.

    Raises:
        TwtError: a run failed.
        BudgetExceeded: none failed, and the budget stopped one.
        BatchPending: none failed, and batches are under way.
    """
    failed = [one.name for one in found.combinations if one.state == "failed"]
    states = {one.state for one in found.combinations}
    if failed:
        raise TwtError(f"{len(failed)} of {len(found.combinations)} runs failed: {', '.join(failed)}")
    if "stopped" in states:
        raise BudgetExceeded("the budget stopped the bench. Raise budget_usd and run the same command again")
    if "waiting" in states:
        raise BatchPending("batches are under way at a provider: the same command, given later, collects them")
