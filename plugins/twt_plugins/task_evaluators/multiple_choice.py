"""Questions that offer options; an answer is the letter of one."""

from __future__ import annotations

import re
from pathlib import Path
from string import ascii_uppercase
from typing import ClassVar

from twt_core.records import Query, Reading
from twt_plugins.task_evaluators.exact_match import normal_form
from twt_plugins.task_evaluators.prompted import PROMPTS, PromptedTask

_LETTER_ALONE = re.compile(r"(?:(?:option|choice|answer)\b)?[\W_]*([A-Za-z])[\W_]*", re.IGNORECASE)
_LETTER_FIRST = re.compile(r"[\W_]*([A-Za-z])(?:[ *_]*[).:\]]| +-)")
# "A" opens sentences as an article: it is an option's letter only before a mark, an "and" or the end.
_LETTERS_NAMED = re.compile(r"\b(?:[B-Z]|A(?=\W*$|[).,:;/\]*]|\s+(?:and|or|&)\s))\b")


class MultipleChoice(PromptedTask):
    """A question with options, shown as "A) ...", "B) ..."; the label is the letter (the paper's CommonsenseQA)."""

    built_in: ClassVar[dict[str, Path]] = {
        **PromptedTask.built_in,
        "teacher_template": PROMPTS / "multiple_choice.teacher.j2",
    }
    answer_form: ClassVar[str] = "the letter alone"

    def check(self, query: Query) -> None:
        """Refuse a query without usable options.

        Raises:
            ValueError: fewer than 2 or more than 26 options, an empty or repeated one, or an answer outside them.
        """
        options = [choice.strip() for choice in query.choices or ()]
        if not 2 <= len(options) <= len(ascii_uppercase):
            raise ValueError(
                f'multiple_choice needs "choices" with 2 to {len(ascii_uppercase)} options; there are {len(options)}'
            )
        if not all(options):
            raise ValueError(f'"choices" holds an empty option: {_shown(options)}')
        if repeated := next((option for option in options if options.count(option) > 1), None):
            raise ValueError(f'"choices" holds {repeated!r} more than once')
        if query.answer is not None and letter_of(query.answer, options) is None:
            raise ValueError(f"the answer {query.answer!r} is none of the options: {_shown(options)}")

    def question(self, query: Query) -> str:
        """The question and its options, one a line."""
        return "\n".join([query.query, *(f"{x}) {y}" for x, y in _lettered(query.choices or ()))])

    def read(self, text: str, query: Query) -> Reading:
        """As every task, with the option's letter as the label; None if it names no option, or several."""
        reading = super().read(text, query)
        letter = None if reading.label is None else letter_of(reading.label, query.choices or ())
        return reading.model_copy(update={"label": letter})

    def same(self, label: str, other: str, query: Query) -> bool:
        """Whether both name the same option, by letter or text."""
        letter = letter_of(label, query.choices or ())
        return letter is not None and letter == letter_of(other, query.choices or ())


def letter_of(text: str, options: list[str] | tuple[str, ...]) -> str | None:
    """The letter of the one option that a text names: "B", "(b)", "B) river", "river". None: no option, or several."""
    letters = ascii_uppercase[: len(options)]
    if (alone := _LETTER_ALONE.fullmatch(text)) and alone[1].upper() in letters:
        return alone[1].upper()
    if text.strip() in options:
        return letters[options.index(text.strip())]
    named = {letter for letter in _LETTERS_NAMED.findall(text) if letter in letters}
    if (first := _LETTER_FIRST.match(text)) and first[1].upper() in letters:
        named.add(first[1].upper())
    normal, forms = normal_form(text), [normal_form(option) for option in options]
    if not first and forms.count(normal) == 1:
        return letters[forms.index(normal)]
    mentioned = [form for form in forms if f" {form} " in f" {normal} "]
    for letter, form in zip(letters, forms, strict=True):
        # "river bank" names that option and not the option "river".
        if form in mentioned and not any(form != other and f" {form} " in f" {other} " for other in mentioned):
            named.add(letter)
    return named.pop() if len(named) == 1 else None


def _lettered(options: list[str] | tuple[str, ...]) -> list[tuple[str, str]]:
    return list(zip(ascii_uppercase, options, strict=False))


def _shown(options: list[str]) -> str:
    return ", ".join(f"{letter}) {option}" for letter, option in _lettered(options))
