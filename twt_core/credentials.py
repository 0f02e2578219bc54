"""Telling a key that was written where it does not belong, without ever printing it."""

from __future__ import annotations

import re

#: What to do instead. It never holds the value.
ADVICE = "keys are read from the environment (e.g. OPENAI_API_KEY), never from the config"

# `max_tokens`, `eos_token` and `api_key_env` are ordinary options, so "token" counts only alone or after such a word.
_NAME = re.compile(
    r"(.*_)?(api_?key|secret(_?key)?|access_?key|password|passwd|authorization|((api|access|auth|bearer|hf|hub)_?)token)|token"
)
_VALUE = re.compile(
    r"""(?<![A-Za-z0-9])(
        sk-(?=[\w-]*[0-9])[\w-]{6,} | sk-[\w-]{20,}
      | AIza[\w-]{20,}
      | hf_[A-Za-z0-9]{16,}
      | (gsk|gh[pousr]|github_pat)_\w{16,}
      | xai-[\w-]{16,}
      | AKIA[A-Z0-9]{12,}
      | Bearer\s+[\w.~+/=-]{6,}
      | [a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@
    )""",
    re.VERBOSE,
)


def names_secret(key: str) -> bool:
    """Whether an option of this name would hold a key or password."""
    return _NAME.fullmatch(key.lower().replace("-", "_")) is not None


def holds_secret(text: str) -> bool:
    """Whether a text has something in it that looks like an API key, or a URL with a password."""
    return _VALUE.search(text) is not None
