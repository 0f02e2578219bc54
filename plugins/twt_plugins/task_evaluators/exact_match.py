"""Questions with one short answer in words."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import ClassVar

from twt_core.records import Query
from twt_plugins.task_evaluators.prompted import PROMPTS, PromptedTask

_TOKEN = re.compile(
    r"(?<!\w)-?\d+(?:[.:/]\d+)*%?|(?<![\w.])\.\d+%?"  # a number keeps its sign and point: 3.5 is not 35, nor -5 5
    r"|\d+|[^\W\d]\w*(?:['.]\w+)*[+#]*|[<>]=?|[≤≥≠]"
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ARTICLES = frozenset({"a", "an", "the"})


def normal_form(text: str) -> str:
    """A text without what does not matter in a short answer: width, case, punctuation, articles, spacing.

    In the manner of SQuAD's exact match, except that numbers keep their signs, points and percent signs. A text of
    nothing but punctuation or articles keeps them.
    """
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2212", "-").replace("\u2019", "'")
    tokens = [re.sub(r"['.]", "", t) if t[0].isalpha() else t for t in _TOKEN.findall(_THOUSANDS.sub("", folded))]
    return " ".join([t for t in tokens if t not in _ARTICLES] or tokens or folded.split())


class ExactMatch(PromptedTask):
    """Short answers, right when they equal the reference in normal form."""

    built_in: ClassVar[dict[str, Path]] = {
        **PromptedTask.built_in,
        "teacher_template": PROMPTS / "exact_match.teacher.j2",
    }

    def same(self, label: str, other: str, query: Query) -> bool:
        """Whether the normal forms are equal: "The Garden." is "garden"."""
        return normal_form(label) == normal_form(other)
