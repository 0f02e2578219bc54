"""The lines of an OpenAI batch's output and error files, for chat completions.

Source: OpenAI's API reference, "Batch: the request output object". Fields that mean nothing here are passed over.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from twt_core.records import Completion, TokenLogprob, Usage

_OK = 200


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Token(_Part):
    token: str
    logprob: float


class _Logprobs(_Part):
    content: list[_Token] | None = None


class _Message(_Part):
    content: str | None = None


class _Choice(_Part):
    message: _Message
    logprobs: _Logprobs | None = None
    finish_reason: str | None = None


class _Usage(_Part):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class Answered(_Part):
    """The body of a response that is a chat completion."""

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage | None = None

    def completions(self) -> list[Completion]:
        """One a choice. Tokens are counted for the request, not for a choice: the first one carries the usage."""
        usage = Usage(**self.usage.model_dump()) if self.usage else None
        return [_completion(choice, None if index else usage) for index, choice in enumerate(self.choices)]


def _completion(choice: _Choice, usage: Usage | None) -> Completion:
    listed = (choice.logprobs.content if choice.logprobs else None) or ()
    return Completion(
        text=choice.message.content or "",  # null where the model refused
        logprobs=tuple(TokenLogprob(token.token, token.logprob) for token in listed) or None,
        usage=usage,
        cost_usd=0.0,
        finish_reason=choice.finish_reason,
    )


class _Error(_Part):
    code: Any = None
    message: Any = None


class _Response(_Part):
    status_code: int
    body: Any = None  # what is wrong in it is no reason to lose the line


class BatchRow(_Part):
    """What became of one request of a batch: the server's response, or an error of the batch (expired, cancelled)."""

    custom_id: str
    response: _Response | None = None
    error: _Error | None = None

    @property
    def failure(self) -> str | None:
        """Why there is no answer, in the provider's words; None if there is one, in `response.body`."""
        if self.error is None and self.response is not None and self.response.status_code == _OK:
            return None
        status = [f"status {self.response.status_code}"] if self.response is not None else []
        error = self.error or self._refusal
        said = [str(part) for part in (error.code, error.message) if part] if error else []
        return ": ".join(["the batch's request failed", *status, *said])

    @property
    def _refusal(self) -> _Error | None:
        body = self.response.body if self.response is not None else None
        error = body.get("error") if isinstance(body, dict) else None
        return _Error.model_validate(error) if isinstance(error, dict) else None
