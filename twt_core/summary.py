"""What a run came to: `summary.json`, made from what is on disk."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TypeAlias

from pydantic import BaseModel

from twt_core import contract
from twt_core.accounting import AnnotationCounts, count
from twt_core.calibration import CalibrationFigures, TeacherCalibration, calibrate
from twt_core.comparisons import Comparison, compare_all
from twt_core.components import Context, Teacher, compared
from twt_core.config import RunConfig
from twt_core.course import Course, Outcome
from twt_core.data import Data
from twt_core.ledger import Ledger, Spending
from twt_core.metrics import StageScore, score_stages, score_tasks
from twt_core.rationale_steps import steps, words
from twt_core.recommendation import Recommendation, recommend
from twt_core.records import Annotation, Answered, Prediction, Stage, Trace
from twt_core.style import style_distance
from twt_core.versions import versions_of

#: Whether the labels of annotations are right, by their keys.
Right: TypeAlias = dict[tuple[str, str, int], bool]

_LIBRARIES = ("torch", "transformers", "peft", "accelerate", "sentence-transformers", "litellm", "pydantic", "pluggy")


class CompressionCounts(BaseModel):
    """What a compressed stage did to the rationales it was given: means over all, and why originals were kept.

    A step is a sentence, a line, or a line of code. The style distances (`twt_core.style`, from 0 to 1) are those
    between the rationales before or after and the student's own, over the queries on which the student wrote one; None
    when it was not asked or wrote none.
    """

    compressor: str
    rationales: int
    mean_words_before: float
    mean_words_after: float
    mean_steps_before: float
    mean_steps_after: float
    style_distance_before: float | None
    style_distance_after: float | None
    kept_original: dict[str, int]


class TeacherCounts(BaseModel):
    """What a teacher gave and cost. `label_accuracy` is there when the queries have answers; the method saw none."""

    name: str
    calls: int
    cost_usd: float
    kept: int
    selected: int
    label_accuracy: float | None
    kept_label_accuracy: float | None
    #: Whether its answers are made up, for benchmarks.
    simulated: bool


class Summary(BaseModel):
    """The numbers of a run. Costs are in US dollars and count calls that may have been billed at their worst case."""

    name: str
    #: On the test queries, the untouched student first.
    stages: list[StageScore]
    #: The same for each of a mixture's tasks; empty where there is one task.
    tasks: dict[str, list[StageScore]]
    #: Every stage against the untouched student and against the first stage, their p corrected together.
    comparisons: list[Comparison]
    #: Answers to test queries, of all stages, that are neither right nor wrong; `StageScore.ungraded` says why.
    ungraded: int
    #: Whether a program of a model ran without walls for a grade.
    unsandboxed_code: bool
    recommended_stage: str
    recommended_because: str
    recommended_on: str
    annotations: AnnotationCounts
    compression: dict[str, CompressionCounts]
    teachers: list[TeacherCounts]
    teacher_calls: int
    cost_usd: float
    #: (teacher, query id) of each call whose reply never came, and their worst-case price, which `cost_usd` holds, too.
    maybe_billed: list[tuple[str, str]]
    maybe_billed_usd: float
    seed: int
    #: What the teachers' confidences are worth; empty when no query has an answer. `CALIBRATION` has all of it.
    calibration: list[CalibrationFigures]
    versions: dict[str, str]
    #: Each stage's adapter, as a folder name inside the run; the untouched student has none.
    adapters: dict[str, str]
    #: Each stage's training traces, likewise.
    trace_steps: dict[str, str]
    #: The stages as they were trained, in order.
    schedule: list[Stage]

    def asked_with(self, stage: str) -> str:
        """What stands before a question when the student of a stage is asked; nothing for the untouched one."""
        return next((one.asked_with for one in self.schedule if one.name == stage), "")


def summarise(config: RunConfig, data: Data, outcome: Outcome, ledger: Ledger, run: str, right: Right) -> Summary:
    """All numbers of a finished run; `right` is what `grades_of` gives for its annotations."""
    test = {name: rows.read() for name, rows in outcome.test.items()}
    dev = {name: rows.read() for name, rows in outcome.dev.items()}
    stages = score_stages(test, config.evaluation)
    recommendation = _recommendation(test, dev)
    spending = {row.teacher: row for row in ledger.spending(run)}
    annotations, selected = outcome.kept.read(), outcome.selected.read()
    return Summary(
        name=config.name,
        stages=stages,
        tasks=score_tasks(test, config.evaluation),
        comparisons=compare_all(test, list(test)[:2]),
        ungraded=sum(stage.answers - stage.graded for stage in stages),
        unsandboxed_code=any(p.unsandboxed for p in [*chain(*test.values()), *chain(*dev.values())]),
        recommended_stage=recommendation.stage,
        recommended_because=recommendation.why,
        recommended_on="dev_queries" if dev else "test_queries",
        annotations=count(
            len(annotations), len(data.queries), annotations, judged=True, selected=len(selected)
        ),
        compression=_compression(config, data, outcome.course),
        teachers=[
            _teacher(t, spending.get(t.name), annotations, selected, right) for t in config.teachers
        ],
        teacher_calls=sum(row.calls for row in spending.values()),
        cost_usd=round(sum(row.cost_usd + row.reserved_usd for row in spending.values()), 6),
        maybe_billed=ledger.maybe_billed(run),
        maybe_billed_usd=round(sum(row.reserved_usd for row in spending.values()), 6),
        seed=config.seed,
        calibration=[CalibrationFigures.model_validate(row.model_dump()) for row in calibrations(annotations, right)],
        versions=versions_of(config, _LIBRARIES),
        adapters={name: adapter.path.name for name, adapter in outcome.course.adapters.items()},
        trace_steps={name: rows.path.name for name, rows in outcome.course.traces.items()},
        schedule=list(outcome.course.stages.values()),
    )  # fmt: skip


def _recommendation(test: dict[str, list[Prediction]], dev: dict[str, list[Prediction]]) -> Recommendation:
    if dev:
        return recommend(dev, "dev_queries")
    found = recommend(test, "test_queries")
    return Recommendation(found.stage, f"{found.why} No dev_queries are given, so the test set chose the stage.")


def _teacher(
    teacher: Teacher, spent: Spending | None, annotations: list[Annotation], selected: list[Annotation],
    right: Right,
) -> TeacherCounts:  # fmt: skip
    own = [a for a in annotations if a.teacher == teacher.name and a.failure is None]
    kept = [a for a in own if a.rejection is None]
    return TeacherCounts(
        name=teacher.name,
        calls=spent.calls if spent else 0,
        cost_usd=round(spent.cost_usd, 6) if spent else 0.0,
        kept=len(kept),
        selected=sum(a.teacher == teacher.name for a in selected),
        label_accuracy=_accuracy(own, right),
        kept_label_accuracy=_accuracy(kept, right),
        simulated=teacher.simulated,
    )


def calibrations(annotations: list[Annotation], right: Right) -> list[TeacherCalibration]:
    """What each teacher's confidences are worth; nothing where no answer is known."""
    return calibrate(annotations, right) if right else []


