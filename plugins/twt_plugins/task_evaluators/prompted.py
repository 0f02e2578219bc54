"""What the built-in tasks share: prompts from template files, one format to write, and one way to read it."""

from __future__ import annotations

import hashlib
from functools import cached_property
from math import isclose
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from twt_core.components import TaskEvaluator
from twt_core.prompts import Message, Template
from twt_core.records import Draft, Query, Reading
from twt_core.settings import ConfigPath, Json
from twt_plugins.task_evaluators.reading import completion, has_answer_line, read_parts
from twt_plugins.task_evaluators.structured import read_object

#: Where the built-in templates are.
PROMPTS = Path(__file__).parent / "prompts"

#: What each template may use.
VARIABLES = {
    "teacher_template": frozenset({"query", "rationale_length", "factors"}),
    "rewrite_template": frozenset({"query", "rationale", "label", "student_rationale"}),
    "student_template": frozenset({"query", "answer_form"}),
}

Weight = Annotated[float, Field(strict=True, ge=0, le=1)]


class PromptedTask(TaskEvaluator):
    """A task whose prompts are template files and whose texts read "Thinking: ... The answer is: ... Score: ...".

    A subclass says what is particular: its teacher template, the form of its answers, and when two are the same.
    """

    #: An option's template counts by its text, wherever the file lies: `identity` adds the texts' hashes.
    not_identity = frozenset(VARIABLES)
    #: The built-in template by the option that overrides it.
    built_in: ClassVar[dict[str, Path]] = {
        "rewrite_template": PROMPTS / "rewrite.j2",
        "student_template": PROMPTS / "student.j2",
    }
    #: What the student is told to end with, as in: Finish with "The answer is: " and ...
    answer_form: ClassVar[str] = "the answer alone"

    rationale_length: str = Field(
        default="at most five short sentences",
        min_length=1,
        description="How long a teacher's thinking may be, in words.",
    )
    weights: dict[str, Weight] = Field(
        default={"correctness": 0.50, "logical_reasoning": 0.25, "clarity": 0.15, "completeness": 0.10},
        description="The factors of eq. 1 by name, with the weights that the teacher is told; they sum to 1.",
    )
    teacher_template: ConfigPath | None = Field(
        default=None,
        description="A template file for the teacher's prompt. Variables: query, rationale_length, factors.",
    )
    rewrite_template: ConfigPath | None = Field(
        default=None,
        description="A template file for the rewrite prompt. Variables: query, rationale, label, student_rationale.",
    )
    student_template: ConfigPath | None = Field(
        default=None, description="A template file for the student's prompt. Variables: query, answer_form."
    )

    @field_validator("weights")
    @classmethod
    def _sum_to_one(cls, weights: dict[str, float]) -> dict[str, float]:
        if not isclose(total := sum(weights.values()), 1.0, abs_tol=1e-6):
            raise ValueError(f"the weights sum to {total:g}, not to 1")
        return weights

    @field_validator(*VARIABLES)
    @classmethod
    def _usable(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is not None:
            try:
                Template.from_file(path, VARIABLES[info.field_name or ""])
            except OSError as error:
                raise ValueError(f"{path}: {error.strerror}") from error
        return path

    @cached_property
    def _sources(self) -> dict[str, str]:
        paths = {option: getattr(self, option) or self.built_in[option] for option in VARIABLES}
        return {option: path.read_text(encoding="utf-8") for option, path in paths.items()}

    @cached_property
    def _templates(self) -> dict[str, Template]:
        names = {option: str(getattr(self, option) or self.built_in[option].name) for option in VARIABLES}
        return {option: Template(text, names[option], VARIABLES[option]) for option, text in self._sources.items()}

    @cached_property
    def _factors(self) -> str:
        shown = {
            name: f"{weight:.2f}" if round(weight, 2) == weight else f"{weight:g}"
            for name, weight in self.weights.items()
        }
        parts = [f"{name.replace('_', ' ')} ({weight})" for name, weight in shown.items()]
        return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)

    def factor_weights(self, query: Query) -> dict[str, float]:
        """The factors of eq. 1 with their weights (paper, section 3.1.1)."""
        return dict(self.weights)

    def identity(self) -> dict[str, Json]:
        """The options, and each template by the hash of its text, so that a changed built-in prompt counts, too."""
        hashes = {option: hashlib.sha256(text.encode()).hexdigest() for option, text in self._sources.items()}
        return {**super().identity(), **hashes}

    def question(self, query: Query) -> str:
        """The question as every prompt shows it."""
        return query.query

    def teacher_messages(self, query: Query) -> list[Message]:
        """The prompt p: role, three parts, factors with weights, two demonstrations, the question (figure 4)."""
        return self._templates["teacher_template"].render(
            query=self.question(query), rationale_length=self.rationale_length, factors=self._factors
        )

    def rewrite_messages(self, draft: Draft) -> list[Message]:
        """The prompt p': the teacher's thinking beside the student's, to be rewritten in its way (figure 8)."""
        return self._templates["rewrite_template"].render(
            query=self.question(draft.query),
            rationale=draft.annotation.rationale,
            label=draft.annotation.label or "",
            student_rationale=draft.student_rationale,
        )

    def student_messages(self, query: Query) -> list[Message]:
        """The question and how to end: short, since every training example pays for it."""
        return self._templates["student_template"].render(query=self.question(query), answer_form=self.answer_form)

    def completion(self, rationale: str | None, label: str, query: Query) -> str:
        """The rationale, if any, and then the line "The answer is: label"."""
        return completion(rationale, label)

    def read(self, text: str, query: Query) -> Reading:
        """The parts of a text or a structured answer; one that is missing or malformed stays empty. Never raises."""
        return read_object(text, self.weights) or read_parts(text, self.weights)

    def answered(self, text: str, query: Query) -> bool:
        """Whether a line "The answer is: X" is whole. No score, as a teacher writes, nor a second answer is awaited."""
        return has_answer_line(text)
