"""Text to parts and back: "Thinking: ...", "The answer is: ...", "Score: ...", as models really write them.

Every pattern takes time linear in the text: what repeats is bounded, stays within a line, or is checked once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from twt_core.records import Reading

_THINKING = re.compile(r"^[ \t#>*]*thinking(?: process)?[ \t*]*(?:[:\uff1a]|$)[ \t*]*", re.IGNORECASE | re.MULTILINE)
_ANSWER = re.compile(r"(?<!\w)answer[ \t*_\"]*(?:(is|would be)\b[ \t*_]*)?([:\uff1a])?", re.IGNORECASE)
_BEFORE_ANSWER = re.compile(  # matched against the few characters before "answer"
    r"(?P<line>(?:\A|(?<=\n))[ \t#>*\"{,-]*)?(?<!\w)(?:(?:so|thus|therefore|hence),?[ \t]+)?"
    r"(?P<the>the[ \t]+)?(?:most[ \t]+)?(?:(?:final|correct|right|best|only|likely|logical|appropriate|accurate"
    r"|suitable|reasonable|plausible|probable|sensible|fitting|possible|obvious)[ \t]+)?\Z",
    re.IGNORECASE,
)
_DENIED = re.compile(r"not\b", re.IGNORECASE)
_ASKS = re.compile(r"[^\n]{1,1000}\?[ \t*]*$", re.MULTILINE)  # "Final answer: Is it?", and then the answer
_LINE_SO_FAR = re.compile(r"[ \t#>*-]*\Z")
_NEXT_QUESTION = re.compile(r"^[ \t#>*]*question[ \t*]*[:\uff1a]", re.IGNORECASE | re.MULTILINE)
_BOXED = re.compile(r"\\boxed\s?\{")
_SENTENCE_END = re.compile(r"[.!?][ \t]+(?=[A-Z])")
_LONGEST_WRAPPED = 1000
_BETWEEN_BOXES = re.compile(r"[\s,;&/$\\()*]{0,20}|[^.\n]{0,60}(?:[,;&]|\b(?:and|or)\b)[^.\n]{0,20}", re.IGNORECASE)
_BEFORE_LABEL = " \t\n*`"
_MOST_BOXES = 10
_DISPLAYED = re.compile(r"(?:\\\[|\$\$)[ \t]*\n.{0,1000}?(?:\\\]|\$\$)", re.DOTALL)
_WRAPPERS = (("\\[", "\\]"), ("$$", "$$"), ("$", "$"), ('"', '"'), ("“", "”"), ("[", "]"), ("\\(", "\\)"))
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


def announced(text: str) -> bool:
    """Whether an answer is announced anywhere, even if none follows."""
    return _last_answer(text)[1] is not None


def has_answer_line(text: str) -> bool:
    """Whether a whole line of a text is "The answer is: X", X not empty.

    The first such line counts, though `read_parts` would take the last: a student is taught to end at it. Stricter than
    reading, since it ends the text: the line starts with the words (markup, "So," and "final" aside) and has the colon,
    X holds a letter or digit, and the line is not in a block of code and opens none.
    """
    found = [_mark(text, one) for one in _ANSWER.finditer(text) if one[1] and one[2]]
    return any(mark is not None and _is_answer_line(text, mark) for mark in found)


def _is_answer_line(text: str, mark: _Mark) -> bool:
    first_on_line = mark.start == 0 or text[mark.start - 1] == "\n"
    end = text.find("\n", mark.end) if first_on_line else -1
    label = _label(text[mark.end : end], True, ()) if end >= 0 else None
    in_code = text.count("```", 0, max(end, 0)) % 2 == 1 if label else False
    return label is not None and not in_code and any(map(str.isalnum, label))


class _Mark(NamedTuple):
    """Where "The answer is:" stands, lead words included; strong if written as the prompt asks, colon and all."""

    start: int
    end: int
    strong: bool


def _last_answer(text: str) -> tuple[str, _Mark | None]:
    """The text up to a next question that a model asks itself, and its last strong mark; without one, its last mark."""
    found = [mark for mark in _ANSWER.finditer(text) if mark[1] or mark[2]]
    first = next((mark for one in found if (mark := _mark(text, one))), None)
    boxed = _last_boxes(text)
    if first is None:
        return text, boxed
    question = _NEXT_QUESTION.search(text, first.end)
    end = question.start() if question else len(text)
    fallback = None
    for one in reversed([one for one in found if one.end() <= end]):
        mark = _mark(text, one)
        if mark and mark.strong and not _ASKS.match(text, mark.end):
            return text[:end], mark
        fallback = fallback or mark
    later = boxed and fallback and "\n" in text[fallback.end : boxed.start].lstrip(_BEFORE_LABEL)
    return text[:end], boxed if later and boxed and boxed.start < end else fallback


def _last_boxes(text: str) -> _Mark | None:
    """The last box, from the first of those that are joined to it by no more than a comma or a word."""
    boxes = list(_BOXED.finditer(text))[-_MOST_BOXES:]
    for at in range(len(boxes) - 1, -1, -1):
        between = text[boxes[at - 1].end() : boxes[at].start()] if at else ""
        if not at or len(between) > _LONGEST_WRAPPED or not _joined(between):
            return _Mark(boxes[at].start(), boxes[at].start(), True)
    return None


def _joined(between: str) -> bool:
    """Whether nothing but a conjunction is between the end of one box and the start of the next."""
    inside = _braced(between)
    return len(inside) < len(between) and _BETWEEN_BOXES.fullmatch(between, len(inside) + 1) is not None


def _mark(text: str, found: re.Match[str]) -> _Mark | None:
    at = max(0, found.start() - 40)
    before = _BEFORE_ANSWER.search(text[at : found.start()])
    start = at + before.start() if before else found.start()
    first_on_line = before is not None and before["line"] is not None and (start == 0 or text[start - 1] == "\n")
    if not found[2] and (not (before and before["the"]) or _DENIED.match(text, found.end())):
        return None
    return _Mark(start, found.end(), bool(found[2]) and (bool(found[1]) or first_on_line))


def _label(rest: str, strong: bool, factors: tuple[str, ...]) -> str | None:
    rest = rest.lstrip(_BEFORE_LABEL)
    displayed = _DISPLAYED.match(rest)
    line = " ".join(displayed[0].split()) if displayed else rest.partition("\n")[0]
    if cut := _named(factors).search(line):
        line = line[: cut.start()].rstrip(" \t,;|(*-")
    if not strong and (end := _SENTENCE_END.search(line)):
        line = line[: end.start()]
    return (_unwrapped(line) if len(line) <= _LONGEST_WRAPPED else line.strip()) or None


def _unwrapped(label: str) -> str:
    """Without what surrounds the answer itself: markdown, quotes, a box, a closing period."""
    while True:
        bare = label.strip().strip("*`").strip()
        bare = _unboxed(bare)
        if bare.endswith(".") and not _INITIALS.search(bare[-20:]):
            bare = bare[:-1]
        for left, right in _WRAPPERS:
            if len(bare) > len(left + right) and bare.startswith(left) and bare.endswith(right):
                inside = bare[len(left) : -len(right)]
                bare = bare if left in inside or right in inside else inside
        if bare == label:
            return bare
        label = bare


def _unboxed(text: str) -> str:
    """What is in the first box, and in those joined to it, so that several answers stay several."""
    boxes = list(_BOXED.finditer(text))
    if not boxes:
        return text
    inside = [_braced(text[boxes[0].end() :])]
    for one, two in pairwise(boxes[:_MOST_BOXES]):
        if not _joined(text[one.end() : two.start()]):
            break
        inside.append(_braced(text[two.end() :]))
    return " and ".join(inside)


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
