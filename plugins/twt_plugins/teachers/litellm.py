"""Any API or OpenAI-compatible server, through LiteLLM."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from twt_core.components import Teacher
from twt_core.errors import InputError, TeacherError
from twt_core.records import Completion, Query, Request, TokenLogprob, Usage

_PER_MILLION = 1e6
_LONGEST_WAIT = 60.0


class Price(NamedTuple):
    """US dollars per token."""

    input: float
    output: float


class LiteLLM(Teacher):
    """A model by its LiteLLM name: ``openai/gpt-4o-mini``, ``mistral/mistral-large-latest``, ``hosted_vllm/NAME`` with
    `api_base` for one's own server.

    The key comes from the environment, under the provider's usual name or `api_key_env`. Retries are this class's own:
    LiteLLM is told to make none, so that a call is one request.
    """

    not_identity = Teacher.not_identity | {
        "timeout", "retries", "api_key_env", "input_usd_per_million", "output_usd_per_million",
    }  # fmt: skip

    model: str = Field(min_length=1, description="LiteLLM's name of the model, with its provider.")
    api_base: str | None = Field(
        default=None, description="URL of an OpenAI-compatible server, e.g. http://127.0.0.1:8000/v1."
    )
    api_key_env: str | None = Field(
        default=None,
        description="Environment variable that holds the key, if not the usual one; with api_base no other is sent.",
    )
    temperature: float = Field(default=0.7, ge=0, le=2, description="Sampling temperature.")
    top_p: float = Field(default=1.0, gt=0, le=1, description="Nucleus sampling.")
    max_tokens: int = Field(default=2048, ge=1, description="Most tokens of an answer; also bounds a call's price.")
    seed: int | None = Field(default=None, description="Sampling seed, where the provider takes one.")
    logprobs: bool = Field(
        default=False, description="Ask for token log-probabilities, which the logprob scorer needs."
    )
    timeout: float = Field(default=300, gt=0, description="Most seconds for one call, whatever the server does.")
    retries: int = Field(default=4, ge=0, le=20, description="Further tries after a rate limit or a server's fault.")
    input_usd_per_million: float | None = Field(
        default=None, ge=0, description="Price of input tokens, if LiteLLM's table lacks it."
    )
    output_usd_per_million: float | None = Field(default=None, ge=0, description="Price of output tokens, likewise.")

    @field_validator("api_base")
    @classmethod
    def _with_scheme(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value

    @model_validator(mode="after")
    def _both_prices(self) -> Self:
        if (self.input_usd_per_million is None) != (self.output_usd_per_million is None):
            raise ValueError("give both input_usd_per_million and output_usd_per_million, or neither")
        return self

    def preflight(self, queries: Sequence[Query]) -> None:
        """Look for the key."""
        if self.api_key_env is not None:
            if not os.environ.get(self.api_key_env):
                raise InputError(
                    f"teacher {self.name!r}: the environment variable {self.api_key_env} is not set or empty"
                )
            return
        if self.api_base is not None:
            return
        missing = _litellm().validate_environment(model=self.model)["missing_keys"]
        if missing:
            raise InputError(
                f"teacher {self.name!r} ({self.model}): set the environment variable {' and '.join(missing)}"
            )

    def worst_case_usd(self, request: Request) -> float | None:
        """All of the prompt's bytes as tokens, which no tokenizer exceeds by much, and the longest answer."""
        price = self._price()
        if price is None:
            return None
        longest_prompt = sum(len(message.content.encode()) + 16 for message in request.messages)
        return longest_prompt * price.input + self.max_tokens * price.output

    async def complete(self, request: Request) -> Completion:
        """See `Teacher.complete`."""
        unanswered = False
        for attempt in range(self.retries + 1):
            try:
                return self._completion(await asyncio.wait_for(self._call(request), self.timeout))
            except Exception as error:  # noqa: BLE001  # LiteLLM raises what the provider's client raised
                unanswered |= isinstance(error, TimeoutError)
                wait = _wait(error, attempt)
                if wait is None or attempt == self.retries:
                    raise TeacherError(self._describe(error), maybe_billed=unanswered) from None
                await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def _call(self, request: Request) -> Any:
        options: dict[str, Any] = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens}
        if self.seed is not None:
            options["seed"] = self.seed
        if self.logprobs:
            options["logprobs"] = True
        key = self._key()
        return await _litellm().acompletion(
            model=self.model,
            messages=[message._asdict() for message in request.messages],
            api_base=self.api_base,
            **({"api_key": key} if key else {}),
            num_retries=0,
            max_retries=0,
            timeout=self.timeout,
            **options,
        )

    def _key(self) -> str | None:
        if self.api_key_env is not None:
            return os.environ.get(self.api_key_env)
        # A server of one's own wants no key, but the client insists on one.
        return "not-needed" if self.api_base is not None else None

    def _completion(self, response: Any) -> Completion:
        choice = response.choices[0]
        counted = _usage(getattr(response, "usage", None))
        listed = getattr(getattr(choice, "logprobs", None), "content", None)
        logprobs = tuple(TokenLogprob(token.token, token.logprob) for token in listed) if listed else None
        return Completion(
            text=choice.message.content or "", logprobs=logprobs, usage=counted, cost_usd=self._cost(counted)
        )

    def _cost(self, usage: Usage | None) -> float | None:
        price = self._price()
        if price is None or usage is None:
            return None  # charged at its reservation
        return usage.prompt_tokens * price.input + usage.completion_tokens * price.output

    def _price(self) -> Price | None:
        if self.input_usd_per_million is not None and self.output_usd_per_million is not None:
            return Price(self.input_usd_per_million / _PER_MILLION, self.output_usd_per_million / _PER_MILLION)
        return listed_price(self.model)

    def _describe(self, error: Exception) -> str:
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        keys = [value for name, value in os.environ.items() if name.endswith(("_KEY", "_TOKEN")) and value]
        for key in [*keys, self._key()]:  # LiteLLM may have taken any of them
            text = text.replace(key, "***") if key else text
        return text[:500]


def _usage(reported: Any) -> Usage | None:
    # Where the server counted nothing, LiteLLM writes zeros; no prompt has none.
    try:
        usage = Usage(prompt_tokens=reported.prompt_tokens, completion_tokens=reported.completion_tokens)
    except (AttributeError, ValidationError):
        return None
    return usage if usage.prompt_tokens else None


def _wait(error: Exception, attempt: int) -> float | None:
    """Seconds to wait before the next try; None where trying again is no use."""
    status = getattr(error, "status_code", None)
    passing = (
        isinstance(error, TimeoutError) or status in {408, 409, 429} or (isinstance(status, int) and status >= 500)
    )
    if not passing or "insufficient_quota" in str(error):
        return None
    headers = getattr(error, "litellm_response_headers", None) or {}
    try:
        asked = float(headers.get("retry-after", ""))
    except ValueError:
        asked = 0.0
    return min(_LONGEST_WAIT, max(0.5 * 2.0**attempt, asked))


@lru_cache(maxsize=256)
def listed_price(model: str) -> Price | None:
    """LiteLLM's price of a model; None where its table has none."""
    litellm = _litellm()
    try:
        info = litellm.get_model_info(model)
    except Exception:  # noqa: BLE001  # its way to say that the model is not in the table
        return None
    costs = info.get("input_cost_per_token"), info.get("output_cost_per_token")
    # A model that is not in the table may come back with zeros.
    return Price(*costs) if all(costs) else None


def _litellm() -> Any:
    # Set before the import, which else fetches a price list and reads ./.env.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    return litellm
