"""From a config file to a finished run folder, or to a plan of one."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from pydantic import BaseModel

from twt_core import pipeline, sampling
from twt_core.accounting import ACCOUNTING, count_on_disk
from twt_core.asking import Desk
from twt_core.calibration import CALIBRATION
from twt_core.components import Context, Teacher, teachers_in
from twt_core.config import RunConfig, load_config
from twt_core.config_difference import config_difference
from twt_core.course import Outcome
from twt_core.data import DOWNLOADS, Data, read_data
from twt_core.embedding import Embeddings
from twt_core.errors import InputError
from twt_core.ledger import Ledger
from twt_core.metrics import UNTOUCHED
from twt_core.models import find_model
from twt_core.planned_grades import Passes, grades_at_most
from twt_core.progress import Progress
from twt_core.recipe import RECIPE, Recipe
from twt_core.records import Annotation, Request
from twt_core.run import SUMMARY, Plan, Rows, Run, open_run, write_whole
from twt_core.student.student import Student
from twt_core.summary import Summary, calibrations, grades_of, summarise

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


class PlannedCalls(BaseModel):
    """Teacher calls that a run would make. Prices are worst cases in US dollars; None where one is not known."""

    teacher: str
    answers: int
    rewrites_at_most: int
    grades_at_most: int
    worst_case_usd: float | None


class PlannedStep(BaseModel):
    """One step, and whether it is on disk."""

    step: str
    cached: bool


class PlanSummary(BaseModel):
    """What `twt run` would do now."""

    name: str
    run: str
    steps: list[PlannedStep]
    calls: list[PlannedCalls]
    teacher_calls_at_most: int
    worst_case_usd: float | None
    budget_usd: float | None
    #: What is to be said of the data: sets that are not downloaded, rows that are left out.
    notes: list[str]


def prepare(
    config_path: Path, overrides: Sequence[str], runs_dir: Path, name: str | None, *, download: bool = True
) -> Prepared:
    """Read and check a config and its data. Without `download`, data sets that are not there are only counted.

    Raises:
        InputError: anything wrong with them.
    """
    config = load_config(config_path, overrides)
    find_model(config.student.model)
    if name is not None and (not name or Path(name).name != name or name.startswith(".")):
        raise InputError(f"--name {name}: give a plain folder name")
    data = read_data(config, runs_dir / DOWNLOADS, download=download)
    return Prepared(config, data, runs_dir / (name or config.name))


def run(
    config_path: Path,
    overrides: Sequence[str] = (),
    runs_dir: Path = Path("runs"),
    name: str | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Do, or go on with, a run: everything that is not yet on disk. What `twt run` calls.

    Args:
        config_path: the config file.
        overrides: ``KEY=VALUE`` texts, as `--set` takes them.
        runs_dir: the project's folder of runs, with the ledger that they share.
        name: the run folder's name; the config's by default.
        progress: told how the work goes.

    Raises:
        InputError: bad input, found before any teacher is asked.
        BudgetExceeded: the budget would be passed; the same call goes on once it is raised.
        TwtError: the work failed.
    """
    progress = progress or Progress()
    prepared = prepare(config_path, overrides, runs_dir, name)
    for note in prepared.data.notes:
        progress.say(note)
    with open_run(prepared.path, progress) as folder, closing(Ledger(runs_dir / LEDGER)) as ledger:
        desk = _desk(prepared, ledger, progress)
        _check_prices(prepared, desk)
        desk.preflight(prepared.data.queries)
        _note_config(prepared, progress)
        return _finish(prepared, folder, ledger, desk, runs_dir, progress)


