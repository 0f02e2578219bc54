"""Reading a streamed chat completion of llama.cpp's server.

Source: OpenAI's API reference, "The chat completion chunk object", and llama.cpp's tools/server/README.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, TypeAdapter
from twt_core.errors import TeacherError
from twt_core.records import Completion, TokenLogprob, Usage
from twt_core.settings import Json

_SERVER_FAULT = 500


class _Error(BaseModel):
    code: int = _SERVER_FAULT
    message: str = "no message"
    type: str = ""


class _Delta(BaseModel):
    content: str | None = None


class _Token(BaseModel):
    logprob: float


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Choice(BaseModel):
    delta: _Delta = _Delta()
    logprobs: _Logprobs | None = None
    finish_reason: str | None = None

    @property
    def tokens(self) -> list[_Token]:
        return (self.logprobs.content or []) if self.logprobs else []


class _Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class _Part(BaseModel):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: _Error | None = None


_PARTS = TypeAdapter(list[_Part])


def completion(parts: Sequence[Json]) -> Completion:
    """The answer that a stream's parts make up.

    Raises:
        TeacherError: there is none.
    """
    read = _PARTS.validate_python(parts)
    for part in read:
        if part.error is not None:
            raise _refused(part.error)
    choices = [choice for part in read for choice in part.choices]
    finished = [choice.finish_reason for choice in choices if choice.finish_reason is not None]
    if not finished:
        raise TeacherError("llama.cpp's answer broke off")
    used = [part.usage for part in read if part.usage is not None]
    return Completion(
        text="".join(choice.delta.content or "" for choice in choices),
        logprobs=_logprobs(choices),
        usage=Usage(**used[-1].model_dump()) if used else None,
        cost_usd=0.0,
        finish_reason=finished[-1],
    )


def _logprobs(choices: Sequence[_Choice]) -> tuple[TokenLogprob, ...] | None:
    """What each token adds to the text, so that joined they are the text; None if there are none.

    A text that comes without its token, since llama.cpp held it back, is the token's before it.
    """
    found: list[TokenLogprob] = []
    for choice in choices:
        text = choice.delta.content
        if not text:  # of what the model thinks, which is not in the answer
            continue
        if choice.tokens:
            found += [TokenLogprob("", token.logprob) for token in choice.tokens[:-1]]
            found.append(TokenLogprob(text, choice.tokens[-1].logprob))
        elif found:
            found[-1] = TokenLogprob(found[-1].token + text, found[-1].logprob)
        else:
            return None
    return tuple(found) or None


def _refused(error: _Error) -> TeacherError:
    if error.type == "exceed_context_size_error":
        return TeacherError(f"{error.message} (context_size), or shorten the prompt", retry="never")
    said = f"{error.type or error.code}: {error.message}"
    return TeacherError(said, retry="now" if error.code >= _SERVER_FAULT else "never")
