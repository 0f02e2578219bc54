"""Texts of models and rows, made fit to be shown: what they say is seen, what they would do is not done."""

from __future__ import annotations

import re

_LINE_END = re.compile("\r\n|[\r\u2028\u2029]")
# Control characters, lone surrogates, what is no character, and turns of direction: others would see something else
# than what is there.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
#: The most characters of one text that a page holds.
LONGEST = 20_000


def visible(text: str) -> str:
    """The text with a mark in the place of control characters, lone surrogates and turns of direction.

    Line ends become newlines; newlines and tabs stay.
    """
    return _HIDDEN.sub("\N{REPLACEMENT CHARACTER}", _LINE_END.sub("\n", text))


def cut(text: str, longest: int) -> str:
    """The text, or its beginning and an ellipsis, in at most so many characters."""
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def shown(text: str) -> str:
    """A text as the page holds it: visible, and cut where it would make the page too large, which it then says."""
    if len(text) <= LONGEST:
        return visible(text)
    return f"{visible(text[:LONGEST])}\n[cut here: {LONGEST:,} of {len(text):,} characters are shown]"
