"""Doing a bench: every run of its grid, one after the other, and what they came to."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from twt_core import session
from twt_core.bench.arms import arms_of, comparisons, on_frontiers, with_baselines
from twt_core.bench.checking import Checked, check
from twt_core.bench.grid import Grid, GridRun, read_grid
from twt_core.bench.output import draw, write
from twt_core.bench.result import BenchResult
from twt_core.bench.runs import Ended, beside, combinations, done
from twt_core.bench.settings import RECOMMENDED
from twt_core.errors import BatchPending, BudgetExceeded, InputError, TwtError
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.session import LEDGER, Beside, Prepared
from twt_core.summary import Summary


def run_bench(
    config_path: Path,
    overrides: Sequence[str] = (),
    runs_dir: Path = Path("runs"),
    name: str | None = None,
    baseline: str | None = None,
    progress: Progress | None = None,
    *,
    reduced: bool = False,
) -> BenchResult:
    """Do, or go on with, every run of a config's grid. What `twt bench` calls.

    The run of a combination is the folder ``BENCH.COMBINATION``, like any other run; the result is in the folder
    ``BENCH`` beside them, and is written at the start and anew as each begins and ends. A step that two runs have in
    common is made once. `budget_usd` is for all of them together. One that fails, or that the budget stops, does not
    stop the others.

    Args:
        config_path: the config file, with its grid.
        overrides: ``KEY=VALUE`` texts, as `--set` takes them, applied to every run.
        runs_dir: the project's folder of runs.
        name: the bench's, in place of the config's.
        baseline: what the others are compared against, in place of the config's.
        progress: told how the work goes.
        reduced: whether to make the changes of the config's section ``reduced`` first.

    Raises:
        InputError: bad input in any of the runs, found before the first begins; or another process works on it.
    """
    progress = progress or Progress()
    grid = read_grid(config_path, overrides, name, baseline, reduced=reduced)
    with _locked(runs_dir / grid.name):
        checked = check(grid, runs_dir)
        for note in checked.notes:
            progress.say(note)
        ended: dict[str, Ended] = {}
        found = result_of(grid, checked, runs_dir, ended)
        try:
            for place, run in enumerate(grid.runs, start=1):
                progress.say(f"{run.name}, run {place} of {len(grid.runs)}: {run.folder}")
                ended[run.name], before = Ended("interrupted"), done(run, runs_dir)
                write(_with_running(found, run), runs_dir)
                ended[run.name] = _ended(checked.prepared[run.name], beside(grid, run, runs_dir), runs_dir, progress)
                if ended[run.name].state != "done" or before != done(run, runs_dir):  # else the numbers are the same
                    found = result_of(grid, checked, runs_dir, ended)
        finally:  # an interrupt, too, leaves what there is
            found = result_of(grid, checked, runs_dir, ended)
            write(found, runs_dir)
        draw(found, runs_dir, progress)
    return found


def _with_running(result: BenchResult, run: GridRun) -> BenchResult:
    """The result while a run is made."""
    now = {"state": "running", "error": None}
    runs = [one.model_copy(update=now if one.name == run.name else {}) for one in result.combinations]
    return result.model_copy(update={"combinations": runs})


def _ended(prepared: Prepared, others: Sequence[Path], runs_dir: Path, progress: Progress) -> Ended:
    """Do a run, whatever becomes of it."""
    try:
        session.carry_out(prepared, runs_dir, progress, Beside(others, one_budget=True))
    except BudgetExceeded as error:
        with closing(Ledger(runs_dir / LEDGER)) as ledger:
            spent = session.spent_by([other.name for other in others], ledger)
        ended = Ended("stopped", f"the other runs have ${spent:.4f} of the ${prepared.config.budget_usd:.2f}; {error}")
    except BatchPending as error:
        ended = Ended("waiting", str(error))
    except TwtError as error:
        ended = Ended("failed", str(error))
    except Exception as error:  # noqa: BLE001  # a plugin's bug, or ours: the other runs need not share it
        progress.say(traceback.format_exc())
        ended = Ended("failed", f"{type(error).__name__}: {error}")
    else:
        return Ended("done")
    progress.say(f"{prepared.path.name} {ended.state}: {ended.error}")
    return ended


def result_of(grid: Grid, checked: Checked, runs_dir: Path, ended: dict[str, Ended]) -> BenchResult:
    """All numbers, from what is on disk."""
    with closing(Ledger(runs_dir / LEDGER)) as ledger:
        runs = combinations(grid, runs_dir, ended, ledger)
    states = {one.name: one.state for one in runs}
    finished = [found for run in grid.runs if states[run.name] == "done" and (found := done(run, runs_dir)) is not None]
    arms = with_baselines(on_frontiers(arms_of(grid, runs, finished, checked.groups)), checked.baseline)
    summaries = [one.summary for one in finished]
    return BenchResult(
        name=grid.name,
        reduced=grid.reduced,
        axes=grid.axes,
        seeds=sorted({run.config.seed for run in grid.runs}),
        stage=grid.stage,
        baseline=checked.baseline,
        combinations=runs,
        arms=[one.arm for one in arms],
        comparisons=comparisons(arms),
        budget_usd=grid.runs[0].config.budget_usd,
        teacher_calls=sum(one.teacher_calls for one in runs),
        cost_usd=round(sum(one.cost_usd for one in runs), 6),
        maybe_billed_usd=round(sum(one.maybe_billed_usd for one in runs), 6),
        unsandboxed_code=any(summary.unsandboxed_code for summary in summaries),
        simulated=sorted({t.name for summary in summaries for t in summary.teachers if t.simulated}),
        notes=[*checked.notes, *notes_of(grid, summaries)],
        versions=summaries[0].versions if summaries else {},
    )


def notes_of(grid: Grid, summaries: Sequence[Summary]) -> list[str]:
    """What is to be said of the numbers of a grid, of those runs that are done."""
    notes = []
    if grid.reduced:
        notes.append("REDUCED size: it shows that the bench runs, and says nothing of the paper's numbers")
    if len({run.config.seed for run in grid.runs}) == 1:
        notes.append("one seed a combination: how far another seed's training would be apart is not known")
    else:
        notes.append("intervals and tests are over the questions, for the students of these seeds; ± is over the seeds")
    if grid.stage == RECOMMENDED and any(one.recommended_on == "test_queries" for one in summaries):
        notes.append(
            "no dev_queries are given, so the test questions chose the stages that they measure: accuracies are "
            "flattered, and the tests are no tests"
        )
    return notes


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"{folder}: another process works on this bench. Wait for it, or give another --name"
        ) from error
    except OSError as error:
        raise InputError(f"{folder}: cannot write there: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()
