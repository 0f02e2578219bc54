"""One small component of each kind, under the built-ins' names, so that these tests depend on no plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, field_validator

from twt_core import plugins
from twt_core.components import (
    Compressor,
    ConfidenceScorer,
    DiversitySelector,
    QualityFilter,
    StageScheduler,
    TaskEvaluator,
    Teacher,
)
from twt_core.records import Completion, Reading, Stage
from twt_core.settings import ConfigPath

#: A config of these components.
GOOD = """\
name: quickstart
task_evaluator: {use: exact_match}
queries: {path: queries.jsonl}
test_queries: {path: test.jsonl}
teachers:
  - {use: replay, name: first, path: recordings.jsonl}
  - use: live
    name: second
    model: openai/gpt-4o-mini
    temperature: 0.7
diversity_selector: {use: min_similarity_pair, embedder: other/model}
student:
  model: org/small
  learning_rate: 1e-4
  lora: {r: 16}
budget_usd: null
seed: 0
"""


class Replay(Teacher):
    """Recorded answers."""

    path: ConfigPath

    async def complete(self, request):
        return Completion(text="")


class Live(Teacher):
    """A live model."""

    model: str
    temperature: float = Field(default=0.7, ge=0, le=2, description="How freely it answers.")
    retries: int = Field(default=3, ge=0)
    max_tokens: int = 100
    base_url: str | None = None
    api_key_env: str | None = None

    @field_validator("base_url")
    @classmethod
    def _has_scheme(cls, url):
        if url is not None and "://" not in url:
            raise ValueError("must start with http:// or https://")
        return url

    async def complete(self, request):
        return Completion(text="")


class SelfReported(ConfidenceScorer):
    """The teacher's own."""

    def score(self, annotations, context):
        return [None for _ in annotations]


class Weighted(ConfidenceScorer):
    """Several at once."""

    parts: tuple[ConfidenceScorer, ...]
    by_name: dict[str, ConfidenceScorer] = Field(default_factory=dict)

    def score(self, annotations, context):
        return [None for _ in annotations]


class Threshold(QualityFilter):
    """Enough confidence."""

    minimum: float = Field(default=0.95, ge=0, le=1, description="The paper's s.")

    def judge(self, annotations, context):
        return [None for _ in annotations]


class HardRejection(QualityFilter):
    """Only good ones."""

    def judge(self, annotations, context):
        return [None for _ in annotations]


class MinSimilarityPair(DiversitySelector):
    """The most different two."""

    embedder: str = "some/model"

    def select(self, pool, context):
        return list(pool)


class RandomPair(DiversitySelector):
    """Any two."""

    seed: int = 0

    def select(self, pool, context):
        return list(pool)


class TeacherGuided(Compressor):
    """The teacher rewrites."""

    def compress(self, drafts, context):
        return []


class ThreeStage(StageScheduler):
    """Three."""

    last: Literal["none", "compressed"] = "none"

    def stages(self):
        return [Stage(name="one", rationale="none")]


class ExactMatch(TaskEvaluator):
    """One right text."""

    def factor_weights(self, query):
        return {}

    def check(self, query):
        if query.choices and query.answer not in query.choices:
            raise ValueError(f"the answer is none of the choices {', '.join(query.choices)}")

    def teacher_messages(self, query):
        return []

    rewrite_messages = student_messages = teacher_messages

    def completion(self, rationale, label, query):
        return label

    def read(self, text, query):
        return Reading(label=text)

    def same(self, label, other, query):
        return label == other


def fake_registry() -> plugins.Registry:
    registry = plugins.Registry()
    for name, cls in {
        "replay": Replay,
        "live": Live,
        "self_reported": SelfReported,
        "weighted": Weighted,
        "threshold": Threshold,
        "hard_rejection": HardRejection,
        "min_similarity_pair": MinSimilarityPair,
        "random_pair": RandomPair,
        "teacher_guided": TeacherGuided,
        "three_stage": ThreeStage,
        "exact_match": ExactMatch,
    }.items():
        base = next(base for base in plugins.KINDS.values() if issubclass(cls, base))
        registry.add(base, name, cls, "fakes 1.0")
    return registry


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the fakes all that is installed."""
    found = fake_registry()
    monkeypatch.setattr(plugins, "registry", lambda: found)


def config_file(folder: Path, text: str = GOOD) -> Path:
    """A config, and the files that it names, empty."""
    for name in ("queries.jsonl", "test.jsonl", "recordings.jsonl"):
        (folder / name).touch()
    (folder / "run.yaml").write_text(text, encoding="utf-8")
    return folder / "run.yaml"
