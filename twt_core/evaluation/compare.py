"""`twt compare`: models on the same questions, from what evaluations and runs left on disk."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel

from twt_core import finished, terminal
from twt_core.comparisons import Comparison, compare_all, on_shared_questions
from twt_core.errors import InputError, TwtError
from twt_core.evaluation.config import EvaluationConfig
from twt_core.evaluation.folder import IDENTITY, RESULT
from twt_core.evaluation.grades import read_predictions
from twt_core.evaluation.result import Evaluation
from twt_core.metrics import StageScore, score_stage, score_stages
from twt_core.progress import Progress
from twt_core.recipe import RECIPE
from twt_core.records import Prediction
from twt_core.run import Artifact, Rows, Run

_STEP = "-test-scores"
_RUNS = Path("runs")


class Compared(BaseModel):
    """Models on the same questions.

    Attributes:
        models: each one's numbers, in the order given.
        tasks: the same for each of a mixture's tasks.
        comparisons: every pair, the p-values corrected together.
        notes: what is to be known besides.
    """

    models: list[StageScore]
    tasks: dict[str, list[StageScore]]
    comparisons: list[Comparison]
    notes: list[str]


@dataclass(frozen=True)
class Answers:
    """One model's answers: how they were measured, and what is to be said of them.

    `given` names them in any case, and `name` is short.
    """

    given: str
    name: str
    predictions: list[Prediction]
    measured: EvaluationConfig = field(default_factory=EvaluationConfig)
    notes: tuple[str, ...] = ()


def compare(names: Sequence[str], *, shared: bool = False) -> Compared:
    """Compare what is on disk.

    Args:
        names: an evaluation's folder, a run's (its recommended stage), or ``RUN:STAGE``. One run alone: all its stages.
        shared: whether only the questions that all were asked count; else they must be the same.

    Raises:
        InputError: nothing to compare, one that is not there or not finished, or other questions.
        TwtError: files are damaged.
    """
    answers = _named([_answers(name) for name in names] if len(names) > 1 else _stages(Path(names[0])))
    models = {one.name: one.predictions for one in answers}
    notes = [f"{one.name}: {note}" for one in answers for note in one.notes]
    if shared:
        asked = {one.name: len(_questions(one.predictions)) for one in answers}
        models = on_shared_questions(models)
        common = len(_questions(models[answers[0].name]))
        left = ", ".join(f"{name} {count}" for name, count in asked.items())
        notes.append(f"only the {common} questions that all were asked count; there are: {left}")
        if not common:
            raise InputError(f"no question was asked of all: {left}. Evaluate them on one file: twt evaluate --queries")
    compared = _compared(models)
    notes += [_left_out(one) for one in compared if one.graded < one.questions]
    measured = {one.name: one.measured for one in answers}
    return Compared(
        models=_scores(models, measured),
        tasks={task: _scores(rows, measured) for task, rows in _by_task(models).items()},
        comparisons=compared,
        notes=notes,
    )


def _left_out(one: Comparison) -> str:
    return (
        f"{one.first} and {one.second}: {one.graded} of {one.questions} questions are graded for both; "
        "the others count for the tokens alone"
    )


def _compared(models: dict[str, list[Prediction]]) -> list[Comparison]:
    try:
        return compare_all(models)
    except InputError as error:
        if len({frozenset(_questions(rows)) for rows in models.values()}) == 1:
            raise
        raise InputError(f"{error}: --shared") from None


def _scores(models: dict[str, list[Prediction]], measured: dict[str, EvaluationConfig]) -> list[StageScore]:
    """Each one's numbers, with its own prices and k of pass@k."""
    return [
        score_stage(one.name, models[one.name], measured[one.name]).model_copy(
            update=one.model_dump(include={"on_frontier", "tokens_saved_vs_untouched", "tokens_saved_vs_first_stage"})
        )
        for one in score_stages(models)
    ]


def _by_task(models: dict[str, list[Prediction]]) -> dict[str, dict[str, list[Prediction]]]:
    """The predictions of each task that every model was asked in."""
    tasks = dict.fromkeys(row.task for rows in models.values() for row in rows if row.task is not None)
    found = {task: {name: [row for row in rows if row.task == task] for name, rows in models.items()} for task in tasks}
    return {task: rows for task, rows in found.items() if all(rows.values())}


