"""Teachers: who is asked, and how the engine asks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from pydantic import Field

from twt_core.components.base import Component
from twt_core.records import Completion, Failed, Query, Request
from twt_core.settings import Json, Settings

if TYPE_CHECKING:
    from twt_core.components.task_evaluator import TaskEvaluator


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
