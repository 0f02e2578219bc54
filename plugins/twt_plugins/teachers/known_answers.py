"""Questions whose answers are known, and wrong answers to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from string import ascii_uppercase
from typing import Annotated, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from twt_core.errors import InputError
from twt_core.jsonl import read_jsonl
from twt_plugins.task_evaluators.options import letter_of

#: Wrong answers to a question in words are other questions' answers; more of them would only take time.
_MOST_OTHERS = 50
#: How far off a wrong number is at most.
_FURTHEST = 10


def _first(answer: object) -> object:
    """The first of several that count as right."""
    return answer[0] if isinstance(answer, list) and answer else answer


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


#: A text, or a number as text, as in queries.
Text = Annotated[str, BeforeValidator(_as_text)]


class KnownAnswer(BaseModel):
    """One line of a file of answers. Other columns are passed over, so a file of queries will do."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Text
    answer: Annotated[Text, BeforeValidator(_first)] = Field(min_length=1)
    choices: tuple[Text, ...] | None = None
    tests: tuple[str, ...] | None = None
    task: str | None = None
    family: str | None = None

    @field_validator("task", mode="before")
    @classmethod
    def _name_or_none(cls, task: object) -> str | None:
        return task if isinstance(task, str) else None  # a column of this name may hold anything

    @property
    def label(self) -> str | None:
        """The answer; with choices its letter, None if it is none of them."""
        return letter_of(self.answer, self.choices) if self.choices else self.answer


class KnownAnswers(NamedTuple):
    """The answers by query id, and some distinct ones to take wrong answers from: of a mixture's tasks by task."""

    by_id: Mapping[str, KnownAnswer]
    some: tuple[str, ...]
    of_task: Mapping[str, tuple[str, ...]] = {}

    @property
    def families(self) -> set[str]:
        """The families that are named."""
        return {known.family for known in self.by_id.values() if known.family is not None}

    def wrong(self, known: KnownAnswer) -> list[str]:
        """Wrong answers, at least one: other options; numbers nearby; other questions' answers."""
        if known.choices:
            return [letter for letter in ascii_uppercase[: len(known.choices)] if letter != known.label]
        if not known.tests and (number := _number(known.answer)) is not None:
            return [_written(number + step) for step in range(-_FURTHEST, _FURTHEST + 1) if step]
        some = self.some if known.task is None else self.of_task[known.task]
        others = [other for other in some if other.casefold() != known.answer.casefold()]
        return others or [f"not {known.answer}"]


def known_answers(path: Path) -> KnownAnswers:
    """The file's answers; read once while it stays as it is.

    Raises:
        InputError: no such file, a bad line, or one id twice.
    """
    return _read(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> KnownAnswers:
    found: dict[str, KnownAnswer] = {}
    for number, row in read_jsonl(path):
        try:
            known = KnownAnswer.model_validate(row)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise InputError(f"{path}:{number} {first['loc'][0]}: {first['msg']}") from None
        if known.label is None or (known.choices and len(known.choices) == 1):
            raise InputError(f"{path}:{number} answer: must be one of two or more choices, and is {known.answer!r}")
        if known.id in found:
            raise InputError(f"{path}:{number}: a second answer to query {known.id!r}")
        found[known.id] = known
    by_task: dict[str | None, dict[str, None]] = defaultdict(dict)
    for known in found.values():
        by_task[known.task][known.answer] = None
    some = {task: tuple(answers)[:_MOST_OTHERS] for task, answers in by_task.items()}
    return KnownAnswers(found, some.get(None, ()), {task: these for task, these in some.items() if task is not None})


def _number(text: str) -> Fraction | None:
    try:
        return Fraction(text.replace(",", ""))
    except (ValueError, ZeroDivisionError):
        return None


def _written(number: Fraction) -> str:
    if number.denominator == 1:
        return str(number.numerator)
    decimal = f"{float(number):.10g}"
    return decimal if Fraction(decimal) == number else str(number)
