"""What a run of the paper costs: calls from `twt plan`, tokens from the paper's tables, hours from a throughput."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import fsum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from twt_core import contract
from twt_core.components import Teacher, teachers_in
from twt_core.config import RunConfig
from twt_core.metrics import UNTOUCHED
from twt_core.planning import PlannedCalls, PlanSummary, plan_run
from twt_core.prompts import Message
from twt_core.records import Annotation, Draft, Query, Stage
from twt_core.run_plan import Plan
from twt_core.session import Prepared, prepare
from twt_plugins.teachers.litellm import listed_price

PAPER = Path(__file__).parent.parent / "examples" / "paper"
CHARACTERS_PER_TOKEN = 4


class Task(NamedTuple):
    """A data set: its title, and the choices and tests that its questions have."""

    title: str
    choices: tuple[str, ...] | None = None
    tests: tuple[str, ...] | None = None


class StudentModel(NamedTuple):
    """A student of the paper."""

    title: str
    model: str
    parameters: float


class PaperRun(NamedTuple):
    """A config of each task's folder, with one of the students."""

    config: str
    student: str = "mistral"


@dataclass(frozen=True)
class Device:
    """A GPU, and what is got out of it.

    Attributes:
        tflops: peak bf16 throughput, in 10^12 operations a second.
        utilisation: the share of it that training reaches.
        batch: questions answered at once.
        steps_per_second: tokens a second that each of them gets.
    """

    name: str
    tflops: float
    utilisation: float
    batch: int
    steps_per_second: float

    def train_tokens_per_second(self, parameters: float) -> float:
        """LoRA with gradient checkpointing: forward, forward again, and backward through the activations."""
        return self.tflops * 1e12 * self.utilisation / (6 * parameters)

    def generate_tokens_per_second(self) -> float:
        """All questions of a batch together."""
        return self.batch * self.steps_per_second


@dataclass
class Before:
    """What runs planned before in the same folder ask for (the ledger's keys), and the steps that they make."""

    asked: set[str] = field(default_factory=set)
    planned: dict[str, str] = field(default_factory=dict)


class Work(NamedTuple):
    """Tokens that a step trains on, and generates."""

    trained: float
    generated: float


class Cost(NamedTuple):
    """What a run takes beside those before it. Money in US dollars."""

    calls: int
    expected_usd: float
    worst_usd: float
    trained_tokens: float
    generated_tokens: float
    train_hours: float
    generate_hours: float


A100 = Device("A100", tflops=312, utilisation=0.35, batch=16, steps_per_second=25)
TASKS = {
    "mbpp": Task("MBPP", tests=tuple(f"assert f({n}) == {'1' * 44}" for n in range(3))),
    "cqa": Task("CommonsenseQA", choices=tuple(f"{letter * 8}" for letter in "abcde")),
    "metamath": Task("MetaMath"),
}
STUDENTS = {
    "mistral": StudentModel("Mistral-7B-v0.3", "mistralai/Mistral-7B-v0.3", 7.25e9),
    "phi": StudentModel("Phi-3.5-mini", "microsoft/Phi-3.5-mini-instruct", 3.82e9),
}
#: Mean characters of a question, without its choices and tests.
QUESTIONS = {"mbpp": 80, "cqa": 70, "metamath": 230}
#: Questions that a student is tested on.
TESTED = {"mbpp": 500, "cqa": 1221, "metamath": 1319}
_BOTH = ("mistral", "phi")
TABLES: dict[str, tuple[PaperRun, ...]] = {
    "1": tuple(
        PaperRun(config, student)
        for student in _BOTH
        for config in ("standard_kd", "distilling_step_by_step", "tinyllm", "twt")
    ),
    "2": tuple(PaperRun("twt", student) for student in _BOTH),
    "3": tuple(PaperRun(config, student) for student in _BOTH for config in ("twt", "four_stage")),
    "4": (PaperRun("logprob"), PaperRun("hard_rejection"), PaperRun("twt")),
    "5": tuple(
        PaperRun(config, student) for student in _BOTH for config in ("fixed_length", "compressor_model", "twt")
    ),
    "6": (PaperRun("one_teacher"), PaperRun("no_dcrs"), PaperRun("no_compression"), PaperRun("twt")),
}
ALL = tuple(dict.fromkeys(run for runs in TABLES.values() for run in runs))
#: Mean tokens of a text, by task: table 1, and tables 2 and 3 with Mistral-7B-v0.3, and with Phi-3.5-mini.
WRITTEN: dict[str, tuple[int, int, int]] = {
    "gpt-4": (493, 312, 512),
    "gpt-4o-mini": (451, 301, 529),
    "mistral-large": (365, 288, 463),
    "mistral, untouched": (209, 171, 255),
    "mistral, stage 1": (291, 141, 295),
    "mistral, stage 2": (154, 84, 169),
    "mistral, stage 3 of 4": (133, 55, 144),
    "mistral, last": (48, 8, 12),
    "phi, untouched": (199, 150, 279),
    "phi, stage 1": (310, 138, 313),
    "phi, stage 2": (184, 73, 196),
    "phi, stage 3 of 4": (161, 64, 172),
    "phi, last": (105, 10, 15),
}


def written(name: str, task: str) -> int:
    """Mean tokens of a text of `name` on a task."""
    return WRITTEN[name][list(TASKS).index(task)]


