"""Any API or OpenAI-compatible server, through LiteLLM."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from functools import cached_property, lru_cache

from pydantic import Field

from twt_core.components import BatchService
from twt_core.errors import InputError
from twt_core.records import Completion, Query, Request
from twt_core.settings import Json
from twt_plugins.teachers.chat_completion import Answer
from twt_plugins.teachers.litellm_library import failure, library
from twt_plugins.teachers.openai_batches import PROVIDERS, OpenAIBatches
from twt_plugins.teachers.served import BaseUrl, Price, ServedModel


class LiteLLM(ServedModel):
    """A model by its LiteLLM name: ``openai/gpt-4o-mini``, ``mistral/mistral-large-latest``, ``hosted_vllm/NAME`` with
    `api_base` for one's own server.

    The key comes from the environment, under the provider's usual name or `api_key_env`. With `batch` the answers come
    through the provider's batch API: within a day, at a lower price.
    """

    not_identity = ServedModel.not_identity | {
        "batch", "batch_discount", "batch_wait_seconds", "batch_poll_seconds",
    }  # fmt: skip

    model: str = Field(min_length=1, description="LiteLLM's name of the model, with its provider.")
    api_base: BaseUrl | None = Field(
        default=None, description="URL of an OpenAI-compatible server, e.g. http://127.0.0.1:8000/v1."
    )
    api_key_env: str | None = Field(
        default=None,
        description="Environment variable that holds the key, if not the usual one; with api_base no other is sent.",
    )
    input_usd_per_million: float | None = Field(
        default=None, ge=0, description="Price of input tokens, if LiteLLM's table lacks it."
    )
    output_usd_per_million: float | None = Field(default=None, ge=0, description="Price of output tokens, likewise.")
    batch: bool = Field(default=False, description="Ask through the provider's batch API.")
    batch_discount: float = Field(
        default=0.5, gt=0, le=1, description="What a batch's tokens cost, as a share of the usual price."
    )
    batch_wait_seconds: float = Field(
        default=0,
        ge=0,
        description="How long a run waits for its batches; 0: the next run collects them.",
    )
    batch_poll_seconds: float = Field(default=60, gt=0, description="How often it looks meanwhile.")

    def preflight(self, queries: Sequence[Query]) -> None:
        """Look for the key, and for a batch API if one is to be used."""
        super().preflight(queries)
        library()  # its import takes seconds, which are not to be a call's
        if self.batch and self.provider not in PROVIDERS:
            raise InputError(
                f"teacher {self.name!r}: batches work with {', '.join(sorted(PROVIDERS))}, not with {self.provider}: "
                "set batch: false"
            )
        if self.api_key_env is not None or self.api_base is not None:
            return
        missing = library().validate_environment(model=self.model)["missing_keys"]
        if missing:
            raise InputError(
                f"teacher {self.name!r} ({self.model}): set the environment variable {' and '.join(missing)}"
            )

    async def close(self) -> None:
        """See `Teacher.close`."""
        if self.batch:
            # LiteLLM makes a client for each call of a batch API and leaves it to the garbage collector, which closes
            # it in the loop of that moment. It has to be this one.
            gc.collect()
            await asyncio.sleep(0.01)

    def batch_service(self) -> BatchService | None:
        """See `Teacher.batch_service`."""
        return OpenAIBatches(self) if self.batch else None

    def worst_case_usd(self, request: Request) -> float | None:
        """See `ServedModel.worst_case_usd`; with `batch`, at the batch's price."""
        worst = super().worst_case_usd(request)
        return worst if worst is None or not self.batch else worst * self.batch_discount

    def batch_completion(self, answer: Answer) -> Completion:
        """An answer out of a batch, at the batch's price."""
        full = self.completion(answer)
        cost = None if full.cost_usd is None else full.cost_usd * self.batch_discount
        return full.model_copy(update={"cost_usd": cost})

    def batch_body(self, request: Request) -> dict[str, Json]:
        """The request's body in a batch: what `complete` sends to a provider of an OpenAI-style API.

        Raises:
            TeacherError: the model does not take one of the options.
        """
        model, provider = self._at_provider
        try:
            mapped = library().utils.get_optional_params(
                model=model, custom_llm_provider=provider, **self.options(request)
            )
        except Exception as error:  # noqa: BLE001  # whatever LiteLLM says to an option
            raise self.told(failure(error)) from None
        sent = {name: value for name, value in mapped.items() if name not in {"extra_body", "stream"}}
        return {"model": model, "messages": _messages(request), **sent, **mapped.get("extra_body", {})}

    def options(self, request: Request) -> dict[str, Json]:
        """See `ServedModel.options`. A `top_p` that changes nothing is not sent to models that refuse it."""
        sent = super().options(request)
        if self.top_p == 1 and "top_p" not in supported_options(*self._at_provider):
            del sent["top_p"]
        return sent

    def connection(self) -> dict[str, str]:
        """Where to and with which key, as LiteLLM's keyword arguments; what it knows by itself is left out."""
        given = {"api_base": self.api_base, "api_key": self._sent_key()}
        return {name: value for name, value in given.items() if value}

    @property
    def provider(self) -> str:
        """LiteLLM's name of the provider."""
        return self._at_provider[1]

    async def _reply(self, request: Request) -> Json:
        try:
            response = await library().acompletion(
                model=self.model,
                messages=_messages(request),
                num_retries=0,
                max_retries=0,
                timeout=self.timeout,
                **self.connection(),
                **self.options(request),
            )
            body: Json = response.model_dump(warnings=False)
        except Exception as error:  # noqa: BLE001  # LiteLLM raises what the provider's client raised
            raise failure(error) from None
        return body

    @cached_property
    def _at_provider(self) -> tuple[str, str]:
        try:
            model, provider, _, _ = library().get_llm_provider(self.model, api_base=self.api_base)
        except Exception:  # noqa: BLE001  # its way to say that it knows no such provider
            raise InputError(
                f"teacher {self.name!r}: {self.model!r} names no provider: write e.g. openai/{self.model}"
            ) from None
        return model, provider

    def _sent_key(self) -> str | None:
        # A server of one's own wants no key, but the client insists on one.
        return self._key() or ("not-needed" if self.api_base is not None else None)

    def _price(self) -> Price | None:
        return super()._price() or listed_price(self.model)


def _messages(request: Request) -> list[Json]:
    return [dict(message._asdict()) for message in request.messages]


@lru_cache(maxsize=256)
def supported_options(model: str, provider: str) -> frozenset[str]:
    """The options that a model takes, by LiteLLM's tables."""
    return frozenset(library().get_supported_openai_params(model=model, custom_llm_provider=provider) or ())


@lru_cache(maxsize=256)
def listed_price(model: str) -> Price | None:
    """LiteLLM's price of a model; None where its table has none."""
    try:
        info = library().get_model_info(model)
    except Exception:  # noqa: BLE001  # its way to say that the model is not in the table
        return None
    costs = info.get("input_cost_per_token"), info.get("output_cost_per_token")
    # A model that is not in the table may come back with zeros.
    return Price(*costs) if all(costs) else None
