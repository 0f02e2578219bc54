"""The numbers that texts state: which, with what unit, and whether two are equal.

Every pattern takes time linear in the text, and no text is longer than `LONGEST` where one is taken apart.
"""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from math import isclose
from typing import NamedTuple

from twt_plugins.task_evaluators.notation import LONGEST

_LONGEST_SUM = 200
_SUM = re.compile(r"[\d.+*/()\s-]+")
#: How far back from the end of a text its last number is looked for.
_TAIL = 20_000

_CURRENCY = r"(?:(?:US|C|A|HK|NZ)?\$|[€£¥₹]|(?:USD|EUR|GBP|INR|Rs\.?)(?![A-Za-z]))"
_WORD = r"[^\W\d_]+(?:['.-][^\W\d_]+)*['.]?(?:\^\{?[23]\}?)?"
_PLAIN = re.compile(
    rf"(?P<sign>[-+]?)\s?{_CURRENCY}?\s?(?P<sign2>[-+]?)"
    r"(?:(?:(?P<whole>\d{1,40})\s)?(?P<top>\d{1,40})\s?/\s?(?P<bottom>\d{1,40})"
    r"|(?P<decimal>(?:\d{1,400}\.?\d{0,100}|\.\d{1,100})(?:[eE][-+]?\d{1,2})?))"
    rf"(?P<percent>\s?(?:%|per\s?cent\b|percent\b|pct\b))?(?:\s?{_CURRENCY})?"
    rf"(?:(?P<space>\s|-|/|)(?P<unit>{_WORD}(?:(?:\s?/\s?|,?\s){_WORD}){{0,60}}))?[.\s]?",
    re.IGNORECASE,
)
#: After a number they are no unit: it goes on, or is something else.
_NO_UNIT = frozenset(
    re.findall(
        r"\w+",
        "pi e i sqrt sin cos tan cot sec csc log ln exp and or plus minus over divided multiplied squared cubed half "
        "third quarter alpha beta gamma delta theta lambda mu phi sigma omega choose mod factorial",
    )
)
#: Before a number they change it.
_CHANGING = _NO_UNIT | frozenset(
    re.findall(
        r"\w+",
        "not no except least most more less fewer than up to from twice thrice double triple between under above below "
        "times root",
    )
)
_ONE_LETTER = frozenset("mshglLCFKNJWV")
_PRONOUNS = frozenset("aAI")
_ATTACHED = frozenset(
    re.findall(
        r"\w+",
        "km cm mm nm mi ft in yd kg mg lb lbs oz ml dl cl kl hr hrs min mins sec secs ms am pm mph kph kmh rpm kw kwh "
        "mb gb tb hz khz mhz pts usd eur gbp sqft",
    )
)
#: Three quarters are 3/4, or 3 coins.
_PARTS = {"halves": 2, "thirds": 3, "quarters": 4, "fourths": 4, "fifths": 5, "sixths": 6, "eighths": 8, "tenths": 10}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_NUMBER = re.compile(
    r"(?<![\w.])(?:(?<![\w)\]}%$])-(?=[\d.$€£]))?(?:\$-?|[€£])?"
    r"(?:\d{1,2}:\d{2}(?:\s?[ap]\.?m\b\.?)?"
    r"|(?:\d{1,12}\s?)?\\[dt]?frac\{\d{1,12}\}\{\d{1,12}\}"
    r"|(?:\d{1,12}\s)?\d{1,12}/\d{1,12}(?![\d/])"
    r"|\d[\d,]{0,60}(?:\.\d{1,60})?(?:e[+-]?\d{1,2}\b)?|\.\d{1,60})(?!\d)\s?%?",
    re.IGNORECASE,
)
_LIST_MARK = re.compile(r"^[ \t*#>-]*(?:step[ \t]+)?\d{1,3}[.):](?=[ \t*])", re.IGNORECASE | re.MULTILINE)


