"""The whole method, top to bottom. Each step is made once, kept on disk, and made again only when its inputs change.

Unlabeled queries -> annotations -> scored -> kept -> selected (DCRS); then, stage by stage, what the student is taught,
the student that learned it, and how it does (HaRD).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from twt_core import contract, distillation, sampling
from twt_core.asking import Desk
from twt_core.config import RunConfig
from twt_core.data import Data
from twt_core.metrics import UNTOUCHED
from twt_core.records import Annotation, Prediction, Query, Stage, StudentAnswer, Trace
from twt_core.run import Artifact, Rows, Steps
from twt_core.student.student import Student


@dataclass
class Outcome:
    """The artifacts of a whole run. Stages are by name, in order, the untouched student first where it has a place."""

    kept: Rows[Annotation]
    selected: Rows[Annotation]
    traces: dict[str, Rows[Trace]] = field(default_factory=dict)
    adapters: dict[str, Artifact] = field(default_factory=dict)
    test: dict[str, Rows[Prediction]] = field(default_factory=dict)
    dev: dict[str, Rows[Prediction]] = field(default_factory=dict)


def follow(config: RunConfig, data: Data, steps: Steps, desk: Desk, student: Student) -> Outcome:
    """The method. `steps` decides whether a step is made, found on disk, or only looked for (a plan)."""
    task = config.task_evaluator
    queries = data.queries

    # Dual-Criteria Rejection Sampling (section 3.1)
    annotations = steps.rows(
        "annotations",
        Annotation,
        [],
        [task, *config.teachers, data.queries_digest],
        lambda: sampling.annotate(queries, config.teachers, task, desk),
    )
    scored = steps.rows(
        "scored",
        Annotation,
        [annotations],
        [config.confidence_scorer, task],
        lambda: sampling.score(annotations.read(), config.confidence_scorer, task),
    )
    kept = steps.rows(
        "kept",
        Annotation,
        [scored],
        [config.quality_filter],
        lambda: sampling.keep(scored.read(), config.quality_filter),
    )
    selected = steps.rows(
        "selected",
        Annotation,
        [kept],
        [config.diversity_selector],
        lambda: sampling.select(kept.read(), config.diversity_selector),
    )

    # Habitual Reasoning Distillation (section 3.2)
    outcome = Outcome(kept, selected)
    _score(UNTOUCHED, None, outcome, config, data, steps, student)
    traces = steps.rows("traces", Trace, [selected], [], lambda: distillation.full_traces(selected.read()))
    adapter: Artifact | None = None
    for stage in contract.stages(config.stage_scheduler):
        traces = _teach(stage, traces, adapter, config, data, steps, desk, student)
        adapter = _train(stage, traces, adapter, config, data, steps, student)
        outcome.traces[stage.name], outcome.adapters[stage.name] = traces, adapter
        _score(stage.name, adapter, outcome, config, data, steps, student)
    return outcome


def _teach(
    stage: Stage,
    traces: Rows[Trace],
    adapter: Artifact | None,
    config: RunConfig,
    data: Data,
    steps: Steps,
    desk: Desk,
    student: Student,
) -> Rows[Trace]:
    """What the student is taught in this stage: full, compressed or no rationales."""
    task, compressor = config.task_evaluator, config.compressor
    if stage.rationale == "full":
        return traces
    if stage.rationale == "none":
        return steps.rows(
            f"{stage.name}-traces", Trace, [traces], [], lambda: distillation.answer_only_traces(traces.read())
        )
    answers: Rows[StudentAnswer] | None = None
    if compressor.reads_student:
        answers = steps.rows(
            f"{stage.name}-student-answers",
            StudentAnswer,
            _present(traces, adapter),
            [task, student.answers_by, data.queries_digest],
            lambda: distillation.student_answers(data.by_id, traces.read(), student, _path(adapter), task),
        )
    return steps.rows(
        f"{stage.name}-traces",
        Trace,
        _present(traces, answers),
        [compressor, task, *config.teachers],
        lambda: distillation.compressed_traces(
            data.by_id, traces.read(), answers.read() if answers else [], compressor, task, desk
        ),
    )


def _train(
    stage: Stage,
    traces: Rows[Trace],
    adapter: Artifact | None,
    config: RunConfig,
    data: Data,
    steps: Steps,
    student: Student,
) -> Artifact:
    """The student after this stage: the last one's adapter, trained on."""
    task = config.task_evaluator
    return steps.folder(
        f"{stage.name}-student",
        _present(traces, adapter),
        [task, student.trained_by, data.queries_digest, stage.model_dump()],
        lambda folder: student.train(
            _path(adapter), distillation.targets(data.by_id, traces.read(), task), stage, folder
        ),
    )


def _score(
    name: str, adapter: Artifact | None, outcome: Outcome, config: RunConfig, data: Data, steps: Steps, student: Student
) -> None:
    """How the student does on the test queries, and on the dev queries if there are any."""
    task = config.task_evaluator

    def scores(kind: str, queries: list[Query]) -> Rows[Prediction]:
        return steps.rows(
            f"{name}-{kind}-scores",
            Prediction,
            _present(adapter),
            [task, student.answers_by, data.digest_of(queries)],
            lambda: distillation.evaluate(queries, student, _path(adapter), task),
        )

    outcome.test[name] = scores("test", data.test)
    if data.dev:
        outcome.dev[name] = scores("dev", data.dev)


def _present(*artifacts: Artifact | None) -> list[Artifact]:
    return [artifact for artifact in artifacts if artifact is not None]


def _path(adapter: Artifact | None) -> Path | None:
    return adapter.path if adapter else None