def cost_of(task: str, run: PaperRun, before: Before) -> Cost:
    """What a run takes beside runs that came before it in the same folder, to which it is added."""
    with TemporaryDirectory() as runs:
        prepared, planned = _planned(task, run, Path(runs), before)
    sized = _Sized(prepared.config, task, run)
    work = sized.work()
    own = [work[step.step] for step in planned.steps if step.to_do and step.step in work]
    trained, generated = fsum(step.trained for step in own), fsum(step.generated for step in own)
    return Cost(
        calls=planned.teacher_calls_at_most,
        expected_usd=fsum(sized.usd(row) for row in planned.calls),
        worst_usd=planned.worst_case_usd or 0.0,
        trained_tokens=trained,
        generated_tokens=generated,
        train_hours=trained / A100.train_tokens_per_second(STUDENTS[run.student].parameters) / 3600,
        generate_hours=generated / A100.generate_tokens_per_second() / 3600,
    )


def _planned(task: str, run: PaperRun, runs: Path, before: Before) -> tuple[Prepared, PlanSummary]:
    model, file = STUDENTS[run.student].model, PAPER / task / f"{run.config}.yaml"
    prepared = prepare(file, [f"student.model={model}"], runs, f"{task}-{run.config}-{run.student}", download=False)
    return prepared, plan_run(prepared, runs, Plan(prepared.path, planned=before.planned), before.asked)


@dataclass(frozen=True)
class _Sized:
    """A run with the mean sizes of its texts, in tokens."""

    config: RunConfig
    task: str
    run: PaperRun

    @cached_property
    def query(self) -> Query:
        """A question of mean length."""
        shape = TASKS[self.task]
        return Query(id="q", query="x" * QUESTIONS[self.task], choices=shape.choices, tests=shape.tests)

    @property
    def questions(self) -> int:
        """Questions to distil from."""
        declared = self.config.queries.declared  # type: ignore[union-attr]  # one data set in each of these configs
        return declared or 0

    @property
    def kept(self) -> int:
        """Rows of G for each question: the pair selection keeps two of three."""
        pairs = self.config.diversity_selector.use == "min_similarity_pair"
        return min(2, len(self.config.teachers)) if pairs else len(self.config.teachers)

    def usd(self, row: PlannedCalls) -> float:
        """A teacher's part of the expected price."""
        teacher = self._teacher(row.teacher)
        price = listed_price(str(teacher.model_dump()["model"]))
        assert price is not None, teacher.name
        evaluator = self.config.task_evaluator
        answer = written(row.teacher, self.task) if row.teacher in WRITTEN else 0
        asked = _tokens(evaluator.teacher_messages(self.query))
        rewritten = _tokens(evaluator.rewrite_messages(self._draft(answer)))
        rewrites = row.rewrites_at_most * self.kept / len(self.config.teachers)
        graded = asked + self._teachers_mean()
        return (
            row.answers * (asked * price.input + answer * price.output)
            + rewrites * (rewritten * price.input + self._student(2) * price.output)
            + row.grades_at_most * (graded * price.input + price.output)
        )

    def work(self) -> dict[str, Work]:
        """What the student's steps take, by their names in the run folder.

        Each stage's student is tested; before a compressed stage the student of the one before answers all questions.
        """
        tested, wrote = TESTED[self.task], float(written(f"{self.run.student}, untouched", self.task))
        found = {f"{UNTOUCHED}-test-scores": Work(0, tested * wrote)}
        for place, stage in enumerate(contract.stages(self.config.stage_scheduler)):
            found[f"{stage.name}-student-answers"] = Work(0, self.questions * wrote)
            trained = self._stage_tokens(stage, self._target(stage, place)) * self.config.student.epochs
            found[f"{stage.name}-student"] = Work(trained, 0)
            wrote = self._wrote(stage, place)
            found[f"{stage.name}-test-scores"] = Work(0, tested * wrote)
        return found

    def _stage_tokens(self, stage: Stage, target: float) -> float:
        prompt = _tokens(self.config.task_evaluator.student_messages(self.query))
        texts = [
            (self.questions if one.once else self.questions * self.kept, self._learned(one.target, target))
            for one in stage.objectives
        ]
        return fsum(count * (prompt + learned) for count, learned in texts)

    def _learned(self, what: str, target: float) -> float:
        if what == "answer":
            return float(written(f"{self.run.student}, last", self.task))
        return target

    def _wrote(self, stage: Stage, place: int) -> float:
        """Mean tokens of what a stage's student writes: it is asked for the stage's first text."""
        asked = stage.objectives[0].target
        if stage.rationale == "full" and asked == "rationale_then_answer":
            return self._student(1)
        return self._learned(asked, self._target(stage, place))

    def _target(self, stage: Stage, place: int) -> float:
        """Mean tokens of what a stage teaches."""
        if stage.rationale == "none":
            return float(written(f"{self.run.student}, last", self.task))
        if stage.rationale == "full":
            return self._teachers_mean()
        if not self.config.compressor.asks_teachers:
            return self._teachers_mean() / 2  # the ratio of these configs
        return self._student(2) if place == 1 else float(written(f"{self.run.student}, stage 3 of 4", self.task))

    def _student(self, stage: int) -> float:
        return float(written(f"{self.run.student}, stage {stage}", self.task))

    def _teachers_mean(self) -> float:
        names = [teacher.name for teacher in self.config.teachers]
        return sum(written(name, self.task) for name in names) / len(names)

    def _teacher(self, name: str) -> Teacher:
        among: Sequence[Teacher] = [*self.config.teachers, *teachers_in(self.config.confidence_scorer)]
        return next(teacher for teacher in among if teacher.name == name)

    def _draft(self, answer: int) -> Draft:
        rationale = "x" * answer * CHARACTERS_PER_TOKEN
        annotation = Annotation(query_id="q", teacher="t", rationale=rationale, label="4")
        read = "x" * int(self._student(1)) * CHARACTERS_PER_TOKEN
        return Draft(query=self.query, annotation=annotation, student_rationale=read)


def _tokens(messages: Sequence[Message]) -> float:
    return sum(len(message.content) for message in messages) / CHARACTERS_PER_TOKEN