def _finish(prepared: Prepared, folder: Run, ledger: Ledger, desk: Desk, runs_dir: Path, progress: Progress) -> Summary:
    config, data, path = prepared
    student = Student(config.student, runs_dir / MODELS, config.seed, progress)
    embed = Embeddings(runs_dir / EMBEDDINGS, progress)
    context = Context(config.task_evaluator, data.unlabeled, desk.ask, embed, config.teachers)
    folder.whole = desk.nothing_to_retry

    def account(step: str) -> None:
        if step in SAMPLING:
            counts = count_on_disk(config, data, folder.done)
            write_whole(path / ACCOUNTING, counts.model_dump_json(indent=2) + "\n")
        if step == "kept":
            kept = Rows(folder.done[step], None, Annotation).read()
            calibration = [row.model_dump() for row in calibrations(kept, grades_of(kept, context, data))]
            write_whole(path / CALIBRATION, json.dumps(calibration, indent=2) + "\n")

    account(SAMPLING[0])
    folder.after = account
    outcome = pipeline.follow(config, data, folder, desk, student, embed)
    folder.finish()
    if not folder.made:
        progress.say("nothing to do: every step is on disk")
    summary = summarise(config, data, outcome, ledger, path.name, context)
    write_whole(path / SUMMARY, summary.model_dump_json(indent=2) + "\n")
    return summary


def _desk(prepared: Prepared, ledger: Ledger, progress: Progress) -> Desk:
    config = prepared.config
    return Desk(ledger, config.teachers, prepared.path.name, config.budget_usd, progress, config.helpers)


def _answers(prepared: Prepared, teacher: Teacher) -> list[Request]:
    return list(sampling.requests_for(prepared.data.queries, [teacher], prepared.config.task_evaluator))


def _check_prices(prepared: Prepared, desk: Desk) -> None:
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
            progress.say("changed since this folder's last run:\n  " + "\n  ".join(difference))
    write_whole(path / QUERIES, "".join(q.unlabeled().model_dump_json() + "\n" for q in prepared.data.queries))
    write_whole(file, now.model_dump_json(indent=2) + "\n")


def plan(
    config_path: Path, overrides: Sequence[str] = (), runs_dir: Path = Path("runs"), name: str | None = None
) -> PlanSummary:
    """What a run would do now, having changed nothing. What `twt plan` calls.

    Raises:
        InputError: anything wrong with the config or its data.
    """
    progress = Progress(quiet=True)
    prepared = prepare(config_path, overrides, runs_dir, name, download=False)
    steps = Plan(prepared.path)
    ledger_file = runs_dir / LEDGER
    with (
        TemporaryDirectory() as empty,
        closing(Ledger(ledger_file if ledger_file.exists() else Path(empty, LEDGER))) as ledger,
    ):
        desk = _desk(prepared, ledger, progress)
        student = Student(prepared.config.student, runs_dir / MODELS, prepared.config.seed, progress)
        embed = Embeddings(runs_dir / EMBEDDINGS, progress)  # opens nothing before it is used
        outcome = pipeline.follow(prepared.config, prepared.data, steps, desk, student, embed)
        calls = _planned_calls(prepared, steps, outcome, desk)
    prices = [row.worst_case_usd for row in calls]
    return PlanSummary(
        name=prepared.config.name,
        run=str(prepared.path),
        steps=[PlannedStep(step=step, cached=done) for step, done in steps.steps],
        calls=calls,
        teacher_calls_at_most=sum(row.answers + row.rewrites_at_most + row.grades_at_most for row in calls),
        worst_case_usd=None if None in prices else round(math.fsum(p for p in prices if p is not None), 6),
        budget_usd=prepared.config.budget_usd,
        notes=prepared.data.notes,
    )


def _planned_calls(prepared: Prepared, steps: Plan, outcome: Outcome, desk: Desk) -> list[PlannedCalls]:
    """Answers are counted exactly; of rewrites, at most one for each query, teacher and compressed stage.

    Rows that are not downloaded are counted as the config declares them.
    """
    config = prepared.config
    done = dict(steps.steps)
    compressed = [stage for stage in outcome.course.stages.values() if stage.rationale == "compressed"]
    to_make = [stage for stage in compressed if not done[f"{stage.name}-traces"]]
    rounds = sum(pipeline.compressor_of(config, stage).asks_teachers for stage in to_make)
    planned = []
    for teacher in config.teachers:
        own = _answers(prepared, teacher)
        answers = [] if done["annotations"] else desk.to_ask(own)
        rewrites = own * rounds
        # A rewrite's prompt holds the answer, too: twice the price of the answer's call bounds it.
        prices = [_price(answers, prepared.data, desk), _price([*rewrites, *rewrites], prepared.data, desk)]
        planned.append(
            PlannedCalls(
                teacher=teacher.name,
                answers=_rows_of(answers, prepared.data),
                rewrites_at_most=_rows_of(rewrites, prepared.data),
                grades_at_most=0,
                worst_case_usd=None if None in prices else math.fsum(p for p in prices if p is not None),
            )
        )
    scorers = [] if done["scored"] else _planned_grades(prepared, desk)
    return _by_teacher([*planned, *scorers, *_planned_grades_of_answers(prepared, done, outcome, desk)])


