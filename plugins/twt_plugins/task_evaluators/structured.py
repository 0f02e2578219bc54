"""Structured answers: one JSON object with "rationale", "answer" and "scores", instead of the paper's text format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from twt_core.records import Reading
from twt_core.settings import Json

_FENCED = re.compile(r"\A```(?:json)?[ \t]*\n(.*?)\n?```\Z", re.DOTALL | re.IGNORECASE)


def read_object(text: str, factors: Iterable[str] = ()) -> Reading | None:
    """The parts of a structured answer (`TaskEvaluator.answer_schema`); None for a text that is none.

    A part of the wrong type, and a score outside 0 to 1, is left out as it is in a text. Never raises.
    """
    found = _object(text)
    if found is None or not {"rationale", "answer"} & found.keys():
        return None
    scores = found.get("scores")
    named = scores if isinstance(scores, dict) else {}
    known = {name: value for name in factors if (value := _fraction(named.get(name))) is not None}
    return Reading(
        rationale=_text(found.get("rationale", found.get("reasoning"))),
        label=_text(found.get("answer")) or None,
        factors=known,
        score=_fraction(found.get("score")),
    )


def _object(text: str) -> dict[str, Json] | None:
    bare = text.strip()
    if fenced := _FENCED.match(bare):
        bare = fenced[1].strip()
    if not bare.startswith("{"):
        return None
    try:
        found = json.loads(bare)
    except (ValueError, RecursionError):  # cut off, or no JSON at all: the text is read as text
        return None
    return found if isinstance(found, dict) else None


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8").strip()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    return str(value)  # an answer of 7 is the answer "7"


def _fraction(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= 1 else None