def _questions(rows: Sequence[Prediction]) -> set[tuple[str, str]]:
    return {(row.query_id, row.question) for row in rows}


def _named(answers: Sequence[Answers]) -> list[Answers]:
    if len(answers) < 2:
        raise InputError("nothing to compare it with: name two evaluations or stages, or a run that has several")
    places = [os.path.realpath(one.given) for one in answers]
    if twice := [one.given for one, place in zip(answers, places, strict=True) if places.count(place) > 1]:
        raise InputError(f"{twice[-1]} is given twice: name different evaluations or stages")
    if len({one.name for one in answers}) < len(answers):
        return [replace(one, name=one.given) for one in answers]
    return list(answers)


def _answers(name: str) -> Answers:
    """What an argument names."""
    path, stage = Path(name), None
    if not path.exists() and ":" in name:
        before, _, stage = name.rpartition(":")
        path = Path(before)
    if stage is None and ((path / RESULT).is_file() or (path / IDENTITY).is_file()):
        return _of_evaluation(path)
    if not (path / RECIPE).is_file():
        known = (_RUNS / path / RECIPE).is_file()
        way_out = f'Did you mean "{_RUNS / name}"?' if known else "Make one: twt evaluate MODEL --queries FILE"
        raise InputError(f"{name}: no evaluation's folder, and no run's. {way_out}")
    stage = finished.chosen_stage(path, stage)
    return _of_stage(f"{path.resolve().name}:{stage}", path, stage)


def _stages(run: Path) -> list[Answers]:
    if not (run / RECIPE).is_file():
        raise InputError(f"{run}: name two or more to compare; of one run folder alone, the stages are compared")
    return [_of_stage(score.name, run, score.name) for score in finished.summary(run).stages]


def _of_stage(name: str, run: Path, stage: str) -> Answers:
    found = [path for path in run.glob(f"*{_STEP}") if re.fullmatch(rf"\d+-{stage}{_STEP}", path.name)]
    if len(found) != 1:
        raise InputError(f"{run}: the answers of stage {stage} are not there. Run `twt run` again, which makes them")
    Run(run, Progress(quiet=True)).verify(Artifact(found[0], None))
    config = finished.recipe(run).identity.get("evaluation")
    measured = EvaluationConfig.model_validate(config if isinstance(config, dict) else {})
    rows = Rows(found[0], None, Prediction).read()
    return Answers(terminal.plain(f"{run}:{stage}"), terminal.plain(name), _printable(rows), measured)


def _of_evaluation(folder: Path) -> Answers:
    file = folder / RESULT
    if not file.is_file():
        raise InputError(f"{folder}: this evaluation is not finished. Go on with it by the same twt evaluate")
    try:
        found = Evaluation.model_validate_json(file.read_text(encoding="utf-8"))
        measured = EvaluationConfig.model_validate(found.settings.get("evaluation", {}))
    except ValueError:  # no JSON, no UTF-8, or no evaluation
        raise InputError(
            f"{file}: damaged, or of another version of TwT. The same twt evaluate writes it anew"
        ) from None
    rows = read_predictions(folder)
    if len(rows) != found.score.answers:
        raise TwtError(f"{folder}: {len(rows)} of {found.score.answers} predictions are there: twt evaluate mends it")
    given, name = terminal.plain(str(folder)), terminal.plain(folder.resolve().name)
    return Answers(given, name, _printable(rows), measured, tuple(map(terminal.plain, found.notes())))


def _printable(rows: list[Prediction]) -> list[Prediction]:
    """Rows whose words may be shown: a file that somebody hands on may hold what moves a terminal's cursor."""
    return [row.model_copy(update=_plain_words(row)) for row in rows]


def _plain_words(row: Prediction) -> dict[str, str | None]:
    words = {"verdict": row.verdict, "graded_by": row.graded_by, "task": row.task}
    return {name: terminal.plain(word) if word else word for name, word in words.items()}