class Quantity(NamedTuple):
    """A number that a text states.

    Attributes:
        value: the number.
        other: what it can stand for besides: 50 % is 0.5 and also 50, 3 million is 3000000 and also 3.
    """

    value: Fraction
    other: Fraction | None = None


def quantity(text: str) -> Quantity | None:
    """The number that a tidy text is, with or without a unit; None: the text is something else, or more."""
    found = _PLAIN.fullmatch(text) if len(text) <= LONGEST else None
    if not found or not _is_unit(found["unit"] or "", found["space"] or ""):
        return None
    if found["bottom"] and not int(found["bottom"]):
        return None
    value = Fraction(found["decimal"] or f"{found['top']}/{found['bottom']}") + int(found["whole"] or 0)
    value = -value if "-" in (found["sign"], found["sign2"]) else value
    if found["percent"]:
        return Quantity(value / 100, value)
    unit = (found["unit"] or "").partition(" ")[0].casefold()
    if unit in _SCALES:
        return Quantity(value * _SCALES[unit], value)
    return Quantity(value, value / _PARTS[unit] if unit in _PARTS else None)


def computed(text: str) -> Quantity | None:
    """What an arithmetic expression such as ``(43 - 21) / 2`` comes to; None: it is something else."""
    if len(text) > _LONGEST_SUM or not _SUM.fullmatch(text):
        return None
    try:
        return Quantity(_value(ast.parse(text.strip(), mode="eval").body))
    except (SyntaxError, ArithmeticError, ValueError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float()):
            return Fraction(str(node.value))
        case ast.UnaryOp(op=ast.USub()):
            return -_value(node.operand)
        case ast.BinOp(op=ast.Add()):
            return _value(node.left) + _value(node.right)
        case ast.BinOp(op=ast.Sub()):
            return _value(node.left) - _value(node.right)
        case ast.BinOp(op=ast.Mult()):
            return _value(node.left) * _value(node.right)
        case ast.BinOp(op=ast.Div()):
            return _value(node.left) / _value(node.right)
    raise ValueError(ast.dump(node))


def equal(one: Quantity, two: Quantity) -> bool:
    """Whether two numbers can stand for the same value; integers exactly, others to six digits."""
    if one.other is not None and two.other is not None:
        return _close(one.value, two.value)
    return any(_close(a, b) for a in one if a is not None for b in two if b is not None)


def numbers(text: str) -> list[str]:
    """The numbers in a text, as they stand there; numbers of lists and steps are none."""
    marks = {found.end() for found in _LIST_MARK.finditer(text)}
    return [
        found[0].rstrip(" ,")
        for found in _NUMBER.finditer(text)
        if not any(at in marks for at in range(found.end(), found.end() + 2))
    ]


def named(number: str, before: str, after: str) -> Quantity | None:
    """The number that stands among words, if they leave it as it is: not in "less than 5", "5 or more"."""
    changed = not _CHANGING.isdisjoint(before.casefold().split())
    return None if changed or not quantity(f"0 {before}".strip()) else quantity(f"{number}{after}")


def last_number(text: str) -> str | None:
    """The last number in a text."""
    found = numbers(text[-_TAIL:])
    return found[-1] if found else None


def _close(one: Fraction, two: Fraction) -> bool:
    if one.denominator == two.denominator == 1:
        return one == two
    try:
        return isclose(one, two, rel_tol=1e-6)
    except OverflowError:  # beyond floating point
        return one == two


def _is_unit(unit: str, space: str) -> bool:
    words = [word.rstrip(".").partition("^")[0] for word in re.split(r"[\s/,]+", unit) if word]
    if words and not _may_follow(words[0], space):
        return False
    return all(word in _ONE_LETTER | _PRONOUNS if len(word) == 1 else word.casefold() not in _NO_UNIT for word in words)


def _may_follow(word: str, space: str) -> bool:
    """Whether a number may have this word for a unit: 5x and 5-x are expressions, 5km and 5-year are not."""
    return (
        space not in ("", "-") or len(word) >= 4 or word.casefold() in _ATTACHED or (not space and word in _ONE_LETTER)
    )
