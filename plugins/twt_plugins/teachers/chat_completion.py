"""Reading an OpenAI-style chat completion, whatever is wrong with it. What can be used of a paid answer is kept.

Source: OpenAI's API reference, "The chat completion object".
"""

from __future__ import annotations

import math
from typing import NamedTuple

from twt_core.errors import TeacherError
from twt_core.records import TokenLogprob, Usage
from twt_core.settings import Json
from twt_plugins.teachers.http_faults import refused

#: The most bytes of a reply, and the most characters of a text. No model writes so much.
LONGEST_REPLY = 16 * 2**20

_OTHER_ERROR = 500


class Answer(NamedTuple):
    """The first choice of a chat completion, and what the server counted; `usage` is None where that means nothing."""

    text: str
    logprobs: tuple[TokenLogprob, ...] | None
    usage: Usage | None
    finish_reason: str | None


def read_answer(body: Json) -> Answer:
    """The answer in a reply with status 200.

    Raises:
        TeacherError: there is none; the call may have been billed.
    """
    if not isinstance(body, dict):
        raise TeacherError("the reply is no JSON object", maybe_billed=True)
    if body.get("error"):
        raise _refused_in_reply(body["error"])
    choice = _first(body.get("choices"))
    message = _part(choice, "message")
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise TeacherError("the reply has no choices, so no answer", maybe_billed=True)
    content, reason = message.get("content"), choice.get("finish_reason")
    return Answer(
        text=_text(content),
        logprobs=_logprobs(_part(choice.get("logprobs"), "content")),
        usage=_usage(body.get("usage")),
        finish_reason=reason if isinstance(reason, str) else None,
    )


def too_long() -> TeacherError:
    """A reply of more than `LONGEST_REPLY`. It is not asked for again at once: each such reply is billed."""
    return TeacherError(
        f"the reply is longer than {LONGEST_REPLY // 2**20} MiB: it was not read", retry="later", maybe_billed=True
    )


def error_text(error: Json) -> str:
    """What an error object says: its code, or else its type, and its message."""
    if not isinstance(error, dict):
        return str(error)
    parts = [error.get("code") or error.get("type"), error.get("message")]
    return ": ".join(str(part) for part in parts if part) or str(error)


def _refused_in_reply(error: Json) -> TeacherError:
    code = _part(error, "code")
    status = int(code) if isinstance(code, (int, str)) and str(code).isdecimal() and 400 <= int(code) < 600 else None
    said = f"an error with status 200: {error_text(error)}"
    return refused(status or _OTHER_ERROR, said, maybe_billed=True)


def _first(listed: Json) -> Json:
    return listed[0] if isinstance(listed, list) and listed else None


def _part(whole: Json, name: str) -> Json:
    return whole.get(name) if isinstance(whole, dict) else None


def _text(content: Json) -> str:
    """A message's content: a text, null, or a list of parts with texts."""
    if isinstance(content, list):
        content = "".join(text for part in content if isinstance(text := _part(part, "text"), str))
    if not isinstance(content, str):
        return ""
    if len(content) > LONGEST_REPLY:
        raise too_long()
    return _storable(content)


def _storable(text: str) -> str:
    # JSON can spell half of a surrogate pair, which no file can hold.
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _logprobs(listed: Json) -> tuple[TokenLogprob, ...] | None:
    if not isinstance(listed, list) or not listed:
        return None
    found = [_logprob(_part(token, "token"), _part(token, "logprob")) for token in listed]
    known = tuple(token for token in found if token is not None)
    return known if len(known) == len(found) else None


def _logprob(token: Json, logprob: Json) -> TokenLogprob | None:
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, (int, float)):
        return None
    return TokenLogprob(_storable(token), float(logprob)) if math.isfinite(logprob) else None


def _usage(reported: Json) -> Usage | None:
    prompt, completion = _part(reported, "prompt_tokens"), _part(reported, "completion_tokens")
    if type(prompt) is not int or type(completion) is not int or prompt <= 0 or completion < 0:
        return None  # no prompt has no tokens: zeros are LiteLLM's word for a count that is missing
    return Usage(prompt_tokens=prompt, completion_tokens=completion)
