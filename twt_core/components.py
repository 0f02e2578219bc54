"""The seven kinds of component. Each is a frozen pydantic model: its fields are its options, one method does the work.

In a config a component is written ``{use: NAME, option: value, ...}``; wherever a field has one of these kinds as its
type (here, in the run's config, or inside another component), that mapping is turned into the registered class.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self, TypeAlias, cast

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from twt_core.errors import InputError
from twt_core.prompts import Message
from twt_core.records import (
    Annotation,
    Answered,
    Completion,
    Draft,
    Failed,
    Grade,
    Query,
    Reading,
    Request,
    Rewrite,
    Stage,
    StageResult,
    TokenLogprob,
)
from twt_core.settings import Json, Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Asks teachers on behalf of a component. Every answer passes the ledger and the budget; one result a request.
AskTeachers = Callable[[Sequence[Request]], list[Completion | Failed]]

#: ``embed(embedder, texts)``: unit vectors, float32, shape (texts, dimensions). `embedder` is a folder, a hub id, or
#: ``package:NAME/PATH``. A text is embedded once; its vector is kept on disk for every later run.
Embed: TypeAlias = "Callable[[str, Sequence[str]], NDArray[np.float32]]"

#: ``student_logprobs([(messages, text), ...])``: the tokens of each text with the log-probabilities that the student of
#: the stage before gives them as its answer. The tokens of a text, joined, are the text.
StudentLogprobs: TypeAlias = Callable[[Sequence[tuple[Sequence[Message], str]]], list[list[TokenLogprob]]]


def _no_student(_: Sequence[tuple[Sequence[Message], str]]) -> list[list[TokenLogprob]]:
    raise InputError("student_logprobs: only a compressor that says reads_logprobs is given the student")


@dataclass(frozen=True)
class Context:
    """What the run offers to a component besides its input.

    Attributes:
        task: the run's kind of question.
        queries: the run's queries by id, without their answers.
        ask: asks the run's teachers, and those that the component names in its options.
        embed: sentence vectors.
        teachers: the run's teachers.
        student_logprobs: how likely the student finds texts; for compressors that say `reads_logprobs`.
    """

    task: TaskEvaluator
    queries: Mapping[str, Query]
    ask: AskTeachers
    embed: Embed
    teachers: tuple[Teacher, ...] = ()
    student_logprobs: StudentLogprobs = _no_student


class Component(Settings, ABC):
    """The base of every kind."""

    kind: ClassVar[str] = ""

    @model_validator(mode="wrap")
    @classmethod
    def _from_use(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Self:
        if "kind" not in cls.__dict__ or not isinstance(value, dict):
            checked: Self = handler(value)
            return checked
        from twt_core import plugins  # at call time: plugins.py needs these classes to check what is registered

        found = plugins.resolve(cls.kind, value)
        options = {key: option for key, option in value.items() if key != "use"}
        return cast(Self, found.cls.model_validate(options, context=info.context))  # registered: of this kind

    @model_serializer(mode="wrap")
    def _with_use(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"use": self.use, **handler(self)}

    @property
    def use(self) -> str:
        """The name it is registered under, which is what a config calls it."""
        from twt_core import plugins

        return plugins.name_of(type(self))

    def identity(self) -> dict[str, Json]:
        """Its registered name and its options.

        The version of its distribution is not in it, so that an upgrade does not buy every answer again; a step's
        fingerprint adds it (`twt_core.run`).
        """
        return {"use": self.use, **super().identity()}


class RunComponent(Component):
    """The base of the kinds that work on what teachers answered."""

    def check_run(self, context: Context) -> None:
        """Find, before any teacher is asked, what would make this component of no use in the run.

        Raises:
            InputError: what is missing, and the way out.
        """


class Pace(NamedTuple):
    """How the engine asks a teacher. Times are in seconds.

    Attributes:
        retries: further tries of a request whose failure may pass.
        timeout: the most for one try, however the server keeps it alive; None is unlimited.
        deadline: the most for a request with all its tries and the waits between them, from its first try on.
        requests_per_minute: the most tries begun in a minute, evenly spread.
        tokens_per_minute: the most tokens, prompts and answers together, likewise.
    """

    retries: int = 0
    timeout: float | None = None
    deadline: float | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


class BatchService(Protocol):
    """A provider's batch API: many requests handed in at once, answered within hours, at a lower price.

    Attributes:
        wait_seconds: how long a run waits for a batch before it leaves; the next run goes on waiting.
        poll_seconds: how often it looks meanwhile.
    """

    wait_seconds: float
    poll_seconds: float

    async def submit(self, requests: Mapping[str, Request], tag: str) -> str:
        """Hand requests in, each under its key; the batch's id. `tag` goes with the batch, for `find`.

        Raises:
            TeacherError: it was not taken.
        """

    async def find(self, tag: str) -> str | None:
        """The id of the batch that was handed in with `tag`, for a process that died before it could note the id.

        Raises:
            TeacherError: the provider did not say.
        """

    async def collect(self, batch: str) -> dict[str, Completion | Failed] | None:
        """What became of each request, by key; None while the batch is under way.

        Raises:
            TeacherError: the provider did not say.
        """


class Teacher(Component):
    """A language model that answers and rewrites. Messages in, a completion out."""

    kind = "teacher"
    #: Whether its answers are made up, for benchmarks: the summary and the report say so.
    simulated: ClassVar[bool] = False
    not_identity = frozenset({"concurrency", "samples"})

    name: str = Field(min_length=1, description="What the run calls this teacher; unique within the run.")
    concurrency: int = Field(default=8, ge=1, description="Calls under way at once.")
    samples: int = Field(default=1, ge=1, description="Answers to each query, each a call of its own.")

    @abstractmethod
    async def complete(self, request: Request) -> Completion:
        """The teacher's answer: one try. The engine does the retrying, the waiting and the timing out; see `pace`.

        Raises:
            TeacherError: the call failed.
        """

    async def close(self) -> None:
        """Give back what calls left open, such as connections. Called in the event loop that the calls were made in."""

    def pace(self) -> Pace:
        """How it is to be asked: retries, deadlines, rate limits."""
        return Pace()

    def batch_service(self) -> BatchService | None:
        """Where its answers are asked for in batches; None: each is a call of its own."""
        return None

    def canonical_request(self, request: Request) -> dict[str, Json]:
        """All that determines the answer. Its hash is the ledger's key: what is equal here is never bought twice."""
        canonical: dict[str, Json] = {
            "teacher": self._identity,
            "messages": [list(message) for message in request.messages],
        }
        if request.sample:
            canonical["sample"] = request.sample
        if request.json_schema is not None:
            canonical["json_schema"] = request.json_schema
        return canonical

    @cached_property
    def _identity(self) -> dict[str, Json]:
        return self.identity()

    def answer_schema(self, task: TaskEvaluator, query: Query) -> dict[str, Json] | None:
        """The JSON schema that its answers are to follow; None: the task's own text format."""
        return None

    def preflight(self, queries: Sequence[Query]) -> None:
        """Find, before any call, what would make calls fail.

        Raises:
            InputError: a missing key, an unreadable file, an unknown model.
        """

    def worst_case_usd(self, request: Request) -> float | None:
        """The most that one call can cost. None: the price is not known, which a budget does not allow."""
        return 0.0


