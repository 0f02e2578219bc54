"""What a run would do: its steps, on disk or to do, and the calls that they take."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel

from twt_core import pipeline, sampling
from twt_core.asking import Desk
from twt_core.components import Teacher, teachers_in
from twt_core.course import Outcome
from twt_core.data import Data
from twt_core.embedding import Embeddings
from twt_core.ledger import Ledger
from twt_core.metrics import UNTOUCHED
from twt_core.planned_grades import Passes, grades_at_most
from twt_core.progress import Progress
from twt_core.records import Request
from twt_core.run_plan import Plan
from twt_core.session import EMBEDDINGS, LEDGER, MODELS, Prepared, desk_for, prepare, spent_by
from twt_core.student.student import Student


class PlannedCalls(BaseModel):
    """Teacher calls that a run would make. Prices are worst cases in US dollars; None where one is not known."""

    teacher: str
    answers: int
    rewrites_at_most: int
    grades_at_most: int
    worst_case_usd: float | None


class PlannedStep(BaseModel):
    """One step, whether it is on disk, and the other run that it is taken from, which has it or makes it before."""

    step: str
    cached: bool
    shared_with: str | None = None

    @property
    def to_do(self) -> bool:
        """Whether this run has to make it."""
        return not self.cached and self.shared_with is None


class PlanSummary(BaseModel):
    """What `twt run` would do now."""

    name: str
    run: str
    steps: list[PlannedStep]
    calls: list[PlannedCalls]
    teacher_calls_at_most: int
    worst_case_usd: float | None
    budget_usd: float | None
    #: What the run has cost so far and holds in reserve, which the budget is held against, too.
    spent_usd: float
    #: What is to be said of the data: sets that are not downloaded, rows that are left out.
    notes: list[str]


def plan(
    config_path: Path, overrides: Sequence[str] = (), runs_dir: Path = Path("runs"), name: str | None = None
) -> PlanSummary:
    """What a run would do now, having changed nothing. What `twt plan` calls.

    Raises:
        InputError: anything wrong with the config or its data.
    """
    prepared = prepare(config_path, overrides, runs_dir, name, download=False)
    return plan_run(prepared, runs_dir, Plan(prepared.path), set())


def plan_run(prepared: Prepared, runs_dir: Path, steps: Plan, asked: set[str]) -> PlanSummary:
    """`plan`, of what is prepared.

    Args:
        prepared: the run.
        runs_dir: the folder of runs.
        steps: where its steps are looked for.
        asked: the keys of the answers that runs planned before this one ask for. Those of this one are added.
    """
    progress = Progress(quiet=True)
    with _ledger(runs_dir) as ledger:
        desk = desk_for(prepared, ledger, progress)
        student = Student(prepared.config.student, runs_dir / MODELS, prepared.config.seed, progress)
        embed = Embeddings(runs_dir / EMBEDDINGS, progress)  # opens nothing before it is used
        outcome = pipeline.follow(prepared.config, prepared.data, steps, desk, student, embed)
        calls = _planned_calls(prepared, steps, outcome, desk, asked)
        spent = spent_by([prepared.path.name], ledger)
    return PlanSummary(
        name=prepared.config.name,
        run=str(prepared.path),
        steps=[PlannedStep(step=one.name, cached=one.on_disk, shared_with=one.of) for one in steps.steps],
        calls=calls,
        teacher_calls_at_most=calls_at_most(calls),
        worst_case_usd=worst_case_usd(calls),
        budget_usd=prepared.config.budget_usd,
        spent_usd=round(spent, 6),
        notes=prepared.data.notes,
    )


def spent_usd(runs: Sequence[str], runs_dir: Path) -> float:
    """What runs have cost so far and hold in reserve, in US dollars."""
    with _ledger(runs_dir) as ledger:
        return round(spent_by(runs, ledger), 6)


@contextmanager
def _ledger(runs_dir: Path) -> Iterator[Ledger]:
    """The ledger of a folder of runs; an empty one elsewhere, where there is none yet."""
    file = runs_dir / LEDGER
    with TemporaryDirectory() as empty, closing(Ledger(file if file.exists() else Path(empty, LEDGER))) as ledger:
        yield ledger


def calls_at_most(calls: Sequence[PlannedCalls]) -> int:
    """All calls together."""
    return sum(row.answers + row.rewrites_at_most + row.grades_at_most for row in calls)


def worst_case_usd(calls: Sequence[PlannedCalls]) -> float | None:
    """What all calls together can cost; None where a price is not known."""
    prices = [row.worst_case_usd for row in calls]
    return None if None in prices else round(math.fsum(p for p in prices if p is not None), 6)


def _planned_calls(
    prepared: Prepared, steps: Plan, outcome: Outcome, desk: Desk, asked: set[str]
) -> list[PlannedCalls]:
    """Answers are counted exactly; of rewrites, at most one for each query, teacher and compressed stage.

    Rows that are not downloaded are counted as the config declares them.
    """
    config = prepared.config
    done = {one.name: one.on_disk or one.of is not None for one in steps.steps}
    compressed = [stage for stage in outcome.course.stages.values() if stage.rationale == "compressed"]
    to_make = [stage for stage in compressed if not done[f"{stage.name}-traces"]]
    rounds = sum(pipeline.compressor_of(config, stage).asks_teachers for stage in to_make)
    planned = []
    for teacher in config.teachers:
        own = _answers(prepared, teacher)
        answers = [] if done["annotations"] else desk.to_ask(own, asked)
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
    return by_teacher([*planned, *scorers, *_planned_grades_of_answers(prepared, done, outcome, desk)])


def by_teacher(planned: Sequence[PlannedCalls]) -> list[PlannedCalls]:
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


def _answers(prepared: Prepared, teacher: Teacher) -> list[Request]:
    return list(sampling.requests_for(prepared.data.queries, [teacher], prepared.config.task_evaluator))
