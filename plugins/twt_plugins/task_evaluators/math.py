"""Math questions: answers compared by value, not by letter."""

from __future__ import annotations

import re
from fractions import Fraction
from math import isclose, prod
from pathlib import Path
from typing import ClassVar

from twt_core.records import Query
from twt_plugins.task_evaluators.prompted import PROMPTS, PromptedTask

#: Longer texts are no answers; symbolic algebra on them can take forever.
LONGEST = 200

_PLAIN = re.compile(
    r"(?P<sign>[-+]?)\s*(?:\\?\$|[€£])?\s*(?P<sign2>[-+]?)"
    r"(?:(?:(?P<whole>\d+)\s+)?(?P<top>\d+)\s*/\s*(?P<bottom>\d+)|(?P<decimal>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?))"
    r"\s*(?P<percent>\\?%)?(?:\s+(?P<unit>[^\W\d]+(?:\s+[^\W\d]+)*))?"
)
_NO_UNIT = frozenset({"x", "y", "z", "n", "i", "e", "pi", "sqrt", "sin", "cos", "tan", "log", "ln", "and", "or", "to"})
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_IN_WORDS = re.compile(r"\\(?:text|mathrm|mbox)\{([^{}]*)\}")
_SHORT_POWER = re.compile(r"\^\{(-?\w{1,3})\}")
_EXPONENT = re.compile(r"(?:\^|\*\*)[\s({+-]*(\d+)")
_COSTLY = re.compile(
    r"(?:\^|\*\*)\s*[({\\].*(?:\^|\*\*|!)"  # a power within an exponent
    r"|(?:\^|\*\*)\s*-?\w+\s*(?:\^|\*\*|!)"
    r"|\d{4,}\s*!|![\s)}]*!|\\(?:i*int|oint|sum|prod|lim|[dt]?binom)\b"
)


class Math(PromptedTask):
    """Numbers and expressions, right when equal in value: 1/2 is 0.5 is \\frac{1}{2}; units and currency do not count.

    A percentage equals both its number and its fraction (50% is 50 and 0.5), as in the graders of the field.
    """

    built_in: ClassVar[dict[str, Path]] = {**PromptedTask.built_in, "teacher_template": PROMPTS / "math.teacher.j2"}
    answer_form: ClassVar[str] = "the result alone"

    def same(self, label: str, other: str, query: Query) -> bool:
        """Whether the values are equal, non-integers to six digits. What is no math is equal as text only."""
        first, second = _tidy(label), _tidy(other)
        if first == second:
            return True
        one, two = _plain(first), _plain(second)
        if one and two:
            one, two = (one[:1], two[:1]) if len(one) == len(two) else (one, two)
            return any(_close(x, y) for x in one for y in two)
        return _usable(first) and _usable(second) and _equal_by_algebra(first, second)


def _tidy(label: str) -> str:
    if len(label) > LONGEST:
        return label
    bare = _IN_WORDS.sub(r" \1", label).replace("\u2212", "-").replace("\\!", "").replace("\\,", " ")
    bare = bare.strip().rstrip(".").rstrip()
    if len(bare) > 1 and bare[0] == bare[-1] == "$":
        bare = bare.strip("$").strip()
    return " ".join(_THOUSANDS.sub("", bare).split())


def _plain(text: str) -> tuple[Fraction, ...]:
    """What a number with or without a unit can stand for; nothing if the text is anything else."""
    found = _PLAIN.fullmatch(text) if len(text) <= LONGEST else None
    if not found:
        return ()
    part = found.groupdict()
    if set((part["unit"] or "").casefold().split()) & _NO_UNIT or (part["bottom"] and not int(part["bottom"])):
        return ()
    value = Fraction(part["decimal"] or f"{part['top']}/{part['bottom']}") + int(part["whole"] or 0)
    value = -value if "-" in (part["sign"], part["sign2"]) else value
    return (value, value / 100) if part["percent"] else (value,)


def _close(one: Fraction, two: Fraction) -> bool:
    if one.denominator == two.denominator == 1:
        return one == two
    return isclose(one, two, rel_tol=1e-6)


def _usable(text: str) -> bool:
    """Whether algebra may be tried. It runs without a time limit: limits by signal work in the main thread only."""
    if len(text) > LONGEST or ":" in text or not re.search(r"[\d\\]|^\w$", text):
        return False
    short = _SHORT_POWER.sub(r"^\1", text)
    return not _COSTLY.search(short) and prod(int(power) for power in _EXPONENT.findall(short)) <= 1000


def _equal_by_algebra(one: str, two: str) -> bool:
    import logging

    # It warns that no time limit is set, and logs what it cannot parse.
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    from math_verify import parse, verify

    first, second = (parse(f"${text}$", parsing_timeout=None) for text in (one, two))
    return any(verify(a, b, timeout_seconds=None) for a, b in ((first, second), (second, first)))
