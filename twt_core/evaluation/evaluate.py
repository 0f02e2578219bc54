"""`twt evaluate`: a model's answers to questions, graded and scored, in a folder of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from twt_core import contract
from twt_core.asking import Desk
from twt_core.components import Context
from twt_core.distillation import asked_with
from twt_core.embedding import Embeddings
from twt_core.errors import InputError, TwtError
from twt_core.evaluation.folder import EVALUATIONS, RESULT, Text, open_folder
from twt_core.evaluation.grades import grade_texts
from twt_core.evaluation.identity import identity_of
from twt_core.evaluation.result import LIBRARIES, Evaluation, folder_of
from twt_core.evaluation.settings import EvaluationSettings, read_settings
from twt_core.evaluation.subjects import Subject, find_subject
from twt_core.evaluation.texts import (
    all_asked,
    put_in_order,
    read_texts,
    student_of,
    write_with_server,
    write_with_student,
)
from twt_core.ledger import Ledger, Spending
from twt_core.metrics import score_stage, score_tasks
from twt_core.models import find_model
from twt_core.progress import Progress
from twt_core.records import Completion, Failed, Prediction, Query, Request
from twt_core.rows import Naming, read_queries, shared_queries
from twt_core.run import write_whole
from twt_core.session import EMBEDDINGS, LEDGER
from twt_core.settings import file_digest
from twt_core.versions import versions_of

_MOST_NAMED = 5


@dataclass(frozen=True)
class Wanted:
    """What a command line of `twt evaluate` asks for.

    Attributes:
        subject: a run, a model, or the name that a server knows a model by.
        queries: a JSONL file of questions with answers.
        stage: of a run; the recommended one by default.
        task: an evaluator's name, or a YAML file with one; a run's own by default.
        base_url: the server's address.
        teacher: the registered teacher that asks the server.
        overrides: ``KEY=VALUE`` texts.
        query_task: which of a mixture's tasks all rows are, where they do not say so themselves.
        limit: only so many questions, from the first on.
        allow_seen: whether questions that the run was distilled from may be asked.
        regrade: whether texts that are there are graded anew.
        budget_usd: the most that a server and judges may cost; None is unlimited.
        runs: the project's folder of runs, with the ledger.
        out: the evaluation's folder; one in ``evaluations`` by default.
    """

    subject: str
    queries: Path
    stage: str | None = None
    task: str | None = None
    base_url: str | None = None
    teacher: str | None = None
    overrides: Sequence[str] = ()
    query_task: str | None = None
    limit: int | None = None
    allow_seen: bool = False
    regrade: bool = False
    budget_usd: float | None = None
    runs: Path = Path("runs")
    out: Path | None = None


@dataclass(frozen=True)
class Work:
    """An evaluation that was checked and can begin."""

    wanted: Wanted
    subject: Subject
    settings: EvaluationSettings
    queries: list[Query]
    trained_on: int
    progress: Progress

    @property
    def folder(self) -> Path:
        """Where it is done."""
        return self.wanted.out or EVALUATIONS / folder_of(self.subject.label, self.wanted.queries)

    @property
    def account(self) -> str:
        """What its calls are counted under in the ledger: its folder as seen from the ledger's."""
        return f"evaluation {os.path.relpath(self.folder.resolve(), self.wanted.runs.resolve())}"


def evaluate(wanted: Wanted, progress: Progress | None = None) -> Evaluation:
    """Do, or go on with, an evaluation: what is on disk is neither generated nor graded again.

    Args:
        wanted: what is asked for.
        progress: told how the work goes.

    Raises:
        InputError: bad input, found before a model is loaded or a server asked.
        BudgetExceeded: the budget would be passed.
        TwtError: the work failed; the same call goes on from there.
    """
    work = prepare(wanted, progress or Progress())
    student = None
    if work.settings.student is not None:
        student = student_of(work.subject, work.settings, work.progress, work.settings.seed)
        student.check()
        student.preflight()
    with _desk(work) as desk:
        if desk is not None:
            desk.preflight(work.queries)
            _check_prices(work, desk)
        identity = identity_of(work.subject, work.settings, work.queries, student)
        with open_folder(work.folder, identity, work.progress, regrade=wanted.regrade) as folder:
            return _finish(work, folder, desk)


def prepare(wanted: Wanted, progress: Progress) -> Work:
    """Read and check all that a command line names.

    Raises:
        InputError: anything wrong with it.
    """
    subject = find_subject(wanted.subject, wanted.stage, wanted.runs, wanted.base_url, wanted.teacher)
    settings = read_settings(subject.says, wanted.task, wanted.overrides)
    work = Work(wanted, subject, settings, [], 0, progress)
    _check_options(work)
    queries = read_queries(wanted.queries, settings.task, Naming(wanted.query_task))[: wanted.limit]
    if not any(contract.gradable(settings.task, query) for query in queries):
        raise InputError(f'{wanted.queries}: no row has an "answer", so nothing can be measured')
    seen = shared_queries(subject.trained_on, queries)
    if seen and not wanted.allow_seen:
        named = ", ".join(f"{theirs.id} (= {ours.id})" for ours, theirs in seen[:_MOST_NAMED])
        more = f" and {len(seen) - _MOST_NAMED} more" if len(seen) > _MOST_NAMED else ""
        raise InputError(
            f"{wanted.queries}: {wanted.subject} was distilled from {len(seen)} of its queries: {named}{more}. "
            "Remove them, or give --allow-seen, which marks the result"
        )
    return replace(work, queries=queries, trained_on=len(seen))


