"""From a config file to a finished run folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from twt_core import pipeline, sampling
from twt_core.accounting import ACCOUNTING, count_on_disk
from twt_core.asking import Desk
from twt_core.calibration import CALIBRATION
from twt_core.components import Context
from twt_core.config import RunConfig, load_config
from twt_core.config_difference import config_difference
from twt_core.data import DOWNLOADS, Data, read_data
from twt_core.embedding import Embeddings
from twt_core.errors import InputError
from twt_core.known_answers import note_grades, note_questions
from twt_core.ledger import Ledger
from twt_core.models import find_model
from twt_core.outline import step_names
from twt_core.progress import Progress
from twt_core.recipe import RECIPE, Recipe
from twt_core.recorder import recorded
from twt_core.records import Annotation
from twt_core.run import BENCH, SUMMARY, Rows, Run, open_run, write_whole
from twt_core.run_plan import Plan
from twt_core.student.student import Student
from twt_core.summary import Right, Summary, calibrations, grades_of, summarise

QUERIES = "queries.jsonl"
LEDGER = "ledger.sqlite"
EMBEDDINGS = "embeddings.sqlite"
MODELS = ".models"
#: The steps of sampling, after each of which its accounting is written.
SAMPLING = ("annotations", "scored", "kept", "selected")


class Prepared(NamedTuple):
    """A config whose every input was read and checked."""

    config: RunConfig
    data: Data
    path: Path


class Beside(NamedTuple):
    """The run folders that are made beside one. What they have on disk is not made again but taken from there.

    With `one_budget`, the run's `budget_usd` is for all of them together.
    """

    runs: Sequence[Path] = ()
    one_budget: bool = False


ALONE = Beside()


def prepare(
    config_path: Path, overrides: Sequence[str], runs_dir: Path, name: str | None, *, download: bool = True
) -> Prepared:
    """Read and check a config and its data. Without `download`, data sets that are not there are only counted.

    Raises:
        InputError: anything wrong with them.
    """
    config = load_config(config_path, overrides)
    return prepare_config(config, runs_dir, name, lambda: read_data(config, runs_dir / DOWNLOADS, download=download))


def prepare_config(config: RunConfig, runs_dir: Path, name: str | None, read: Callable[[], Data]) -> Prepared:
    """`prepare`, of a config that is loaded, with what reads its data."""
    find_model(config.student.model)
    if name is not None and (not name or Path(name).name != name or name.startswith(".")):
        raise InputError(f"--name {name}: give a plain folder name")
    if (runs_dir / (name or config.name) / BENCH).exists():
        raise InputError(f"{runs_dir / (name or config.name)}: a bench's folder. Give the run another --name")
    return Prepared(config, read(), runs_dir / (name or config.name))


def run(
    config_path: Path,
    overrides: Sequence[str] = (),
    runs_dir: Path = Path("runs"),
    name: str | None = None,
    progress: Progress | None = None,
    beside: Sequence[Path] = (),
) -> Summary:
    """Do, or go on with, a run: everything that is not yet on disk. What `twt run` calls.

    Args:
        config_path: the config file.
        overrides: ``KEY=VALUE`` texts, as `--set` takes them.
        runs_dir: the project's folder of runs, with the ledger that they share.
        name: the run folder's name; the config's by default.
        progress: told how the work goes.
        beside: run folders that its steps are taken from where they have the same.

    Raises:
        InputError: bad input, found before any teacher is asked.
        BudgetExceeded: the budget would be passed; the same call goes on once it is raised.
        TwtError: the work failed.
    """
    prepared = prepare(config_path, overrides, runs_dir, name)
    return carry_out(prepared, runs_dir, progress or Progress(), Beside(beside))


def carry_out(prepared: Prepared, runs_dir: Path, progress: Progress, beside: Beside) -> Summary:
    """`run`, of what is prepared."""
    for note in prepared.data.notes:
        progress.say(note)
    with open_run(prepared.path, progress) as folder, closing(Ledger(runs_dir / LEDGER)) as ledger:
        folder.beside = beside.runs
        desk = desk_for(prepared, ledger, progress, beside)
        check_prices(prepared, desk)
        desk.preflight(prepared.data.queries)
        check_components(prepared, desk, runs_dir)
        _note_config(prepared, progress)
        with recorded(prepared.path, progress, lambda: ledger.spent_so_far(prepared.path.name)):
            return _finish(prepared, folder, ledger, desk, runs_dir, progress)


def _finish(prepared: Prepared, folder: Run, ledger: Ledger, desk: Desk, runs_dir: Path, progress: Progress) -> Summary:
    config, data, path = prepared
    student = Student(config.student, runs_dir / MODELS, config.seed, progress)
    embed = Embeddings(runs_dir / EMBEDDINGS, progress)
    context = Context(config.task_evaluator, data.unlabeled, desk.ask, embed, config.teachers)
    folder.whole = desk.nothing_to_retry
    right: Right = {}

    def account(step: str) -> None:
        if step in SAMPLING:
            counts = count_on_disk(config, data, folder.done)
            write_whole(path / ACCOUNTING, counts.model_dump_json(indent=2) + "\n")
        if step == "kept":
            kept = Rows(folder.done[step], None, Annotation).read()
            right.update(grades_of(kept, context, data))  # which may run a program for each of them: once is enough
            note_grades(path, right)
            calibration = [row.model_dump() for row in calibrations(kept, right)]
            write_whole(path / CALIBRATION, json.dumps(calibration, indent=2) + "\n")

    account(SAMPLING[0])
    folder.after = account
    progress.expect(step_names(config, data, desk, student, embed))
    outcome = pipeline.follow(config, data, folder, desk, student, embed)
    folder.finish()
    if not folder.made:
        progress.say("nothing to do: every step is on disk")
    summary = summarise(config, data, outcome, ledger, path.name, right)
    write_whole(path / SUMMARY, summary.model_dump_json(indent=2) + "\n")
    _write_report(path, progress)
    return summary


def _write_report(path: Path, progress: Progress) -> None:
    from twt_core import report

    try:
        report.write(path)
    except Exception as error:  # noqa: BLE001  # whatever it is, the run itself is whole
        problem = f"{type(error).__name__}: {error}"
        progress.say(f"the run is finished; its report could not be written: {problem}. Try twt report {path}")


def desk_for(prepared: Prepared, ledger: Ledger, progress: Progress, beside: Beside = ALONE) -> Desk:
    """Where a run asks its teachers."""
    config, left = prepared.config, prepared.config.budget_usd
    if left is not None and beside.one_budget:
        left = max(0.0, left - spent_by([run.name for run in beside.runs], ledger))
    return Desk(ledger, config.teachers, prepared.path.name, left, progress, config.helpers)


def spent_by(runs: Sequence[str], ledger: Ledger) -> float:
    """What runs cost, and what they hold in reserve, in US dollars."""
    return math.fsum(row.cost_usd + row.reserved_usd for run in runs for row in ledger.spending(run))


def check_components(prepared: Prepared, desk: Desk, runs_dir: Path) -> None:
    """Let the components look at the run, which changes nothing.

    Raises:
        InputError: what one of them found.
    """
    config, quiet = prepared.config, Progress(quiet=True)
    student = Student(config.student, runs_dir / MODELS, config.seed, quiet)
    embed = Embeddings(runs_dir / EMBEDDINGS, quiet)
    pipeline.Method(config, prepared.data, Plan(prepared.path), desk, student, embed).check()


def check_prices(prepared: Prepared, desk: Desk) -> None:
    """Make sure that a budget can be kept.

    Raises:
        InputError: a teacher's price is not known.
    """
    if prepared.config.budget_usd is None:
        return
    for teacher in [*prepared.config.teachers, *prepared.config.helpers]:
        first = list(sampling.requests_for(prepared.data.queries[:1], [teacher], prepared.config.task_evaluator))
        if desk.worst_case_usd(first) is None:
            raise InputError(
                f"budget_usd: the price of teacher {teacher.name!r} is not known, so no budget can be kept. "
                "Give the teacher its prices (0 for a server of your own), or set budget_usd: null"
            )


def _note_config(prepared: Prepared, progress: Progress) -> None:
    """Say what changed since the folder's last run; refuse a folder of another config."""
    config, _, path = prepared
    now = Recipe.of(config)
    file = path / RECIPE
    if (before := Recipe.in_folder(path)) is not None:
        difference = config_difference(before.identity, now.identity)
        if before.identity.get("name") != config.name:
            raise InputError(
                f"{path}: made by another config. It differs in:\n  " + "\n  ".join(difference)
                + "\nGive another --name, or remove the folder"
            )  # fmt: skip
        if difference:
            (path / SUMMARY).unlink(missing_ok=True)  # its numbers are not of what stands beside it from now on
            progress.say("changed since this folder's last run:\n  " + "\n  ".join(difference))
    note_questions(path, prepared.data)
    write_whole(path / QUERIES, "".join(q.unlabeled().model_dump_json() + "\n" for q in prepared.data.queries))
    write_whole(file, now.model_dump_json(indent=2) + "\n")
