"""What is on disk, and what components hand to each other. All frozen: a component cannot change its input."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from twt_core.prompts import Message
from twt_core.settings import Json

Purpose = Literal["answer", "rewrite", "grade"]


class Record(BaseModel):
    """One line of a JSONL file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Query(Record):
    """A question x. Unlabeled: its answers are for measuring only, and no component before evaluation sees them.

    Attributes:
        id: unique among the run's queries.
        query: the question.
        answer: the right answer, or the first of several.
        other_answers: further answers that count as right.
        choices: what may be answered.
        tests: Python tests that an answer must pass.
        task: which of a mixture's tasks it is; None where a run has one task.
    """

    id: str
    query: str
    answer: str | None = None
    other_answers: tuple[str, ...] = ()
    choices: tuple[str, ...] | None = None
    tests: tuple[str, ...] | None = None
    task: str | None = None

    @property
    def answers(self) -> tuple[str, ...]:
        """All answers that count as right; none where the right answer is not known."""
        return () if self.answer is None else (self.answer, *self.other_answers)

    @property
    def fingerprint(self) -> str:
        """A hash of all that it asks and accepts, without its id and its task: 16 hexadecimal digits."""
        asked = self.model_dump_json(exclude={"id", "task"}, exclude_defaults=True)
        return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def unlabeled(self) -> Query:
        """The same query without its answers: what the method is allowed to see."""
        if self.answer is None and not self.other_answers:
            return self
        return self.model_copy(update={"answer": None, "other_answers": ()})


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
    """A student's text. `tokens` counts what it generated, the end token included; `seconds` is its batch's share.

    `prompt_tokens` counts the question as the student was asked it, chat template included.
    """

    query_id: str
    text: str
    tokens: int = Field(ge=0)
    seconds: float = Field(ge=0)
    prompt_tokens: int = Field(default=0, ge=0)


class StudentAnswer(Record):
    """What the student wrote on a query it is distilled from: what a compressor fits its rewrite to."""

    query_id: str
    text: str


class Answered(Record):
    """An answer to be graded: the query with its answers, the text, and the label that was read out of it."""

    query: Query
    text: str
    label: str | None = None


class Grade(Record):
    """What a task says of an answer.

    Attributes:
        correct: None: it could not be graded, or the query has no answer. Such an answer is counted apart.
        verdict: how it was graded, in a word: right, wrong, no_answer, or the task's own, such as timeout.
        by: who says so, where it is a model's opinion: the judge's name.
        unsandboxed: whether a program of a model ran without walls for it.
    """

    correct: bool | None
    verdict: str
    by: str | None = None
    unsandboxed: bool = False


class Prediction(Record):
    """A student's answer to a query, with its grade (see `Grade`).

    Attributes:
        query_id: the query.
        question: the query's `fingerprint`, so that answers to different questions are never compared.
        task: which of a mixture's tasks the query is.
        sample: counts the answers to one query.
        text: what the student wrote.
        tokens: how many tokens it generated, the end token included.
        prompt_tokens: how many it was asked with; 0 where that is not known.
        seconds: its share of its batch's time.
        label: the answer that was read out of the text.
    """

    query_id: str
    question: str = ""
    task: str | None = None
    sample: int = Field(default=0, ge=0)
    text: str
    tokens: int = Field(ge=0)
    prompt_tokens: int = Field(default=0, ge=0)
    seconds: float = Field(ge=0)
    label: str | None = None
    correct: bool | None = None
    verdict: str = ""
    graded_by: str | None = None
    unsandboxed: bool = False
