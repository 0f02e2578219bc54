"""The whole method, top to bottom. Each step is made once, kept on disk, and made again only when its inputs change.

Unlabeled queries -> annotations -> scored -> kept -> selected (DCRS); then, stage by stage, what the student is taught,
the student that learned it, and how it does (HaRD).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from twt_core import contract, distillation, sampling
from twt_core.asking import Desk
from twt_core.components import Compressor, Context, Embed, TaskEvaluator
from twt_core.config import RunConfig
from twt_core.course import Course, Outcome
from twt_core.data import Data
from twt_core.errors import InputError
from twt_core.metrics import UNTOUCHED
from twt_core.records import Annotation, Prediction, Query, Stage, StageResult, StudentAnswer, Trace
from twt_core.run import Artifact, Rows, Steps
from twt_core.settings import Json, Settings
from twt_core.student.encoding import Target
from twt_core.student.student import Student


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
    course = Course(method.full_traces(selected))
    outcome = Outcome(kept, selected, course)
    method.evaluate(UNTOUCHED, outcome)
    while (stage := contract.next_stage(config.stage_scheduler, method.results(outcome))) is not None:
        course.enter(stage)
        course.traces[stage.name] = method.teach(stage, course)
        course.adapters[stage.name] = method.train(stage, course)
        method.evaluate(stage.name, outcome)
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
        if config.stage_scheduler.reads_scores and not self.data.dev:
            raise InputError(
                f"stage_scheduler: {config.stage_scheduler.use} steers by accuracy, so it needs dev_queries: "
                "queries with answers that are neither trained on nor tested with"
            )
        for component in (
            config.confidence_scorer,
            config.quality_filter,
            config.diversity_selector,
            config.compressor,
            config.stage_scheduler,
        ):
            contract.check_run(component, self.context)
        for stage in contract.stages(config.stage_scheduler):
            self._check_stage(stage)
        self.student.check()

    def _check_stage(self, stage: Stage) -> None:
        if stage.rationale != "compressed":
            return
        compressor = self.compressor_of(stage)
        contract.check_run(compressor, self.context)
        if compressor.reads_student and not stage.student_answers:
            raise InputError(
                f"compressor: {compressor.use} reads the student's own answers, and stage {stage.name!r} of "
                f"{self.config.stage_scheduler.use} does not let the student answer (student_answers)"
            )

    @property
    def context(self) -> Context:
        """What the components are offered; no answer to a query is in it."""
        return Context(self.task, self.data.unlabeled, self.desk.ask, self.embed, self.config.teachers)

    def annotate(self) -> Rows[Annotation]:
        """Every query asked of every teacher."""
        teachers, data = self.config.teachers, self.data
        settings: list[Settings | Json] = [self.task, *teachers, data.queries_digest, [t.samples for t in teachers]]

        def make() -> Iterable[Annotation]:
            self.student.preflight()
            return sampling.annotate(data.unlabeled, teachers, self.task, self.desk)

        return self.steps.rows("annotations", Annotation, [], settings, make)

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

    def teach(self, stage: Stage, course: Course) -> Rows[Trace]:
        """What the student is shown in this stage: full, compressed, earlier or no rationales."""
        before = course.rationales_for(stage)
        if stage.rationale == "none":
            return self.steps.rows(
                f"{stage.name}-traces", Trace, [before], [], lambda: distillation.answer_only_traces(before.read())
            )
        return self._compress(stage, before, course) if stage.rationale == "compressed" else before

    def _compress(self, stage: Stage, before: Rows[Trace], course: Course) -> Rows[Trace]:
        adapter, compressor = course.start_of(stage), self.compressor_of(stage)
        answers = self._student_answers(stage, before, course) if stage.student_answers else None
        if answers is not None:
            course.answers[stage.name] = answers
        settings: list[Settings | Json] = [compressor, self.task, *self.config.teachers, self.data.queries_digest]
        inputs = _present(before, answers)
        if compressor.reads_logprobs:
            inputs, settings = _present(*inputs, adapter), [*settings, self.student.scores_by]
        context = replace(self.context, student_logprobs=lambda pairs: self.student.logprobs(_path(adapter), pairs))
        return self.steps.rows(
            f"{stage.name}-traces", Trace, inputs, settings,
            lambda: distillation.compressed_traces(
                before.read(), answers.read() if answers else [], compressor,
                context if compressor.reads_logprobs else self.context,
            ),
        )  # fmt: skip

    def compressor_of(self, stage: Stage) -> Compressor:
        """The compressor of a stage: its own, or the run's."""
        return compressor_of(self.config, stage)

    def _student_answers(self, stage: Stage, before: Rows[Trace], course: Course) -> Rows[StudentAnswer]:
        adapter, prefix = course.start_of(stage), course.asked_with(stage)
        settings: list[Settings | Json] = [self.task, self.student.answers_by, self.data.queries_digest, prefix]
        return self.steps.rows(
            f"{stage.name}-student-answers", StudentAnswer, _present(before, adapter), settings,
            lambda: distillation.student_answers(
                self.data.by_id, before.read(), self.student, _path(adapter), self.task, prefix
            ),
        )  # fmt: skip

    def train(self, stage: Stage, course: Course) -> Artifact:
        """The student after this stage: that of the stage before it, trained on."""
        name, adapter = f"{stage.name}-student", course.start_of(stage)
        replayed = course.before(stage) if stage.replay else []
        settings: list[Settings | Json] = [
            self.task, self.student.trained_by, self.data.queries_digest, stage.model_dump(mode="json"),
            [earlier.model_dump(mode="json") for earlier in replayed],
        ]  # fmt: skip
        traces = {one.name: course.traces[one.name] for one in [*replayed, stage]}

        def texts(one: Stage) -> list[Target]:
            return distillation.targets(self.data.by_id, traces[one.name].read(), self.task, one.objectives)

        def make(folder: Path) -> None:
            if adapter is not None:
                self.steps.verify(adapter)
            targets = distillation.with_replay(
                texts(stage), [target for one in replayed for target in texts(one)], stage.replay,
                f"{self.config.seed}/{stage.name}",
            )  # fmt: skip
            self.student.train(_path(adapter), targets, stage, folder, self.steps.scratch(name))

        return self.steps.folder(name, _present(*traces.values(), adapter), settings, make)

    def evaluate(self, name: str, outcome: Outcome) -> None:
        """How the student does on the test queries, and on the dev queries if there are any."""
        adapter, stage = outcome.course.adapters.get(name), outcome.course.stages.get(name)
        prefix = stage.asked_with if stage else ""
        outcome.test[name] = self._scores(f"{name}-test-scores", self.data.test, adapter, prefix)
        if self.data.dev:
            outcome.dev[name] = self._scores(f"{name}-dev-scores", self.data.dev, adapter, prefix)

    def _scores(self, step: str, queries: list[Query], adapter: Artifact | None, prefix: str) -> Rows[Prediction]:
        settings: list[Settings | Json] = [
            self.task,
            self.student.answers_by,
            self.data.digest_of(queries),
            prefix,
            self.config.evaluation,
        ]
        return self.steps.rows(
            step, Prediction, _present(adapter), settings,
            lambda: distillation.evaluate(
                queries, self.student, _path(adapter), self.context, prefix, self.config.evaluation.samples
            ),
        )  # fmt: skip

    def results(self, outcome: Outcome) -> list[StageResult]:
        """The stages so far, for a scheduler that reads scores with what is known of them."""
        steered = self.config.stage_scheduler.reads_scores
        return [
            distillation.result(stage, outcome.dev.get(name) if steered else None)
            for name, stage in outcome.course.stages.items()
        ]


def compressor_of(config: RunConfig, stage: Stage) -> Compressor:
    """The compressor of a stage: its own, or the run's."""
    own = stage.compressor is not None
    return contract.compressor_of(config.stage_scheduler, stage) if own else config.compressor


def _present(*artifacts: Artifact | None) -> list[Artifact]:
    return [artifact for artifact in artifacts if artifact is not None]


def _path(adapter: Artifact | None) -> Path | None:
    return adapter.path if adapter else None