def grades_of(annotations: list[Annotation], context: Context, data: Data) -> Right:
    """Whether labels are right, by annotation, where the queries have answers; the method saw none of them."""
    known = [a for a in annotations if a.label is not None and data.by_id[a.query_id].answers]
    of_judges = [a for a in known if context.task.of(data.by_id[a.query_id]).asks_teachers]
    others = [a for a in known if not context.task.of(data.by_id[a.query_id]).asks_teachers]
    grades = compared(context.task, _answered(of_judges, data))  # no judge is asked about what teachers say
    grades += contract.grade(context.task, _answered(others, data), context) if others else []
    rows = zip([*of_judges, *others], grades, strict=True)
    return {a.key: one.correct for a, one in rows if one.correct is not None}


def _answered(annotations: list[Annotation], data: Data) -> list[Answered]:
    return [Answered(query=data.by_id[a.query_id], text=a.text, label=a.label) for a in annotations]


def _accuracy(annotations: list[Annotation], right: Right) -> float | None:
    found = [right[a.key] for a in annotations if a.key in right]
    return round(sum(found) / len(found), 4) if found else None


def _compression(config: RunConfig, data: Data, course: Course) -> dict[str, CompressionCounts]:
    compressed = [stage for stage in course.stages.values() if stage.rationale == "compressed"]
    return {stage.name: _compressed(stage, config, data, course) for stage in compressed}


def _compressed(stage: Stage, config: RunConfig, data: Data, course: Course) -> CompressionCounts:
    before, after = course.rationales_for(stage).read(), course.traces[stage.name].read()
    own = _students_own(stage, config, data, course)
    return CompressionCounts(
        compressor=config.compressor.use if stage.compressor is None else str(stage.compressor["use"]),
        rationales=len(after),
        mean_words_before=_mean([len(words(text)) for text in _rationales(before)]),
        mean_words_after=_mean([len(words(text)) for text in _rationales(after)]),
        mean_steps_before=_mean([len(steps(text)) for text in _rationales(before)]),
        mean_steps_after=_mean([len(steps(text)) for text in _rationales(after)]),
        style_distance_before=_distance(before, own),
        style_distance_after=_distance(after, own),
        kept_original=dict(sorted(Counter(t.kept_original for t in after if t.kept_original).items())),
    )


def _students_own(stage: Stage, config: RunConfig, data: Data, course: Course) -> dict[str, str]:
    """The rationales that the student wrote before a stage, by query."""
    answers = course.answers[stage.name].read() if stage.name in course.answers else []
    read = {a.query_id: config.task_evaluator.read(a.text, data.unlabeled[a.query_id]).rationale for a in answers}
    return {query_id: rationale for query_id, rationale in read.items() if rationale.strip()}


def _distance(traces: list[Trace], own: dict[str, str]) -> float | None:
    beside = _rationales([trace for trace in traces if trace.query_id in own])
    distance = style_distance(beside, list(own.values()))
    return None if distance is None else round(distance, 4)


def _rationales(traces: list[Trace]) -> list[str]:
    return [trace.rationale or "" for trace in traces]


def _mean(counts: list[int]) -> float:
    return round(sum(counts) / max(1, len(counts)), 2)
