"""Math questions: answers compared by value, not by letter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from twt_core.records import Query, Reading
from twt_plugins.task_evaluators import algebra
from twt_plugins.task_evaluators.notation import LONGEST, tidy
from twt_plugins.task_evaluators.prompted import PROMPTS, PromptedTask
from twt_plugins.task_evaluators.quantities import Quantity, computed, equal, last_number, named, numbers, quantity
from twt_plugins.task_evaluators.reading import announced

#: GSM8K's own way to announce an answer.
_HASHES = re.compile(r"^####[ \t]*(?=[-+]?\\?[$€£]?[-+]?\d?[\d.,]*\d%?[ \t\r]*$)", re.MULTILINE)
_REASON = re.compile(r"[,;]? (?:because|since|which|so that|rather than|instead of)\b.*|[,;] as\b.*", re.DOTALL)
_REMARK = re.compile(r" \([^()]*\)| out of \d.*")
_EQUATION = re.compile(r"(?<![<>!=])=(?!=)")
_OPERATORS = re.compile(r"[-+*/^\\\d]")
_VARIABLE = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])|\d[A-Za-z]|\\")
_ARITHMETIC = re.compile(r"(?:(?<=\d)x(?=\d)|(?<=\s)x(?=\s)|[-+*/().,$%=\s\d\u00d7\u00f7]|\\times|\\cdot|\\div)*")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_FUNCTIONS = frozenset({"e", "i", "pi", "sqrt", "sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp"})
_MATH = re.compile(r"[\d\\=+*/^<>()\[\]{}\u221a\u03c0\u221e]")


class Math(PromptedTask):
    """Numbers and expressions, right when equal in value: 1/2 is 0.5 is \\frac{1}{2}; units and currency do not count.

    A percentage equals both its number and its fraction (50% is 50 and 0.5), as in the graders of the field, and
    3 million is 3000000 and 3. Words around one number do not count, and expressions are compared by math-verify, in a
    process of its own with a time limit.
    """

    built_in: ClassVar[dict[str, Path]] = {**PromptedTask.built_in, "teacher_template": PROMPTS / "math.teacher.j2"}
    answer_form: ClassVar[str] = "the result alone"

    unannounced: bool = Field(
        default=True,
        description='Where a text announces no answer ("The answer is: 5", "\\boxed{5}", "#### 5"), its last number is '
        "the answer, as in lm-evaluation-harness's flexible-extract. Off: it has none.",
    )

    def read(self, text: str, query: Query) -> Reading:
        """As every task, and GSM8K's "#### 5"; without an announced answer, the last number. Never raises."""
        text = _HASHES.sub("The answer is: ", text)
        reading = super().read(text, query)
        silent = not announced(text) if reading.label is None else _says_nothing(reading.label)
        if not (silent and self.unannounced):
            return reading
        scored = reading.score is not None or reading.factors
        where = reading.rationale if reading.label is None or scored else text  # a score is no answer
        return reading.model_copy(update={"label": last_number(where) or reading.label})

    def same(self, label: str, other: str, query: Query) -> bool:
        """Whether the values are equal, non-integers to six digits. What is no math is equal as text only."""
        one, two = tidy(label), tidy(other)
        if _as_text(one) == _as_text(two):
            return True
        if ("=" in one) != ("=" in two) or _left(one) == _left(two):
            one, two = _right(one), _right(two)
        first, second = _stated(one), _stated(two)
        if first and second:
            return equal(first, second)
        if (first and _has_variables(two)) or (second and _has_variables(one)):
            return False
        return _is_expression(one) and _is_expression(two) and algebra.equal(one, two)


def _says_nothing(label: str) -> bool:
    """Whether it is a sentence without any math, as of "the answer is the profit that she makes"."""
    words = len(label.split()) > 2 or label.endswith(":")
    return words and not _MATH.search(label) and quantity(tidy(label)) is None


def _as_text(text: str) -> str:
    """For comparing what is no number: 3:30 PM is 3:30 p.m.; x is not X."""
    bare = re.sub(r"[\s.]", "", text) if len(text) <= LONGEST and ":" in text else " ".join(text.split())
    return bare if len(bare) == 1 or "\\" in bare else bare.casefold()


def _left(text: str) -> str:
    return _EQUATION.split(text, maxsplit=1)[0].strip() if _EQUATION.search(text) else ""


def _right(text: str) -> str:
    """What a name, a sum or a sentence is said to be: 5 of "x = 5", "2 + 3 = 5", "the total = 5". Equations stay."""
    without = text if len(text) > LONGEST else _REASON.sub("", text)
    left, sign, right = without.rpartition("=")
    simple = not _OPERATORS.search(left) or not _VARIABLE.search(left) or _ARITHMETIC.fullmatch(left)
    return tidy(right) if sign and right and simple and left[-1:] not in "<>!=" else without


def _stated(text: str) -> Quantity | None:
    """The one number that a tidy text states, whatever words are around it; None: it states none, or several."""
    if (found := quantity(text) or computed(text)) or len(text) > LONGEST:
        return found
    return quantity(tidy(_REMARK.sub("", text))) or _among_words(text)


def _among_words(text: str) -> Quantity | None:
    found = numbers(text)
    if len(found) != 1:
        return None
    before, number, after = text.partition(found[0])
    return named(number, before, after)


def _has_variables(text: str) -> bool:
    """Whether letters stand for something; math-verify would take the t of 5t for a unit."""
    return len(text) > LONGEST or any(word not in _FUNCTIONS for word in _LETTERS.findall(_COMMAND.sub(" ", text)))


def _is_expression(text: str) -> bool:
    """Whether it may be one, and a whole one; math-verify reads "5+" as 5."""
    if ":" in text or not re.search(r"[\d\\]", text) or text[-1] in "+-*/^=([":
        return False
    return all(text.count(left) == text.count(right) for left, right in ("{}", "()"))
