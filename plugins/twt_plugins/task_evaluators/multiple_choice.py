"""Questions that offer options; an answer is the letter of one."""

from __future__ import annotations

from pathlib import Path
from string import ascii_uppercase
from typing import ClassVar

from pydantic import Field

from twt_core.records import Query, Reading
from twt_plugins.task_evaluators.options import concluded, letter_of
from twt_plugins.task_evaluators.prompted import PROMPTS, PromptedTask
from twt_plugins.task_evaluators.reading import announced


class MultipleChoice(PromptedTask):
    """A question with options, shown as "A) ...", "B) ..."; the label is the letter (the paper's CommonsenseQA)."""

    built_in: ClassVar[dict[str, Path]] = {
        **PromptedTask.built_in,
        "teacher_template": PROMPTS / "multiple_choice.teacher.j2",
    }
    answer_form: ClassVar[str] = "the letter alone"

    unannounced: bool = Field(
        default=True,
        description='Where a text announces no answer ("The answer is: B"), the option that it concludes with, or the '
        "only one that it names, is the answer. Off: it has none.",
    )

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
        reading, options = super().read(text, query), query.choices or ()
        if reading.label is not None:
            letter = letter_of(reading.label, options)
        else:
            letter = concluded(reading.rationale, options) if self.unannounced and not announced(text) else None
        return reading.model_copy(update={"label": letter})

    def same(self, label: str, other: str, query: Query) -> bool:
        """Whether both name the same option, by letter or text."""
        letter = letter_of(label, query.choices or ())
        return letter is not None and letter == letter_of(other, query.choices or ())


def _lettered(options: list[str] | tuple[str, ...]) -> list[tuple[str, str]]:
    return list(zip(ascii_uppercase, options, strict=False))


def _shown(options: list[str]) -> str:
    return ", ".join(f"{letter}) {option}" for letter, option in _lettered(options))
