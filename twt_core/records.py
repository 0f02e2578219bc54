"""What is on disk, and what components hand to each other. All frozen: a component cannot change its input."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from twt_core.prompts import Message
from twt_core.settings import Json

Purpose = Literal["answer", "rewrite", "grade"]


class Record(BaseModel):
    """One line of a JSONL file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Query(Record):
    """A question x. Unlabeled: `answer` is for measuring only, and no component before evaluation sees it."""

    id: str
    query: str
    answer: str | None = None
    choices: tuple[str, ...] | None = None
    tests: tuple[str, ...] | None = None

    def unlabeled(self) -> Query:
        """The same query without its answer: what the method is allowed to see."""
        return self if self.answer is None else self.model_copy(update={"answer": None})


class TokenLogprob(NamedTuple):
    """A token of a teacher's text with its natural-log probability."""

    token: str
    logprob: float


class Usage(Record):
    """Tokens that a provider counted for one call."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class Request(Record):
    """One question to one teacher.

    `sample` counts the answers that one teacher gives to one query. `about` names the teacher whose answer a grader is
    asked about. `json_schema` is the form that the answer must have, for teachers asked for structured output.
    """

    query_id: str
    teacher: str
    purpose: Purpose
    messages: tuple[Message, ...]
    sample: int = Field(default=0, ge=0)
    about: str | None = None
    json_schema: dict[str, Json] | None = None


class Completion(Record):
    """What a teacher answered, before anything reads it. `finish_reason` is the provider's: stop, length, ..."""

    text: str
    logprobs: tuple[TokenLogprob, ...] | None = None
    usage: Usage | None = None
    cost_usd: float | None = Field(default=None, ge=0)
    finish_reason: str | None = None


class Failed(Record):
    """A teacher call that gave no completion. A permanent failure is not tried again by the next `twt run`.

    `maybe_billed` is for requests of a batch: it was answered, and the answer is of no use.
    """

    cause: str
    permanent: bool = False
    maybe_billed: bool = False


class Reading(Record):
    """What a task evaluator read out of a text. A part that is not there is None or empty, never made up."""

    rationale: str = ""
    label: str | None = None
    factors: dict[str, float] = Field(default_factory=dict)
    score: float | None = None


class Annotation(Record):
    """A teacher's (rationale, label, confidence) for a query, with its raw text and what became of it.

    Exactly one holds at the end of sampling: it failed (`failure`), was rejected (`rejection`), or was kept.
    Query, teacher and sample identify it.
    """

    query_id: str
    teacher: str
    sample: int = Field(default=0, ge=0)
    text: str = ""
    rationale: str = ""
    label: str | None = None
    factors: dict[str, float] = Field(default_factory=dict)
    score: float | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)
    failure: str | None = None
    rejection: str | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """Which annotation it is, whatever becomes of it: query, teacher, sample."""
        return self.query_id, self.teacher, self.sample


class Draft(Record):
    """What a compressor works from: a teacher's rationale, and the student's own for the same query ("" if none)."""

    query: Query
    annotation: Annotation
    student_rationale: str = ""


class Rewrite(Record):
    """A compressor's proposal: a rationale, or why there is none. `label` is the answer the rewrite ends in."""

    rationale: str | None = None
    label: str | None = None
    reason: str | None = None


class Trace(Record):
    """One training target: rationale (None: answer only) and label for a query, and where the rationale came from."""

    query_id: str
    teacher: str
    sample: int = Field(default=0, ge=0)
    label: str
    rationale: str | None = None
    kept_original: str | None = None


class Objective(Record):
    """One text that a stage teaches for each of its traces, and how much it counts.

    The loss of a stage is the sum over its tasks of weight x mean cross-entropy over the task's tokens. An objective is
    one task, or with `per_teacher` as many as there are teachers.
    """

    #: What the student is to write. Where the stage shows no rationale, ``rationale_then_answer`` is the answer alone.
    target: Literal["rationale_then_answer", "answer", "rationale"] = "rationale_then_answer"
    weight: float = Field(default=1.0, gt=0)
    #: Put before the question, to tell the student which text is wanted; ``{teacher}`` is the teacher's name.
    prefix: str = ""
    #: Each teacher's texts are a task of their own.
    per_teacher: bool = False
    #: With `per_teacher`, the weights that are not `weight`, by teacher.
    teacher_weights: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    #: Equal texts for a query, as of teachers that agree on an answer, are learned once.
    once: bool = False


class Stage(Record):
    """One round of training: what the student is shown, what it is to write, and from where it goes on.

    Attributes:
        name: names the stage's folders; unique within a schedule, and not ``untouched``.
        rationale: ``full``, the teachers' own; ``compressed``, those of stage `of`, compressed; ``same``, those of
            stage `of` again; ``none``.
        of: a stage before this one. None: the nearest one, going back from `after`, that has rationales.
        objectives: the texts to learn.
        epochs: passes over the texts; the student's setting when None.
        learning_rate: likewise.
        after: the stage whose student goes on, or ``untouched`` for a new one. None: the stage before this one.
        compressor: the compressor of this stage, as a config writes one; the run's when None.
        replay: texts of earlier stages that are mixed in, as a share of this stage's own.
        student_answers: whether the student answers the queries before a ``compressed`` stage. Without, compressors see
            no rationale of the student's, and the summary has no style distance.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    rationale: Literal["full", "compressed", "same", "none"]
    of: str | None = None
    objectives: tuple[Objective, ...] = Field(default=(Objective(),), min_length=1)
    epochs: float | None = Field(default=None, gt=0)
    learning_rate: float | None = Field(default=None, gt=0)
    after: str | None = None
    compressor: dict[str, Json] | None = None
    replay: float = Field(default=0.0, ge=0, le=1)
    student_answers: bool = True

    @property
    def asked_with(self) -> str:
        """What stands before a question when the student of this stage is asked for an answer."""
        asking = [objective for objective in self.objectives if objective.target != "rationale"]
        return (asking or list(self.objectives))[0].prefix


class StageResult(Record):
    """What became of a stage, for a scheduler that steers by it.

    `accuracy`, a share in [0, 1], and `output_tokens`, a mean, are of the dev queries. None: not known yet, as in a
    plan.
    """

    stage: Stage
    accuracy: float | None = None
    output_tokens: float | None = None


class Generation(Record):
    """A student's text. `tokens` counts what it generated, the end token included; `seconds` is its batch's share."""

    query_id: str
    text: str
    tokens: int = Field(ge=0)
    seconds: float = Field(ge=0)


class StudentAnswer(Record):
    """What the student wrote on a query it is distilled from: what a compressor fits its rewrite to."""

    query_id: str
    text: str


class Prediction(Record):
    """A student's answer to a test query, with the verdict. The verdict is None when the query has no answer."""

    query_id: str
    text: str
    tokens: int = Field(ge=0)
    seconds: float = Field(ge=0)
    label: str | None = None
    correct: bool | None = None
