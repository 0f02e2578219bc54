"""Questions with one short answer in words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from pathlib import Path
from typing import ClassVar, Literal, get_args

from pydantic import Field, field_validator

from twt_core.records import Query
from twt_plugins.task_evaluators.prompted import PROMPTS, PromptedTask

#: What an answer may be taken without before it is compared.
Ignored = Literal["width", "case", "accents", "punctuation", "articles", "number_words"]

#: As in SQuAD's exact match, and the width of characters.
USUAL: tuple[Ignored, ...] = ("width", "case", "punctuation", "articles")

_TOKEN = re.compile(
    r"(?<!\w)-?\d+(?:[.:/]\d+)*%?|(?<![\w.])\.\d+%?"  # a number keeps its sign and point: 3.5 is not 35, nor -5 5
    r"|\d+|[^\W\d]\w*(?:['.]\w+)*[+#]*|[<>]=?|[≤≥≠√±]"
)
_RAISED_OR_LOWERED = re.compile(r"(?<=\d)(?=[\u00b2\u00b3\u00b9\u2070-\u2089\u00bc-\u00be\u2150-\u215f])")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ARTICLES = frozenset({"a", "an", "the"})
_NUMBER_WORDS = dict(
    zip(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
        map(str, range(11)), strict=True)
)  # fmt: skip


def normal_form(text: str, ignored: Collection[Ignored] = USUAL) -> str:
    """A text without what does not matter in a short answer; spacing and composed or decomposed letters never do.

    By default in the manner of SQuAD's exact match (Rajpurkar et al. 2016, arXiv:1606.05250), except that numbers keep
    their signs, points and percent signs. A text of nothing but punctuation or articles keeps them.
    """
    if "width" in ignored:
        folded = unicodedata.normalize("NFKC", _RAISED_OR_LOWERED.sub(" ", text))  # 10² is not 102, nor 1½ 11/2
    else:
        folded = unicodedata.normalize("NFC", text)
    if "case" in ignored:
        folded = folded.casefold()
    if "accents" in ignored:
        folded = _without_accents(folded)
    if "punctuation" in ignored:
        folded = folded.replace("\u2212", "-").replace("\u2019", "'")
        words = _unpunctuated(folded)
    else:
        words = folded.split()
    if "number_words" in ignored:
        words = [_NUMBER_WORDS.get(word.casefold(), word) for word in words]
    kept = [word for word in words if "articles" not in ignored or word.casefold() not in _ARTICLES]
    return " ".join(kept or words or folded.split())


def _without_accents(text: str) -> str:
    letters = [char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char)]
    return unicodedata.normalize("NFC", "".join(letters))


def _unpunctuated(text: str) -> list[str]:
    text = _THOUSANDS.sub("", text)
    tokens = [text[found.start() : found.end()] for found in _TOKEN.finditer(_with_letters_for_marks(text))]
    return [re.sub(r"['.]", "", token) if token[0].isalpha() else token for token in tokens]


def _with_letters_for_marks(text: str) -> str:
    """A text of the same length in which a mark on a letter is a letter, too.

    To `re` no vowel sign of Hindi or Thai is part of a word: the words for day and poor would be the same.
    """
    if text.isascii():
        return text
    letters: list[str] = []
    for char in text:
        is_mark = bool(letters) and letters[-1].isalpha() and unicodedata.category(char).startswith("M")
        letters.append(letters[-1] if is_mark else char)
    return "".join(letters)


class ExactMatch(PromptedTask):
    """Short answers, right when they equal an accepted one in normal form.

    What may be ignored is what the field's graders ignore: SQuAD (case, punctuation, articles), DPR and its followers
    (accents, Karpukhin et al. 2020, arXiv:2004.04906), VQA (number words up to ten, Antol et al. 2015,
    arXiv:1505.00468).
    """

    built_in: ClassVar[dict[str, Path]] = {
        **PromptedTask.built_in,
        "teacher_template": PROMPTS / "exact_match.teacher.j2",
    }

    ignore: tuple[Ignored, ...] = Field(
        default=USUAL,
        description='What does not matter in an answer: "width" of characters (full-width, ligatures), "case", '
        '"accents", "punctuation" (numbers keep sign, point and %), "articles" (a, an, the), "number_words" (seven '
        "is 7, up to ten). [] compares the texts as they are, but for spacing.",
    )

    @field_validator("ignore")
    @classmethod
    def _in_one_order(cls, ignored: tuple[Ignored, ...]) -> tuple[Ignored, ...]:
        known: tuple[Ignored, ...] = get_args(Ignored)
        return tuple(name for name in known if name in ignored)  # so that the same set has the same identity

    def same(self, label: str, other: str, query: Query) -> bool:
        """Whether the normal forms are equal: "The Garden." is "garden"."""
        return normal_form(label, self.ignore) == normal_form(other, self.ignore)
