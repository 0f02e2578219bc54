"""What an evaluation came to: `evaluation.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from twt_core.metrics import StageScore
from twt_core.settings import Json

#: The libraries that write texts.
LIBRARIES = ("torch", "transformers", "peft", "vllm")


class Evaluation(BaseModel):
    """The numbers of an evaluation, and what they are of. Costs are in US dollars.

    Attributes:
        subject: what was evaluated, as it was named.
        kind: what that is.
        stage: of a run, whose student.
        folder: where this is, with its texts and predictions.
        queries: the file of questions.
        queries_sha256: a hash of its bytes.
        questions: how many of its questions were asked.
        trained_on: how many of them the run's student was distilled from: `--allow-seen`.
        missing: answers that a server did not give, by cause.
        tokens_counted_by: the model's own tokenizer, the end token included; or the server that has the model.
        tokens_unknown: answers without a count of their tokens; they count nowhere.
        settings: the task and its options, how the model was asked, and how it was measured.
        task: the task's identity: its options, files by their hash.
        cost_usd: what a server and judges cost, as far as prices are known.
        teacher_calls: how many calls that were, all times that this was run together.
        versions: of what did the work.
        score: the numbers.
        tasks: the same for each of a mixture's tasks.
    """

    version: int = 1
    subject: str
    kind: Literal["run", "adapter", "model", "served"]
    stage: str | None
    folder: str
    queries: str
    queries_sha256: str
    questions: int
    trained_on: int
    missing: dict[str, int]
    tokens_counted_by: Literal["tokenizer", "server"]
    tokens_unknown: int
    settings: dict[str, Json]
    task: dict[str, Json]
    cost_usd: float
    teacher_calls: int
    versions: dict[str, str]
    score: StageScore
    tasks: dict[str, StageScore]

    def notes(self) -> list[str]:
        """What is to be known of the numbers besides."""
        notes = []
        if self.trained_on:
            notes.append(f"{self.trained_on} of {self.questions} questions are among those it was DISTILLED FROM")
        if self.missing:
            causes = "; ".join(f"{count} x {cause}" for cause, count in self.missing.items())
            notes.append(f"{sum(self.missing.values())} answers are MISSING: {causes}")
        if self.tokens_unknown:
            notes.append(f"the tokens of {self.tokens_unknown} answers are NOT KNOWN and count nowhere")
        elif self.tokens_counted_by == "server":
            notes.append("tokens are as the server counts them")
        return notes


def folder_of(label: str, queries: Path) -> str:
    """The name of an evaluation's folder, where the user gives none."""
    return f"{label}-{queries.name.removesuffix('.gz').removesuffix('.jsonl')}"
