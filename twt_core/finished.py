"""A run folder from outside: how far it is, its summary, its student."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

from twt_core import contract
from twt_core.accounting import ACCOUNTING, AnnotationCounts
from twt_core.distillation import asked_with
from twt_core.errors import InputError
from twt_core.metrics import UNTOUCHED
from twt_core.missing_runs import no_run_folder
from twt_core.progress import Progress
from twt_core.progress_file import LiveProgress, read_progress
from twt_core.recipe import RECIPE, Recipe
from twt_core.records import Query
from twt_core.run import MANIFEST, SUMMARY, Manifest
from twt_core.session import MODELS
from twt_core.student.config import StudentConfig
from twt_core.student.student import Student
from twt_core.suggest import did_you_mean
from twt_core.summary import Summary


class StepState(BaseModel):
    """One step's folder. `seconds` is what making it took; None while it is not whole."""

    step: str
    seconds: float | None


class Status(BaseModel):
    """The steps of a run folder in order, where its rows are, and the summary once the run is finished.

    `live` is what the process that works on it, or was the last to, told of it; None where nothing is known.
    """

    steps: list[StepState]
    sampling: AnnotationCounts | None
    summary: Summary | None
    live: LiveProgress | None


class Answer(BaseModel):
    """A student's answer. `label` is what the task reads out of the text; None when there is no answer in it."""

    stage: str
    text: str
    label: str | None
    output_tokens: int
    seconds: float


def _folder(run: Path) -> Path:
    if not (run / RECIPE).is_file():
        raise no_run_folder(run)
    return run


def recipe(run: Path) -> Recipe:
    """The settings that a run folder was last run with.

    Raises:
        InputError: it is no run folder, or they cannot be used.
    """
    file = _folder(run) / RECIPE
    try:
        found = Recipe.model_validate_json(file.read_text(encoding="utf-8"))
        StudentConfig.model_validate(found.student)
        found.task()
    except ValueError as error:  # no JSON, no UTF-8, or no settings of what is installed
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise InputError(
            f"{file}: cannot be used: {problem.removeprefix('Value error, ')}. If it is damaged, remove it and run "
            "`twt run` again: what is on disk is not made again"
        ) from None
    return found


def summary(run: Path) -> Summary:
    """The summary of a finished run.

    Raises:
        InputError: it is no run folder, or its run has not come to its end.
    """
    file = _folder(run) / SUMMARY
    if not file.is_file():
        raise InputError(f"{run}: its run is not finished. Go on with it by the `twt run` or `twt bench` that began it")
    try:
        return Summary.model_validate_json(file.read_text(encoding="utf-8"))
    except ValidationError:
        raise InputError(
            f"{file}: written by another version of TwT. Run `twt run` again: what is on disk is not made again"
        ) from None


def status(run: Path) -> Status:
    """How far a run is.

    Raises:
        InputError: it is no run folder.
    """
    rows = _folder(run) / ACCOUNTING
    return Status(
        steps=step_states(run),
        sampling=AnnotationCounts.model_validate_json(rows.read_text(encoding="utf-8")) if rows.is_file() else None,
        summary=summary(run) if (run / SUMMARY).is_file() else None,
        live=read_progress(run),
    )


def step_states(run: Path) -> list[StepState]:
    """The steps that a folder holds, in order, whole or not."""
    found = {path: path.name.partition("-")[0] for path in run.glob("[0-9][0-9]*-*") if path.is_dir()}
    numbers = {path: int(number) for path, number in found.items() if number.isdecimal()}
    return [_state(path) for path in sorted(numbers, key=lambda path: (numbers[path], path.name))]


def _state(step: Path) -> StepState:
    try:
        manifest = Manifest.model_validate_json((step / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return StepState(step=step.name, seconds=None)
    return StepState(step=step.name, seconds=manifest.seconds)


def chosen_stage(run: Path, stage: str | None) -> str:
    """The stage asked for, or the recommended one.

    Raises:
        InputError: no such stage.
    """
    found = summary(run)
    names = [score.name for score in found.stages]
    if stage is not None and stage not in names:
        raise InputError(f"{run}: no stage is called {stage!r}. {did_you_mean(stage, names)}")
    return stage or found.recommended_stage


def adapter_of(run: Path, stage: str) -> Path | None:
    """A stage's adapter folder; None for the untouched student."""
    return None if stage == UNTOUCHED else run / summary(run).adapters[stage]


def student_of(run: Path, progress: Progress) -> Student:
    """The run's student."""
    found = recipe(run)
    config = StudentConfig.model_validate(found.student)
    return Student(config, run.resolve().parent / MODELS, found.seed, progress)


def answer(
    run: Path,
    question: str,
    stage: str | None = None,
    choices: tuple[str, ...] | None = None,
    tests: tuple[str, ...] | None = None,
    task_name: str | None = None,
) -> Answer:
    """Ask a run's student.

    Args:
        run: the run folder.
        question: what to ask.
        stage: whose student; the recommended stage's by default.
        choices: the answers to choose from, where the task has them.
        tests: the tests that the answer is to pass, where the task has them.
        task_name: which of its tasks it is, in a run of several.

    Raises:
        InputError: no finished run, no such stage, an empty question, or one that the task cannot use.
    """
    if not question.strip():
        raise InputError("the question is empty")
    name = chosen_stage(run, stage)
    task = recipe(run).task()
    if task.task_names and task_name is None:
        raise InputError(f"the question names no task: give --task, one of {', '.join(task.task_names)}")
    query = Query(id="question", query=question, choices=choices, tests=tests, task=task_name)
    try:
        contract.check_query(task, query)
    except ValueError as error:
        raise InputError(f"this run's task cannot use the question: {error}") from error
    student = student_of(run, Progress(quiet=True))
    prompt = asked_with(summary(run).asked_with(name), query, task)
    [made] = student.answer(
        adapter_of(run, name), [(query.id, prompt)], lambda text, _: contract.answered(task, text, query)
    )
    return Answer(
        stage=name,
        text=made.text,
        label=contract.read(task, made.text, query).label,
        output_tokens=made.tokens,
        seconds=made.seconds,
    )
