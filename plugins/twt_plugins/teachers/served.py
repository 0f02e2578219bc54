"""What the teachers that ask a server share: sampling, limits, prices, and the one way from a reply to a result."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from twt_core.components import Pace, TaskEvaluator, Teacher
from twt_core.errors import InputError, TeacherError
from twt_core.records import Completion, Query, Request, Usage
from twt_core.settings import Json
from twt_plugins.teachers.chat_completion import Answer, read_answer
from twt_plugins.teachers.http_faults import without_secrets

_PER_MILLION = 1e6
_TOKENS_OF_A_CHAT_TEMPLATE, _TOKENS_OF_A_MESSAGE = 256, 16


def _with_scheme(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return value


#: The address that an OpenAI-compatible server's paths begin with.
BaseUrl = Annotated[str, AfterValidator(_with_scheme)]


class Price(NamedTuple):
    """US dollars per token."""

    input: float
    output: float


class ServedModel(Teacher):
    """A model behind an HTTP API: its options, its price, and how its replies are read."""

    not_identity = Teacher.not_identity | {
        "timeout", "deadline", "retries", "requests_per_minute", "tokens_per_minute", "api_key_env",
        "input_usd_per_million", "output_usd_per_million",
    }  # fmt: skip

    api_key_env: str | None = Field(default=None, description="Environment variable that holds the key.")
    temperature: float = Field(default=0.7, ge=0, le=2, description="Sampling temperature.")
    top_p: float = Field(default=1.0, gt=0, le=1, description="Nucleus sampling.")
    max_tokens: int = Field(default=2048, ge=1, description="Most tokens of an answer; also bounds a call's price.")
    seed: int | None = Field(
        default=None, description="Sampling seed, where the server takes one; a query's further samples count up."
    )
    logprobs: bool = Field(
        default=False, description="Ask for token log-probabilities, which the logprob scorer needs."
    )
    structured: bool = Field(
        default=False, description="Have the server hold answers to the task's JSON schema, where it can."
    )
    timeout: float = Field(default=300, gt=0, description="Most seconds for one try, whatever the server does.")
    deadline: float = Field(default=900, gt=0, description="Most seconds for a request with all its tries and waits.")
    retries: int = Field(default=4, ge=0, le=20, description="Further tries after a rate limit or a server's fault.")
    requests_per_minute: float | None = Field(default=None, gt=0, description="Most tries begun in a minute.")
    tokens_per_minute: float | None = Field(
        default=None, gt=0, description="Most tokens in a minute, prompts and answers together."
    )
    input_usd_per_million: float | None = Field(default=None, ge=0, description="Price of input tokens.")
    output_usd_per_million: float | None = Field(default=None, ge=0, description="Price of output tokens.")

    @model_validator(mode="after")
    def _both_prices(self) -> Self:
        if (self.input_usd_per_million is None) != (self.output_usd_per_million is None):
            raise ValueError("give both input_usd_per_million and output_usd_per_million, or neither")
        return self

    @model_validator(mode="after")
    def _samples_that_differ(self) -> Self:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                "samples > 1 at temperature 0 are all the same answer: raise temperature, or set samples 1"
            )
        return self

    async def complete(self, request: Request) -> Completion:
        """See `Teacher.complete`."""
        try:
            return self.completion(read_answer(await self._reply(request)), self._longest_prompt(request))
        except TeacherError as error:
            raise self.told(error) from None

    @abstractmethod
    async def _reply(self, request: Request) -> Json:
        """The body of the server's reply with status 200.

        Raises:
            TeacherError: there is none.
        """

    def pace(self) -> Pace:
        """See `Teacher.pace`."""
        return Pace(self.retries, self.timeout, self.deadline, self.requests_per_minute, self.tokens_per_minute)

    def answer_schema(self, task: TaskEvaluator, query: Query) -> dict[str, Json] | None:
        """See `Teacher.answer_schema`."""
        return task.answer_schema(query) if self.structured else None

    def preflight(self, queries: Sequence[Query]) -> None:
        """Look for the key."""
        if self.api_key_env is not None and not os.environ.get(self.api_key_env):
            raise InputError(f"teacher {self.name!r}: the environment variable {self.api_key_env} is not set or empty")

    def worst_case_usd(self, request: Request) -> float | None:
        """All of the prompt's bytes as tokens, which no tokenizer exceeds by much, and the longest answer."""
        price = self._price()
        if price is None:
            return None
        return self._longest_prompt(request) * price.input + self.max_tokens * price.output

    def options(self, request: Request) -> dict[str, Json]:
        """What is sent besides the model and the messages, under OpenAI's names."""
        sent: dict[str, Json] = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
        }
        if self.seed is not None:
            sent["seed"] = self.seed + request.sample
        if self.logprobs:
            sent["logprobs"] = True
        if request.json_schema is not None:
            schema: dict[str, Json] = {"name": "answer", "schema": request.json_schema, "strict": True}
            sent["response_format"] = {"type": "json_schema", "json_schema": schema}
        return sent

    def completion(self, answer: Answer, longest_prompt: int | None = None) -> Completion:
        """An answer with its cost. A count that passes what could be asked for is none: the reservation is charged."""
        usage = answer.usage if self._can_be(answer.usage, longest_prompt) else None
        return Completion(
            text=answer.text,
            logprobs=answer.logprobs,
            usage=usage,
            cost_usd=self._cost(usage),
            finish_reason=answer.finish_reason,
        )

    def told(self, error: TeacherError) -> TeacherError:
        """An error as it may be shown and kept: without keys."""
        key = self._key()
        return without_secrets(error, [key] if key else [])

    def _can_be(self, usage: Usage | None, longest_prompt: int | None) -> bool:
        if usage is None or usage.completion_tokens > self.max_tokens:
            return False
        return longest_prompt is None or usage.prompt_tokens <= longest_prompt

    def _cost(self, usage: Usage | None) -> float | None:
        price = self._price()
        if price is None or usage is None:
            return None
        return usage.prompt_tokens * price.input + usage.completion_tokens * price.output

    def _price(self) -> Price | None:
        """None: not known."""
        if self.input_usd_per_million is None or self.output_usd_per_million is None:
            return None
        return Price(self.input_usd_per_million / _PER_MILLION, self.output_usd_per_million / _PER_MILLION)

    def _key(self) -> str | None:
        """The key that is sent; None: none, or one that only the client library knows."""
        return os.environ.get(self.api_key_env) or None if self.api_key_env is not None else None

    @staticmethod
    def _longest_prompt(request: Request) -> int:
        """In tokens: a byte each, and what the model's chat template adds."""
        said = sum(len(message.content.encode()) + _TOKENS_OF_A_MESSAGE for message in request.messages)
        schema = len(str(request.json_schema).encode()) if request.json_schema is not None else 0
        return said + schema + _TOKENS_OF_A_CHAT_TEMPLATE
