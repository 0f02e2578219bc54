"""The whole method, top to bottom. Each step is made once, kept on disk, and made again only when its inputs change.

Unlabeled queries -> annotations -> scored -> kept -> selected (DCRS); then, stage by stage, what the student is taught,
the student that learned it, and how it does (HaRD).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from twt_core import contract, distillation, sampling
from twt_core.asking import Desk
from twt_core.components import Context, Embed, TaskEvaluator
from twt_core.config import RunConfig
from twt_core.data import Data
from twt_core.metrics import UNTOUCHED
from twt_core.records import Annotation, Prediction, Query, Stage, StudentAnswer, Trace
from twt_core.run import Artifact, Rows, Steps
from twt_core.settings import Json, Settings
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


def follow(config: RunConfig, data: Data, steps: Steps, desk: Desk, student: Student, embed: Embed) -> Outcome:
    """The method. `steps` decides whether a step is made, found on disk, or only looked for (a plan)."""
    method = Method(config, data, steps, desk, student, embed)
    method.check()

    # Dual-Criteria Rejection Sampling (section 3.1)
    annotations = method.annotate()
    scored = method.score(annotations)
    kept = method.keep(scored)
    selected = method.select(kept)

    # Habitual Reasoning Distillation (section 3.2)
    outcome = Outcome(kept, selected)
    method.evaluate(UNTOUCHED, None, outcome)
    traces = method.full_traces(selected)
    adapter: Artifact | None = None
    for stage in contract.stages(config.stage_scheduler):
        traces = method.teach(stage, traces, adapter)
        adapter = method.train(stage, traces, adapter)
        outcome.traces[stage.name], outcome.adapters[stage.name] = traces, adapter
        method.evaluate(stage.name, adapter, outcome)
    return outcome


@dataclass(frozen=True)
class Method:
    """The steps, each with the inputs and the settings that its result depends on, and what makes it."""

    config: RunConfig
    data: Data
    steps: Steps
    desk: Desk
    student: Student
    embed: Embed

    @property
    def task(self) -> TaskEvaluator:
        """The run's kind of question."""
        return self.config.task_evaluator

    def check(self) -> None:
        """Let the components look at the run before any teacher is asked.

        Raises:
            InputError: what one of them found.
        """
        config = self.config
        for component in (
            config.confidence_scorer,
            config.quality_filter,
            config.diversity_selector,
            config.compressor,
        ):
            contract.check_run(component, self.context)

    @property
    def context(self) -> Context:
        """What the components are offered; no answer to a query is in it."""
        return Context(self.task, self.data.unlabeled, self.desk.ask, self.embed, self.config.teachers)

    def annotate(self) -> Rows[Annotation]:
        """Every query asked of every teacher."""
        teachers, data = self.config.teachers, self.data
        settings: list[Settings | Json] = [self.task, *teachers, data.queries_digest, [t.samples for t in teachers]]
        return self.steps.rows(
            "annotations", Annotation, [], settings,
            lambda: sampling.annotate(data.unlabeled, teachers, self.task, self.desk),
        )  # fmt: skip

    def score(self, annotations: Rows[Annotation]) -> Rows[Annotation]:
        """Each annotation with its confidence (eq. 1)."""
        scorer = self.config.confidence_scorer
        return self.steps.rows(
            "scored", Annotation, [annotations], [scorer, self.task, self.data.queries_digest],
            lambda: sampling.score(annotations.read(), scorer, self.context),
        )  # fmt: skip

    def keep(self, scored: Rows[Annotation]) -> Rows[Annotation]:
        """Each annotation with its verdict: quality selection."""
        quality_filter = self.config.quality_filter
        return self.steps.rows(
            "kept",
            Annotation,
            [scored],
            [quality_filter, self.task, self.data.queries_digest],
            lambda: sampling.keep(scored.read(), quality_filter, self.context),
        )

    def select(self, kept: Rows[Annotation]) -> Rows[Annotation]:
        """G: diversity selection (eq. 2-3)."""
        selector = self.config.diversity_selector
        return self.steps.rows(
            "selected",
            Annotation,
            [kept],
            [selector, self.task, self.data.queries_digest],
            lambda: sampling.select(kept.read(), selector, self.context),
        )

    def full_traces(self, selected: Rows[Annotation]) -> Rows[Trace]:
        """G as training targets, every rationale whole."""
        return self.steps.rows("traces", Trace, [selected], [], lambda: distillation.full_traces(selected.read()))

    def teach(self, stage: Stage, traces: Rows[Trace], adapter: Artifact | None) -> Rows[Trace]:
        """What the student is taught in this stage: full, compressed or no rationales."""
        if stage.rationale == "full":
            return traces
        if stage.rationale == "none":
            return self.steps.rows(
                f"{stage.name}-traces", Trace, [traces], [], lambda: distillation.answer_only_traces(traces.read())
            )
        answers = self._student_answers(stage, traces, adapter) if self.config.compressor.reads_student else None
        settings: list[Settings | Json] = [
            self.config.compressor, self.task, *self.config.teachers, self.data.queries_digest
        ]  # fmt: skip
        return self.steps.rows(
            f"{stage.name}-traces", Trace, _present(traces, answers), settings,
            lambda: distillation.compressed_traces(
                traces.read(), answers.read() if answers else [], self.config.compressor, self.context
            ),
        )  # fmt: skip

    def _student_answers(self, stage: Stage, traces: Rows[Trace], adapter: Artifact | None) -> Rows[StudentAnswer]:
        settings = [self.task, self.student.answers_by, self.data.queries_digest]
        return self.steps.rows(
            f"{stage.name}-student-answers", StudentAnswer, _present(traces, adapter), settings,
            lambda: distillation.student_answers(
                self.data.by_id, traces.read(), self.student, _path(adapter), self.task
            ),
        )  # fmt: skip

    def train(self, stage: Stage, traces: Rows[Trace], adapter: Artifact | None) -> Artifact:
        """The student after this stage: the last one's adapter, trained on."""
        settings = [self.task, self.student.trained_by, self.data.queries_digest, stage.model_dump()]

        def make(folder: Path) -> None:
            targets = distillation.targets(self.data.by_id, traces.read(), self.task)
            self.student.train(_path(adapter), targets, stage, folder)

        return self.steps.folder(f"{stage.name}-student", _present(traces, adapter), settings, make)

    def evaluate(self, name: str, adapter: Artifact | None, outcome: Outcome) -> None:
        """How the student does on the test queries, and on the dev queries if there are any."""
        outcome.test[name] = self._scores(f"{name}-test-scores", self.data.test, adapter)
        if self.data.dev:
            outcome.dev[name] = self._scores(f"{name}-dev-scores", self.data.dev, adapter)

    def _scores(self, step: str, queries: list[Query], adapter: Artifact | None) -> Rows[Prediction]:
        settings = [self.task, self.student.answers_by, self.data.digest_of(queries)]
        return self.steps.rows(
            step, Prediction, _present(adapter), settings,
            lambda: distillation.evaluate(queries, self.student, _path(adapter), self.task),
        )  # fmt: skip


def _present(*artifacts: Artifact | None) -> list[Artifact]:
    return [artifact for artifact in artifacts if artifact is not None]


def _path(adapter: Artifact | None) -> Path | None:
    return adapter.path if adapter else None