def _check_options(work: Work) -> None:
    """Refuse options that each are right and do not go together."""
    wanted, settings = work.wanted, work.settings
    if wanted.budget_usd is not None and not wanted.budget_usd > 0:  # nor NaN, which nothing would pass
        raise InputError(f"--budget-usd {wanted.budget_usd}: must be greater than 0; without it there is no limit")
    if wanted.query_task is not None and not settings.task.task_names:
        raise InputError(f"--query-task {wanted.query_task}: {settings.task.use} is no mixture of tasks: leave it out")
    if settings.student is None:
        return
    model = settings.student.model
    if work.subject.kind == "model" and {"model": model} != work.subject.says["student"]:
        raise InputError(f"--set student.model={model}: the model is {work.subject.name}; it is set for an adapter")
    base = find_model(model)
    if isinstance(base, Path) and work.folder.resolve().is_relative_to(base.resolve()):
        # Its files are the model's identity: with the evaluation among them, it would be another model's.
        raise InputError(f"{work.folder}: lies in the model's own folder, and would change it. Give another --out")


@contextmanager
def _desk(work: Work) -> Iterator[Desk | None]:
    """Where a server and judges are asked; None, and no ledger, where the evaluation has neither."""
    settings, wanted = work.settings, work.wanted
    served = [settings.served] if settings.served is not None else []
    if not served and not settings.judges:
        yield None
        return
    with closing(Ledger(wanted.runs / LEDGER)) as ledger:
        yield Desk(ledger, served, work.account, wanted.budget_usd, work.progress, settings.judges)


def _check_prices(work: Work, desk: Desk) -> None:
    if work.wanted.budget_usd is None:
        return
    settings, query = work.settings, work.queries[0]
    messages = tuple(asked_with(settings.prefix, query, settings.task))
    for teacher in [*([settings.served] if settings.served else []), *settings.judges]:
        request = Request(query_id=query.id, teacher=teacher.name, purpose="answer", messages=messages)
        if desk.worst_case_usd([request]) is None:
            raise InputError(
                f"--budget-usd: the price of {teacher.name!r} is not known, so no budget can be kept. Give it its "
                "input_usd_per_million and output_usd_per_million (0 for a server of your own)"
            )


def _finish(work: Work, folder: Path, desk: Desk | None) -> Evaluation:
    texts, new_texts, missing = _texts(work, folder, desk)
    if not texts:
        causes = "; ".join(f"{count} x {cause}" for cause, count in missing.items())
        raise TwtError(f"{work.subject.name} answered nothing: {causes}. Mend it and run the same command again")
    ask = desk.ask if desk is not None else _nobody
    by_id = {query.id: query for query in work.queries}
    unlabeled = {name: query.unlabeled() for name, query in by_id.items()}
    context = Context(work.settings.task, unlabeled, ask, Embeddings(work.wanted.runs / EMBEDDINGS, work.progress))
    predictions, new_grades = grade_texts(folder, texts, by_id, context, work.progress)
    if not new_texts and not new_grades:
        work.progress.say(f"nothing to do: all {len(texts)} answers are in {folder}")
    result = _result(work, folder, texts, predictions, missing)
    write_whole(folder / RESULT, result.model_dump_json(indent=2) + "\n")
    return result


def _texts(work: Work, folder: Path, desk: Desk | None) -> tuple[list[Text], int, dict[str, int]]:
    """All texts in order, how many of them are new, and how many there are not, by cause."""
    asked = all_asked(work.queries, work.settings.evaluation.samples)
    there = read_texts(folder)
    known = {(text.query_id, text.sample) for text in there}
    todo, missing = [one for one in asked if one.key not in known], {}
    if there and todo:
        work.progress.say(f"{folder}: {len(there)} of {len(asked)} answers are on disk")
    if todo and work.settings.served is not None and desk is not None:
        missing = write_with_server(folder, todo, work.settings, work.settings.served, desk)
    elif todo:
        write_with_student(folder, todo, len(there), work.settings, work.subject, work.progress)
    return put_in_order(folder, read_texts(folder) if todo else there, asked), len(todo), missing


def _nobody(_: Sequence[Request]) -> list[Completion | Failed]:
    raise InputError("the task asks a teacher that is not among its options")


def _result(
    work: Work, folder: Path, texts: Sequence[Text], predictions: Sequence[Prediction], missing: dict[str, int]
) -> Evaluation:
    settings, subject = work.settings, work.subject
    spent = _spent(work)
    return Evaluation(
        subject=subject.name,
        kind=subject.kind,
        stage=subject.stage,
        folder=str(folder),
        queries=str(work.wanted.queries),
        queries_sha256=file_digest(work.wanted.queries),
        questions=len(work.queries),
        trained_on=work.trained_on,
        missing=missing,
        tokens_counted_by="tokenizer" if settings.served is None else "server",
        tokens_unknown=sum(not text.counted for text in texts),
        settings=settings.model_dump(mode="json", serialize_as_any=True),
        task=settings.task.identity(),
        cost_usd=round(sum(row.cost_usd + row.reserved_usd for row in spent), 6),
        teacher_calls=sum(row.calls for row in spent),
        versions=versions_of(settings, LIBRARIES),
        score=score_stage(subject.label, predictions, settings.evaluation),
        tasks={
            name: score
            for name, [score] in score_tasks({subject.label: predictions}, settings.evaluation).items()
        },
    )  # fmt: skip


def _spent(work: Work) -> list[Spending]:
    if work.settings.served is None and not work.settings.judges:
        return []
    with closing(Ledger(work.wanted.runs / LEDGER)) as ledger:
        return ledger.spending(work.account)
