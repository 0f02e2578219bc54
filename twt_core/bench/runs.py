"""What is on disk of a bench's runs."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twt_core.bench.grid import Grid, GridRun
from twt_core.bench.result import Combination, State
from twt_core.errors import InputError, TwtError
from twt_core.ledger import Ledger, Spending
from twt_core.recipe import Recipe
from twt_core.records import Prediction
from twt_core.run import MANIFEST, ROWS, SUMMARY, Manifest, changed_files
from twt_core.settings import Json
from twt_core.summary import Summary


@dataclass(frozen=True)
class Ended:
    """How a run ended this time."""

    state: State
    error: str | None = None


@dataclass(frozen=True)
class Done:
    """A run that came to its end, with its config's place in the grid."""

    run: GridRun
    path: Path
    summary: Summary

    def predictions(self, stage: str) -> list[Prediction]:
        """A stage's answers to the test queries.

        Raises:
            TwtError: they are not there.
        """
        with (self._answers(stage) / ROWS).open(encoding="utf-8") as file:
            return [Prediction.model_validate_json(line) for line in file]

    def _answers(self, stage: str) -> Path:
        found = list(self.path.glob(f"[0-9][0-9]*-{stage}-test-scores"))
        if len(found) != 1:
            raise TwtError(f"{self.path}: the answers of stage {stage} are not there. Run again, which makes them")
        return found[0]

    def is_whole(self) -> bool:
        """Whether the answers of all its stages are as they were made.

        Raises:
            TwtError: some are not there.
            OSError: likewise.
            ValueError: a manifest is damaged.
        """
        steps = [self._answers(score.name) for score in self.summary.stages]
        return not any(changed_files(step, _manifest(step / MANIFEST)) for step in steps)


def _manifest(file: Path) -> Manifest:
    return Manifest.model_validate_json(file.read_text(encoding="utf-8"))


def done(run: GridRun, runs_dir: Path) -> Done | None:
    """A run's result, if what is on disk is of this config, and whole."""
    path = runs_dir / run.folder
    try:
        recipe = Recipe.in_folder(path)
        if recipe is None or recipe.identity != run.config.identity():
            return None
        found = Done(run, path, Summary.model_validate_json((path / SUMMARY).read_text(encoding="utf-8")))
        return found if found.is_whole() else None
    except (TwtError, OSError, ValueError):  # damaged, not there, or of another version: it is not done
        return None


def beside(grid: Grid, run: GridRun, runs_dir: Path) -> list[Path]:
    """The other run folders of a bench: those of its grid, and what is there of combinations that it no longer has.

    A step is taken from the latter, too, after a change of labels, say; and what they cost is spent.
    """
    others = [runs_dir / other.folder for other in grid.runs]
    earlier = [path for path in sorted(runs_dir.glob(f"{glob.escape(grid.name)}.*")) if path not in set(others)]
    others += [path for path in earlier if _made_by(path) == run.config.name]
    return [path for path in others if path.name != run.folder]


def _made_by(folder: Path) -> Json:
    """The name in the config of what is in a run folder; None where that cannot be told."""
    try:
        recipe = Recipe.in_folder(folder)
    except InputError:
        return None
    return None if recipe is None else recipe.identity.get("name")


def combinations(grid: Grid, runs_dir: Path, ended: dict[str, Ended], ledger: Ledger) -> list[Combination]:
    """Each run, as far as it is. One that was not come to this time may be done from before."""
    return [_combination(run, runs_dir, ended.get(run.name), ledger.spending(run.folder)) for run in grid.runs]


def _combination(run: GridRun, runs_dir: Path, ended: Ended | None, spending: Sequence[Spending]) -> Combination:
    if ended is None:
        ended = Ended("not_begun" if done(run, runs_dir) is None else "done")
    steps = _steps(runs_dir / run.folder)
    return Combination(
        name=run.name,
        run=f"../{run.folder}",
        values=run.values,
        seed=run.config.seed,
        state=ended.state,
        error=ended.error,
        steps=len(steps),
        taken={name: step.taken_from for name, step in steps.items() if step.taken_from is not None},
        seconds=round(sum(step.seconds for step in steps.values() if step.taken_from is None), 3),
        teacher_calls=sum(row.calls for row in spending),
        cost_usd=round(sum(row.cost_usd + row.reserved_usd for row in spending), 6),
        maybe_billed_usd=round(sum(row.reserved_usd for row in spending), 6),
    )


def _steps(folder: Path) -> dict[str, Manifest]:
    """The manifests of the steps in a run folder, in order."""
    found = {}
    numbered = {path: path.parent.name.split("-")[0] for path in folder.glob(f"[0-9][0-9]*-*/{MANIFEST}")}
    steps = [path for path, number in numbered.items() if number.isdecimal()]
    for path in sorted(steps, key=lambda path: int(numbered[path])):
        try:
            found[path.parent.name] = _manifest(path)
        except ValueError:  # damaged: the step is not whole
            continue
    return found
