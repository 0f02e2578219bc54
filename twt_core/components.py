"""The seven kinds of component. Each is a frozen pydantic model: its fields are its options, one method does the work.

In a config a component is written ``{use: NAME, option: value, ...}``; wherever a field has one of these kinds as its
type (here, in the run's config, or inside another component), that mapping is turned into the registered class.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, cast

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from twt_core.prompts import Message
from twt_core.records import Annotation, Completion, Draft, Failed, Query, Reading, Request, Rewrite, Stage
from twt_core.settings import Json, Settings

#: Asks teachers on behalf of a component. Every answer passes the ledger and the budget; one result a request.
AskTeachers = Callable[[Sequence[Request]], list[Completion | Failed]]


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


class Teacher(Component):
    """A language model that answers and rewrites. Messages in, a completion out."""

    kind = "teacher"
    not_identity = frozenset({"concurrency"})

    name: str = Field(min_length=1, description="What the run calls this teacher; unique within the run.")
    concurrency: int = Field(default=8, ge=1, description="Calls under way at once.")

    @abstractmethod
    async def complete(self, request: Request) -> Completion:
        """The teacher's answer.

        Raises:
            TeacherError: the call failed (retries, if any, are the teacher's own and are over).
        """

    def canonical_request(self, request: Request) -> dict[str, Json]:
        """All that determines the answer. Its hash is the ledger's key: what is equal here is never bought twice."""
        return {"teacher": self.identity(), "messages": [list(message) for message in request.messages]}

    def preflight(self, queries: Sequence[Query]) -> None:
        """Find, before any call, what would make calls fail.

        Raises:
            InputError: a missing key, an unreadable file, an unknown model.
        """

    def worst_case_usd(self, request: Request) -> float | None:
        """The most that one call can cost. None: the price is not known, which a budget does not allow."""
        return 0.0


class ConfidenceScorer(Component):
    """Gives each annotation its confidence c in [0, 1] (paper, section 3.1.1, eq. 1)."""

    kind = "confidence_scorer"

    @abstractmethod
    def score(self, annotations: Sequence[Annotation], task: TaskEvaluator) -> list[float | None]:
        """One confidence per annotation, in order. None: nothing to score by; the annotation counts as failed."""


class QualityFilter(Component):
    """Keeps or rejects scored annotations (section 3.1.1)."""

    kind = "quality_filter"

    @abstractmethod
    def judge(self, annotations: Sequence[Annotation]) -> list[str | None]:
        """One verdict per annotation, in order: None keeps it, a text rejects it and is the counted reason."""


class DiversitySelector(Component):
    """Chooses, from the kept annotations, those that form the distillation set G (section 3.1.2)."""

    kind = "diversity_selector"

    @abstractmethod
    def select(self, pool: Sequence[Annotation]) -> list[Annotation]:
        """The chosen annotations, each one of `pool`. The pool is ordered by query, then by teacher."""


class Compressor(Component):
    """Shortens a teacher's rationale for the student (section 3.2, stage 2)."""

    kind = "compressor"
    #: Whether `compress` reads `Draft.student_rationale`; if not, the student need not answer the queries first.
    reads_student: ClassVar[bool] = True
    #: Whether `compress` asks teachers, which is what `twt plan` counts.
    asks_teachers: ClassVar[bool] = False

    @abstractmethod
    def compress(self, drafts: Sequence[Draft], task: TaskEvaluator, ask: AskTeachers) -> list[Rewrite]:
        """One rewrite per draft, in order. The engine uses none that lost the answer or is no shorter."""


class StageScheduler(Component):
    """Says what the student is trained on, in which order (section 3.2)."""

    kind = "stage_scheduler"

    @abstractmethod
    def stages(self) -> list[Stage]:
        """The stages, at least one, with unique names."""


class TaskEvaluator(Component):
    """One kind of question: how to ask it, what to read out of a text, and when an answer is right."""

    kind = "task_evaluator"

    @property
    @abstractmethod
    def factor_weights(self) -> dict[str, float]:
        """The factors of eq. 1 with their weights, which sum to 1."""

    def check(self, query: Query) -> None:
        """Refuse a query that this task cannot use.

        Raises:
            ValueError: with what is wrong and what would be right.
        """

    @abstractmethod
    def teacher_messages(self, query: Query) -> list[Message]:
        """The prompt p that asks a teacher for (rationale, label, confidence) (appendix A, figure 4)."""

    @abstractmethod
    def rewrite_messages(self, draft: Draft) -> list[Message]:
        """The prompt p' that asks the same teacher to fit its rationale to the student (figure 8)."""

    @abstractmethod
    def student_messages(self, query: Query) -> list[Message]:
        """The question as the student is asked it, in training and after."""

    @abstractmethod
    def completion(self, rationale: str | None, label: str) -> str:
        """The text the student learns to write. `read` must find the same rationale and label in it."""

    @abstractmethod
    def read(self, text: str, query: Query) -> Reading:
        """What a teacher's or student's text says. Never raises, whatever the text."""

    @abstractmethod
    def same(self, label: str, other: str, query: Query) -> bool:
        """Whether two answers to `query` are the same answer. Used for right or wrong, and for a rewrite's answer."""
