"""A judge's grade: Good, Medium or Poor."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from string import ascii_uppercase
from typing import Self

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from twt_core.components import ConfidenceScorer, Context, Teacher
from twt_core.prompts import Template
from twt_core.records import Annotation, Completion, Failed, Query, Request
from twt_core.settings import ConfigPath, Json

#: The built-in prompt.
PROMPT = Path(__file__).parent / "prompts" / "grade.j2"

#: What a template may use. `choices` is "A) ...", "B) ..." one a line, or empty.
VARIABLES = frozenset({"query", "choices", "rationale", "label"})

_ONE_WORD = re.compile(r"[\s\"'*_`.(\[]*(good|medium|poor)[\s\"'*_`.!)\]]*", re.IGNORECASE)


class Grade(ConfidenceScorer):
    """A judge model grades each rationale and answer Good, Medium or Poor; a grade stands for a confidence.

    Model as judge: Zheng et al. 2023, arXiv:2306.05685. The grades are those of the paper's hard rejection (table 4),
    and with the default values `hard_rejection` keeps the Good. One call an annotation, through ledger and budget, so
    a judge costs as much as a teacher; one that is a teacher of the run, too, grades itself, and kindly. Any other
    answer than one of the three words, or a failed call, gives no confidence.
    """

    #: The template counts by its text, wherever the file lies: `identity` adds the text's hash.
    not_identity = frozenset({"template"})

    judge: SerializeAsAny[Teacher] = Field(description="The model that grades, written as a teacher.")
    template: ConfigPath | None = Field(
        default=None, description="A template file for the judge's prompt. Variables: query, choices, rationale, label."
    )
    good: float = Field(default=1.0, ge=0, le=1, description="The confidence that Good stands for.")
    medium: float = Field(default=0.5, ge=0, le=1, description="The confidence that Medium stands for.")
    poor: float = Field(default=0.0, ge=0, le=1, description="The confidence that Poor stands for.")

    @field_validator("template")
    @classmethod
    def _usable(cls, path: Path | None) -> Path | None:
        if path is not None:
            try:
                Template.from_file(path, VARIABLES)
            except OSError as error:
                raise ValueError(f"{path}: {error.strerror}") from error
        return path

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.poor <= self.medium <= self.good:
            raise ValueError(
                f"good ({self.good:g}), medium ({self.medium:g}) and poor ({self.poor:g}) must not rise in this order"
            )
        return self

    @cached_property
    def _source(self) -> str:
        return (self.template or PROMPT).read_text(encoding="utf-8")

    @cached_property
    def _template(self) -> Template:
        return Template(self._source, str(self.template or PROMPT.name), VARIABLES)

    def identity(self) -> dict[str, Json]:
        """The options, and the template by the hash of its text, so that a changed built-in prompt counts, too."""
        return {**super().identity(), "template": hashlib.sha256(self._source.encode()).hexdigest()}

    def score(self, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
        """See `ConfidenceScorer.score`."""
        requests = [self._request(annotation, context.queries[annotation.query_id]) for annotation in annotations]
        return [self._confidence(answer) for answer in context.ask(requests)]

    def _request(self, annotation: Annotation, query: Query) -> Request:
        messages = self._template.render(
            query=query.query,
            choices="\n".join(f"{x}) {y}" for x, y in zip(ascii_uppercase, query.choices or (), strict=False)),
            rationale=annotation.rationale,
            label=annotation.label or "",
        )
        return Request(
            query_id=annotation.query_id,
            teacher=self.judge.name,
            purpose="grade",
            about=annotation.teacher,
            sample=annotation.sample,
            messages=tuple(messages),
        )

    def _confidence(self, answer: Completion | Failed) -> float | None:
        word = None if isinstance(answer, Failed) else _ONE_WORD.fullmatch(answer.text)
        if word is None:
            return None
        return {"good": self.good, "medium": self.medium, "poor": self.poor}[word[1].lower()]
