"""What can be known to be wrong with a bench before anything is paid for, and which of its runs can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from twt_core import session
from twt_core.bench.grid import Grid, GridRun, arm_name
from twt_core.bench.reading import Reader
from twt_core.bench.settings import EACH, STAGE
from twt_core.errors import InputError, PluginError
from twt_core.ledger import Ledger
from twt_core.metrics import UNTOUCHED
from twt_core.progress import Progress
from twt_core.recipe import RECIPE
from twt_core.seeds import refuse_other_run
from twt_core.session import LEDGER


class Checked(NamedTuple):
    """What is known of a bench before its runs.

    Attributes:
        prepared: each run with its inputs, by name.
        groups: by run, what its questions are called; runs of one group are asked the same.
        baseline: the labels that make an arm a baseline, by axis.
        notes: what is to be said of the data.
    """

    prepared: dict[str, session.Prepared]
    groups: dict[str, str]
    baseline: dict[str, str]
    notes: list[str]


def check(grid: Grid, runs_dir: Path) -> Checked:
    """Read and check the inputs of every run.

    Raises:
        InputError: whatever is wrong, each problem once.
    """
    if (runs_dir / grid.name / RECIPE).exists():
        raise InputError(f"{runs_dir / grid.name}: a run's folder. Give the bench another --name")
    reader = Reader(runs_dir, download=True)
    found: dict[str, session.Prepared] = {}
    problems: dict[str, list[str]] = {}
    with closing(Ledger(runs_dir / LEDGER)) as ledger:
        for run in grid.runs:
            try:
                found[run.name] = reader.prepare(run)
                _check(found[run.name], runs_dir, ledger)
            except InputError as error:
                problems.setdefault(str(error), []).append(run.name)
    if problems:
        raise InputError("\n".join(_told(text, names, len(grid.runs)) for text, names in problems.items()))
    groups = groups_of(grid, {name: one.data.digest_of(one.data.test) for name, one in found.items()})
    notes = dict.fromkeys(note for one in found.values() for note in one.data.notes)
    return Checked(found, groups, baseline_of(grid, groups), list(notes))


def _told(problem: str, names: Sequence[str], runs: int) -> str:
    return problem if len(names) == runs else f"{', '.join(names)}: {problem}"


def _check(prepared: session.Prepared, runs_dir: Path, ledger: Ledger) -> None:
    refuse_other_run(prepared.path, prepared.config)
    desk = session.desk_for(prepared, ledger, Progress(quiet=True))
    session.check_prices(prepared, desk)
    with suppress(PluginError):  # a plugin's bug stops the runs that have the plugin, and no others
        desk.preflight(prepared.data.queries)
        session.check_components(prepared, desk, runs_dir)


def groups_of(grid: Grid, questions: Mapping[str, str]) -> dict[str, str]:
    """Each run's group: the labels on those axes whose values change what is asked.

    Args:
        grid: the grid.
        questions: what each run is asked, by its name: equal texts for equal questions.
    """
    telling = [axis for axis in grid.axes if axis != STAGE and _tells(axis, grid.runs, questions)]
    return {run.name: arm_name([run.values[axis] for axis in telling]) for run in grid.runs}


def _tells(axis: str, runs: Sequence[GridRun], questions: Mapping[str, str]) -> bool:
    """Whether two runs that differ on this axis alone are asked other questions."""
    asked: dict[tuple[tuple[str, str], ...], set[str]] = {}
    for run in runs:
        others = tuple((name, label) for name, label in run.values.items() if name != axis)
        asked.setdefault(others, set()).add(questions[run.name])
    return any(len(found) > 1 for found in asked.values())


def baseline_of(grid: Grid, groups: Mapping[str, str]) -> dict[str, str]:
    """What the config names as the baseline; else the untouched student where each stage is an arm, and otherwise the
    first label of each axis that does not change the questions.

    Raises:
        InputError: the named one is asked other questions than those that it is to be compared with.
    """
    if grid.baseline is None:
        if grid.stage == EACH:
            return {STAGE: UNTOUCHED}
        same = [axis for axis in grid.axes if not _tells(axis, grid.runs, groups)]
        return {axis: grid.axes[axis][0] for axis in same}
    by_values = {tuple(sorted(run.values.items())): run for run in grid.runs}
    fixed = {axis: label for axis, label in grid.baseline.items() if axis != STAGE}
    for run in grid.runs:
        other = by_values[tuple(sorted({**run.values, **fixed}.items()))]
        if groups[other.name] != groups[run.name]:
            raise InputError(
                f"{grid.baseline_place}: {other.name} and {run.name} are not asked the same questions, so they cannot "
                "be compared: name the label of another axis alone"
            )
    return grid.baseline
