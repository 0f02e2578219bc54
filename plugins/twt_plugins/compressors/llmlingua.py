"""LLMLingua: a small model drops the tokens that it can do without."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

from pydantic import Field

from twt_core.components import Compressor, Context
from twt_core.errors import InputError
from twt_core.models import ModelName, find_model, model_identity
from twt_core.records import Draft, Rewrite
from twt_core.settings import ConfigPath, Json
from twt_core.student.loading import shared_base


class LLMLingua(Compressor):
    """Drops the tokens that a small local model finds easiest to predict, by the llmlingua library (an extra).

    With a causal model this is LLMLingua (Jiang et al. 2023, arXiv 2310.05736): the tokens of highest perplexity stay.
    With a token classifier it is LLMLingua-2 (Pan et al. 2024, arXiv 2403.12968), whose published models are
    microsoft/llmlingua-2-xlm-roberta-large-meetingbank and microsoft/llmlingua-2-bert-base-multilingual-cased-
    meetingbank. Both cut sentences up, and a student that learns such rationales writes such. No code that comes with
    a model is run. A GGUF is de-quantised once, into `cache`.
    """

    reads_student = False
    not_identity = frozenset({"device", "cache"})

    model: ModelName = Field(
        description="A folder or GGUF file (relative to the config), a hub id, or package:NAME/PATH in a package.",
    )
    rate: float = Field(default=0.5, gt=0, lt=1, description="Share of each rationale's tokens that is aimed at.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="auto takes a GPU if there is one."
    )
    cache: ConfigPath | None = Field(
        default=None, description="Folder for a GGUF made ready; else twt/models in the user's cache folder."
    )

    def identity(self) -> dict[str, Json]:
        """The options, with the model by its files."""
        return {**super().identity(), "model": model_identity(self.model)}

    def check_run(self, context: Context) -> None:
        """Look for the library and the model."""
        if find_spec("llmlingua") is None:
            raise InputError(
                'compressor: llmlingua needs the library of that name: pip install "twt-distill[llmlingua]"'
            )
        try:
            find_model(self.model)
        except InputError as error:
            raise InputError(f"compressor.model: {error}") from error

    def compress(self, drafts: Sequence[Draft], context: Context) -> list[Rewrite]:
        """See `Compressor.compress`."""
        from twt_plugins.compressors.llmlingua_library import load

        if not drafts:
            return []
        self.check_run(context)
        try:
            shorten = load(shared_base(self.model, self.cache), self.device)
        except InputError as error:
            raise InputError(f"compressor.model: {str(error).removeprefix('student.')}") from error
        return [
            Rewrite(
                rationale=shorten(draft.annotation.rationale, self.rate).strip() or None, label=draft.annotation.label
            )
            for draft in drafts
        ]
