"""Text to parts and back: "Thinking: ...", "The answer is: ...", "Score: ...", as models really write them.

Every pattern takes time linear in the text: what repeats is bounded, stays within a line, or is checked once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from twt_core.records import Reading

_THINKING = re.compile(r"^[ \t#>*]*thinking(?: process)?[ \t*]*(?:[:\uff1a]|$)[ \t*]*", re.IGNORECASE | re.MULTILINE)
_ANSWER = re.compile(r"(?<!\w)answer[ \t*_]*(?:(is)\b[ \t*_]*)?([:\uff1a])?", re.IGNORECASE)
_BEFORE_ANSWER = re.compile(  # matched against the few characters before "answer"
    r"(?P<line>(?:\A|(?<=\n))[ \t#>*-]*)?(?<!\w)(?:(?:so|thus|therefore|hence),?[ \t]+)?"
    r"(?P<the>the[ \t]+)?(?:(?:final|correct|right)[ \t]+)?\Z",
    re.IGNORECASE,
)
_LINE_SO_FAR = re.compile(r"[ \t#>*-]*\Z")
_NEXT_QUESTION = re.compile(r"^[ \t#>*]*question[ \t*]*[:\uff1a]", re.IGNORECASE | re.MULTILINE)
_BOXED = re.compile(r"\\boxed\s?\{")
_SENTENCE_END = re.compile(r"[.!?][ \t]+(?=[A-Z])")
_LONGEST_WRAPPED = 1000
_WRAPPERS = (("$", "$"), ('"', '"'), ("“", "”"), ("[", "]"), ("\\(", "\\)"))
_INITIALS = re.compile(r"(?:\b[^\W\d_]\.){2,}\Z")  # "p.m.": its last period belongs to it
_NAMED = r"(?<!\w)(?:{})[ \t*_`]*(?:\([^()\n]{{0,60}}\))?[ \t*_`]*[:\uff1a=]"
_SCORE = re.compile(_NAMED.format("score|confidence"), re.IGNORECASE)
_NUMBER = r"([+-]?(?:\d{1,12}\.?\d{0,30}|\.\d{1,30}))(?![.,]?\d|\w)"
_FRACTION = re.compile(
    rf"[\s*_`(\[\"']{{0,20}}(?:\\boxed\{{)?{_NUMBER}[ \t]?(?:(%)|(?:/|out of)[ \t]?{_NUMBER})?"
    r"(?![ \t*_`]{0,5}[-+*\u00d7/^=~][ \t]?\.?\d)",  # followed by arithmetic it is a term, not the score
    re.IGNORECASE,
)


def completion(rationale: str | None, label: str) -> str:
    """The text to be learned: the rationale, if any, then "The answer is: label". `read_parts` finds both again."""
    answer = f"The answer is: {label}"
    return f"{rationale}\n{answer}" if rationale else answer


def read_parts(text: str, factors: Iterable[str] = ()) -> Reading:
    """The parts of a teacher's or student's text.

    The label is the last answer that is marked as one, on one line. Score and factors count only after it (with no
    answer, on the last line), and only from 0 to 1; a percentage or "9/10" is a number, too. Never raises.

    Args:
        text: any text.
        factors: the names to look for, as the keys of the result; "_" stands for a space.
    """
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n")
    text, found = _last_answer(text)
    if found:
        start, tail = found.start, text[found.end :]
        label = _label(tail, found.strong, tuple(factors))
    else:
        label, start = None, len(text.rstrip())
        last_line = text.rfind("\n", 0, start) + 1
        tail = text[last_line:]
        if _SCORE.match(tail.lstrip(" \t#>*")):
            start = last_line
    scores = _fractions(tail, tuple(factors))
    score = scores.pop("", None)
    known = {name: value for name, value in scores.items() if value is not None}
    return Reading(rationale=_rationale(text[:start]), label=label, factors=known, score=score)


def has_answer_line(text: str) -> bool:
    """Whether a whole line of a text is "The answer is: X", X not empty.

    The first such line counts, though `read_parts` would take the last: a student is taught to end at it. Stricter than
    reading, since it ends the text: the line starts with the words (markup, "So," and "final" aside) and has the colon,
    X holds a letter or digit, and the line is not in a block of code and opens none.
    """
    found = [_mark(text, one) for one in _ANSWER.finditer(text) if one[1] and one[2]]
    return any(mark is not None and _is_answer_line(text, mark) for mark in found)


def _is_answer_line(text: str, mark: _Mark) -> bool:
    line, whole, _ = text[mark.end :].partition("\n")
    first_on_line = mark.start == 0 or text[mark.start - 1] == "\n"
    in_code = text.count("```", 0, mark.end + len(line)) % 2 == 1
    label = _label(line, True, ()) if whole and first_on_line and not in_code else None
    return label is not None and any(map(str.isalnum, label))


class _Mark(NamedTuple):
    """Where "The answer is:" stands, lead words included; strong if written as the prompt asks, colon and all."""

    start: int
    end: int
    strong: bool


def _last_answer(text: str) -> tuple[str, _Mark | None]:
    """The text up to a next question that a model asks itself, and its last strong mark; without one, its last mark."""
    found = [mark for mark in _ANSWER.finditer(text) if mark[1] or mark[2]]
    first = next((mark for one in found if (mark := _mark(text, one))), None)
    if first is None:
        boxed = _last(_BOXED, text)
        return text, _Mark(boxed.start(), boxed.start(), True) if boxed else None
    question = _NEXT_QUESTION.search(text, first.end)
    end = question.start() if question else len(text)
    fallback = None
    for one in reversed([one for one in found if one.end() <= end]):
        mark = _mark(text, one)
        if mark and mark.strong:
            return text[:end], mark
        fallback = fallback or mark
    return text[:end], fallback


def _mark(text: str, found: re.Match[str]) -> _Mark | None:
    at = max(0, found.start() - 40)
    before = _BEFORE_ANSWER.search(text[at : found.start()])
    start = at + before.start() if before else found.start()
    first_on_line = before is not None and before["line"] is not None and (start == 0 or text[start - 1] == "\n")
    if not found[2] and not (before and before["the"]):
        return None
    return _Mark(start, found.end(), bool(found[2]) and (bool(found[1]) or first_on_line))


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for found in pattern.finditer(text):  # noqa: B007 - the last one is wanted
        pass
    return found


def _label(rest: str, strong: bool, factors: tuple[str, ...]) -> str | None:
    line = rest.lstrip(" \t\n*`").partition("\n")[0]
    if cut := _named(factors).search(line):
        line = line[: cut.start()].rstrip(" \t,;|(*-")
    if not strong and (end := _SENTENCE_END.search(line)):
        line = line[: end.start()]
    return (_unwrapped(line) if len(line) <= _LONGEST_WRAPPED else line.strip()) or None


def _unwrapped(label: str) -> str:
    """Without what surrounds the answer itself: markdown, quotes, a box, a closing period."""
    while True:
        bare = label.strip().strip("*`").strip()
        if boxed := _BOXED.search(bare):
            bare = _braced(bare[boxed.end() :])
        if bare.endswith(".") and not _INITIALS.search(bare[-20:]):
            bare = bare[:-1]
        for left, right in _WRAPPERS:
            if len(bare) > len(left + right) and bare.startswith(left) and bare.endswith(right):
                inside = bare[len(left) : -len(right)]
                bare = bare if left in inside or right in inside else inside
        if bare == label:
            return bare
        label = bare


def _braced(text: str) -> str:
    """Up to the brace that closes, or all."""
    depth = 1
    for at, char in enumerate(text):
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return text[:at]
    return text


@lru_cache(maxsize=64)
def _named(factors: tuple[str, ...]) -> re.Pattern[str]:
    """A factor (group 1) or the score, up to its value."""
    names = "|".join(re.escape(name).replace("_", "[ _-]?") for name in sorted(factors, key=len, reverse=True))
    one = f"({names})(?:[ \t]score)?|(?:[a-z]+[ \t])?(?:score|confidence)" if names else "()(?!)|score|confidence"
    return re.compile(_NAMED.format(one), re.IGNORECASE)


def _fractions(tail: str, factors: tuple[str, ...]) -> dict[str, float | None]:
    """The last value of each factor, and of the score under ""; None for one that is no number from 0 to 1."""
    found: dict[str, float | None] = {}
    keys = {_key(name): name for name in factors}
    for match in _named(factors).finditer(tail):
        value = tail[match.end() : match.end() + 200]
        name = keys[_key(match[1])] if match[1] else ""
        found[name] = _fraction(value if name else _result(value))
    return found


def _key(name: str) -> str:
    return re.sub(r"[ _-]", "", name).casefold()


def _result(value: str) -> str:
    """What stands behind the last "=" of the score's line, since models show their sums."""
    first_line = value.lstrip().partition("\n")[0]
    return first_line.rpartition("=")[2]


def _fraction(text: str) -> float | None:
    found = _FRACTION.match(text)
    if found is None:
        return None
    value = float(found[1]) / (100 if found[2] else 1)
    if found[3]:
        value = value / float(found[3]) if float(found[3]) else -1.0
    return value if 0 <= value <= 1 and found[1][0] != "-" else None


def _rationale(text: str) -> str:
    line = text.rfind("\n") + 1
    # "**The answer is" leaves its markup on the line; a rationale that ends in "C#" is on a line of its own.
    text = text[:line] if _LINE_SO_FAR.match(text, line) else text.rstrip(" \t*$")
    if header := _THINKING.search(text):
        text = text[header.end() :]
    return text.strip()