def _by_teacher(planned: Sequence[PlannedCalls]) -> list[PlannedCalls]:
    """One row a teacher, in the order in which they come."""
    rows: dict[str, PlannedCalls] = {}
    for row in planned:
        rows[row.teacher] = _sum(rows[row.teacher], row) if row.teacher in rows else row
    return list(rows.values())


def _sum(one: PlannedCalls, other: PlannedCalls) -> PlannedCalls:
    prices = (one.worst_case_usd, other.worst_case_usd)
    return PlannedCalls(
        teacher=one.teacher,
        answers=one.answers + other.answers,
        rewrites_at_most=one.rewrites_at_most + other.rewrites_at_most,
        grades_at_most=one.grades_at_most + other.grades_at_most,
        worst_case_usd=None if None in prices else math.fsum(price for price in prices if price is not None),
    )


def _planned_grades_of_answers(
    prepared: Prepared, done: Mapping[str, bool], outcome: Outcome, desk: Desk
) -> list[PlannedCalls]:
    """What the task's judges may be asked: a grade for every answer of every student, the untouched one included."""
    config, data = prepared.config, prepared.data
    names = [UNTOUCHED, *outcome.course.stages]
    left = {kind: sum(not done.get(f"{name}-{kind}-scores", True) for name in names) for kind in ("test", "dev")}
    samples = config.evaluation.samples
    passes = [Passes(data.test, left["test"] * samples), Passes(data.dev, left["dev"] * samples)]
    absent = data.held_out_absent * max(left.values()) * samples
    most_tokens = config.student.max_new_tokens
    found = grades_at_most(config.task_evaluator, passes, absent, desk.worst_case_usd, most_tokens)
    return [
        PlannedCalls(teacher=one.judge, answers=0, rewrites_at_most=0, grades_at_most=one.calls, worst_case_usd=one.usd)
        for one in found
        if one.calls
    ]


def _price(requests: Sequence[Request], data: Data, desk: Desk) -> float | None:
    """The most that requests can cost, each as often as its query stands for a row."""
    alike: dict[int, list[Request]] = defaultdict(list)
    for request in requests:
        alike[data.rows(request.query_id)].append(request)
    prices = [(desk.worst_case_usd(some), rows) for rows, some in alike.items()]
    if any(price is None or (price and not data.bounded) for price, _ in prices):
        return None
    return math.fsum(price * rows for price, rows in prices if price is not None)


def _rows_of(requests: Sequence[Request], data: Data) -> int:
    """How many requests these stand for."""
    return sum(data.rows(request.query_id) for request in requests)


def _planned_grades(prepared: Prepared, desk: Desk) -> list[PlannedCalls]:
    """What a scorer may ask its judge: one grade for every answer."""
    data = prepared.data
    rows = sum(data.rows(query.id) for query in data.queries)
    grades = rows * sum(teacher.samples for teacher in prepared.config.teachers)
    planned = []
    for judge in teachers_in(prepared.config.confidence_scorer):
        prices = [desk.worst_case_usd([request]) for request in _answers(prepared, judge)]
        price = None if None in prices else max(price for price in prices if price is not None)
        price = None if price and not data.bounded else price
        planned.append(
            PlannedCalls(
                teacher=judge.name,
                answers=0,
                rewrites_at_most=0,
                grades_at_most=grades,
                worst_case_usd=None if price is None else 2 * price * grades,  # a grade's prompt holds the answer, too
            )
        )
    return planned
