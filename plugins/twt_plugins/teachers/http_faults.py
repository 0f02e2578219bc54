"""What a server's refusal, or its silence, means for the next try and for the bill."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from twt_core.errors import TeacherError

Retry = Literal["now", "later", "never"]

_PASSING = frozenset({408, 409, 425, 429})
_WRONG_REQUEST = frozenset({400, 413, 422})
# A gateway that heard nothing from the model's server: that one may have answered.
_UNHEARD = frozenset({502, 504, 524})
# What somebody has to act on, whatever status it comes with: a spent account, or a key that a 400 speaks of.
_SPENT = re.compile(r"insufficient_quota|billing_hard_limit|credit balance is too low", re.IGNORECASE)
_BAD_KEY = re.compile(r"api.?key.?(not.valid|invalid)|invalid.api.?key|incorrect.api.?key", re.IGNORECASE)

_LONGEST_MESSAGE = 500
_MUCH = 10_000
_SHORTEST_SECRET = 8


def refused(status: int, said: str, *, wait: str | None = None, maybe_billed: bool = False) -> TeacherError:
    """A server's answer that is an error.

    Args:
        status: HTTP's.
        said: the error's code and text.
        wait: the header Retry-After.
        maybe_billed: the answer came with status 200 all the same.
    """
    return TeacherError(
        said,
        retry=retry_of(status, said),
        maybe_billed=maybe_billed or status in _UNHEARD,
        retry_after=seconds(wait) if wait is not None else None,
    )


def retry_of(status: int, said: str) -> Retry:
    """When the same request may be answered after an error with this status and text."""
    if _SPENT.search(said) or (status in _WRONG_REQUEST and _BAD_KEY.search(said)):
        return "later"
    if status in _PASSING or status >= 500:
        return "now"
    return "never" if status in _WRONG_REQUEST else "later"


def seconds(retry_after: str) -> float | None:
    """The seconds that a Retry-After header asks for, from now on. None: it makes no sense, or has passed.

    Source: RFC 9110, section 10.2.3: a number of seconds, or a date.
    """
    try:
        asked = float(retry_after)
    except ValueError:
        asked = _until(retry_after)
    return asked if math.isfinite(asked) and asked >= 0 else None


def _until(date: str) -> float:
    try:
        then = parsedate_to_datetime(date)
    except ValueError:
        return math.nan
    return (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def without_secrets(error: TeacherError, secrets: Iterable[str]) -> TeacherError:
    """The same error with a message of one line, 500 characters at most, in which no key stands.

    Hidden are `secrets` and what the environment holds under names that end in _KEY or _TOKEN.
    """
    message = str(error)
    for secret in sorted({*secrets, *_keys_in_environment()}, key=len, reverse=True):
        message = message.replace(secret, "***")  # before any cut, which could leave a part of a key
    return TeacherError(
        _printable(message[:_MUCH])[:_LONGEST_MESSAGE],
        retry=error.retry,
        maybe_billed=error.maybe_billed,
        retry_after=error.retry_after,
    )


def _printable(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _keys_in_environment() -> list[str]:
    named = [value for name, value in os.environ.items() if name.upper().endswith(("_KEY", "_TOKEN"))]
    return [value for value in named if len(value) >= _SHORTEST_SECRET]