class ConfidenceScorer(RunComponent):
    """Gives each annotation its confidence c in [0, 1] (paper, section 3.1.1, eq. 1)."""

    kind = "confidence_scorer"

    @abstractmethod
    def score(self, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
        """One confidence per annotation, in order. None: nothing to score by; the annotation counts as failed."""


class QualityFilter(RunComponent):
    """Keeps or rejects scored annotations (section 3.1.1)."""

    kind = "quality_filter"

    @abstractmethod
    def judge(self, annotations: Sequence[Annotation], context: Context) -> list[str | None]:
        """One verdict per annotation, in order: None keeps it, a text rejects it and is the counted reason."""


class DiversitySelector(RunComponent):
    """Chooses, from the kept annotations, those that form the distillation set G (section 3.1.2)."""

    kind = "diversity_selector"

    @abstractmethod
    def select(self, pool: Sequence[Annotation], context: Context) -> list[Annotation]:
        """The chosen annotations, each one of `pool`. The pool is ordered by query, then by teacher, then by sample."""


class Compressor(RunComponent):
    """Shortens a teacher's rationale for the student (section 3.2, stage 2)."""

    kind = "compressor"
    #: Whether `compress` reads `Draft.student_rationale`: a stage that lets the student not answer is then refused.
    reads_student: ClassVar[bool] = True
    #: Whether `compress` calls `Context.student_logprobs`.
    reads_logprobs: ClassVar[bool] = False
    #: Whether `compress` asks teachers, which is what `twt plan` counts.
    asks_teachers: ClassVar[bool] = False

    @abstractmethod
    def compress(self, drafts: Sequence[Draft], context: Context) -> list[Rewrite]:
        """One rewrite per draft, in order. The engine uses none that lost the answer or is no shorter."""


class StageScheduler(RunComponent):
    """Says what the student is trained on, in which order (section 3.2)."""

    kind = "stage_scheduler"
    #: Whether `next_stage` reads accuracies: the run then needs dev queries, which no student is trained on.
    reads_scores: ClassVar[bool] = False

    @abstractmethod
    def stages(self) -> list[Stage]:
        """The stages, at least one, with unique names; of a scheduler that steers, the longest way it may take."""

    def next_stage(self, done: Sequence[StageResult]) -> Stage | None:
        """The stage to train after those that are done; None ends the training. Gives the same for the same results.

        An accuracy that is None is not known yet, as in a plan: take the way that is longest.
        """
        stages = self.stages()
        return stages[len(done)] if len(done) < len(stages) else None


class TaskEvaluator(Component):
    """One kind of question: how to ask it, what to read out of a text, and when an answer is right."""

    kind = "task_evaluator"

    def factor_weights(self, query: Query) -> dict[str, float]:
        """The factors of eq. 1 with their weights, which sum to 1. The teacher is told them with the query."""
        return {"correctness": 1.0}

    def check(self, query: Query) -> None:
        """Refuse a query that this task cannot use.

        Raises:
            ValueError: with what is wrong and what would be right.
        """

    @abstractmethod
    def teacher_messages(self, query: Query) -> list[Message]:
        """The prompt p that asks a teacher for (rationale, label, confidence) (appendix A, figure 4)."""

    def rewrite_messages(self, draft: Draft) -> list[Message]:
        """The prompt p' that asks the same teacher to fit its rationale to the student (figure 8)."""
        *before, asked = self.teacher_messages(draft.query)
        right = self.completion(draft.annotation.rationale, draft.annotation.label or "", draft.query)
        wanted = (
            f"An answer that is right:\n{right}\n\n"
            f"How somebody else thinks about it:\n{draft.student_rationale or '(nothing)'}\n\n"
            "Write the right answer again, shorter, and in the other one's way of thinking."
        )
        return [*before, asked._replace(content=f"{asked.content}\n\n{wanted}")]

    def student_messages(self, query: Query) -> list[Message]:
        """The question as the student is asked it, in training and after."""
        return [Message("user", query.query)]

    def completion(self, rationale: str | None, label: str, query: Query) -> str:
        """The text the student learns to write on a query. `read` must find the same rationale and label in it."""
        return f"{rationale}\nThe answer is: {label}" if rationale else f"The answer is: {label}"

    @abstractmethod
    def read(self, text: str, query: Query) -> Reading:
        """What a teacher's or student's text says. Never raises, whatever the text."""

    def answered(self, text: str, query: Query) -> bool:
        """Whether a student's text has its whole answer, so that the student need not write on.

        It is asked at the end of each line, and the student is stopped where it says so. Never, by default: the
        student then stops by itself, or at its longest text.
        """
        return False

    @abstractmethod
    def same(self, label: str, other: str, query: Query) -> bool:
        """Whether two answers to `query` are the same answer. Used for right or wrong, and for a rewrite's answer."""

    @property
    def asks_teachers(self) -> bool:
        """Whether `grade` asks teachers: its calls are then planned, and only students' answers are graded by it."""
        return False

    def grade(self, answers: Sequence[Answered], context: Context) -> list[Grade]:
        """One grade an answer, in order: right if it is the same as one of the query's answers.

        For tasks that grade otherwise: by running programs, or by asking a judge (``context.ask``).
        """
        return compared(self, answers)

    def answer_schema(self, query: Query) -> dict[str, Json]:
        """The JSON schema of a teacher's structured answer. `read` must find the parts in such an object, too."""
        scores: dict[str, Json] = {name: {"type": "number"} for name in self.factor_weights(query)}
        properties: dict[str, Json] = {
            "rationale": {"type": "string"},
            "answer": {"type": "string"},
            "scores": _object(scores),
        }
        return _object(properties)

    def tests_passed(self, label: str, query: Query) -> float | None:
        """The share of the query's tests that an answer passes, from 0 to 1; None: this task runs no tests."""
        return None


def compared(task: TaskEvaluator, answers: Sequence[Answered]) -> list[Grade]:
    """Answers graded by `TaskEvaluator.same` alone."""
    return [_compared(task, answer) for answer in answers]


def _compared(task: TaskEvaluator, answer: Answered) -> Grade:
    query, label = answer.query, answer.label
    if not query.answers:
        return Grade(correct=None, verdict="no_reference")
    if label is None:
        return Grade(correct=False, verdict="no_answer")
    right = any(task.same(label, known, query) for known in query.answers)
    return Grade(correct=right, verdict="right" if right else "wrong")


def _object(properties: dict[str, Json]) -> dict[str, Json]:
    # Providers' strict modes want every property required and no other.
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def teachers_in(settings: Settings) -> Iterator[Teacher]:
    """Every teacher among the options, however deep: a grader's judge as well as the run's own."""
    yield from _teachers_among([getattr(settings, name) for name in type(settings).model_fields])


def _teachers_among(values: Sequence[object]) -> Iterator[Teacher]:
    for value in values:
        if isinstance(value, Teacher):
            yield value
        if isinstance(value, Settings):
            yield from teachers_in(value)
        elif isinstance(value, (list, tuple)):
            yield from _teachers_among(value)
        elif isinstance(value, dict):
            yield from _teachers_among(list(value.values()))
