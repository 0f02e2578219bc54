"""How answers are measured, as a config says it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from twt_core.settings import Settings


class EvaluationConfig(Settings):
    """How the students' answers are measured. Prices are in US dollars, and only for the report."""

    not_identity = frozenset({"pass_at", "input_usd_per_million", "output_usd_per_million"})

    samples: int = Field(
        default=1, ge=1, description="Answers to each test query; more than one takes student.temperature above 0."
    )
    pass_at: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(1,), min_length=1, description="The k of each pass@k that is reported; none above samples."
    )
    input_usd_per_million: float | None = Field(
        default=None, ge=0, description="Price of the student's input tokens where it will be served; null: not known."
    )
    output_usd_per_million: float | None = Field(default=None, ge=0, description="Price of output tokens, likewise.")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if max(self.pass_at) > self.samples:
            raise ValueError(f"pass_at: pass@{max(self.pass_at)} takes as many samples; samples is {self.samples}")
        if (self.input_usd_per_million is None) != (self.output_usd_per_million is None):
            raise ValueError("give both input_usd_per_million and output_usd_per_million, or neither")
        return self

    def check(self, temperature: float) -> None:
        """Refuse samples that would all be the same.

        Raises:
            ValueError: several samples at temperature 0.
        """
        if self.samples > 1 and temperature == 0:
            raise ValueError(
                f"evaluation.samples is {self.samples}, and at student.temperature 0 they are all the same: raise it"
            )
