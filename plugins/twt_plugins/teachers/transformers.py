"""A local model in this process, through the transformers library."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, model_validator

from twt_core.components import Teacher
from twt_core.errors import InputError
from twt_core.models import ModelName, find_model, model_identity
from twt_core.records import Completion, Query, Request
from twt_core.settings import ConfigPath, Json
from twt_core.student.config import StudentConfig
from twt_core.student.loading import shared_base
from twt_plugins.teachers.batching import Batches
from twt_plugins.teachers.local_model import Decoding, LocalModel, Question, release_memory


class Transformers(Teacher):
    """A causal language model from a folder, a hub id or a GGUF file, in this process and in batches.

    A request's text depends on the request and the options, and not on what else is in its batch: sampling has a
    generator for each request, seeded with `seed`, the messages and the sample. That holds up to rounding: padding to
    the longest prompt of a batch changes the last bits of the logits, so now and then, more often in bf16, a near tie
    between two tokens falls the other way and the text goes on differently. The ledger keeps what was said.

    Log-probs are of the model as it is, before temperature and top_p. The end token counts as used and has none. The
    model is loaded when asked, and let go when the asking is over. A GGUF is de-quantised once, into `cache`.
    """

    not_identity = Teacher.not_identity | {"batch_size", "device", "cache"}

    model: ModelName = Field(
        description="A folder or GGUF file (relative to the config), a hub id, or package:NAME/PATH in a package.",
    )
    temperature: float = Field(default=0.7, ge=0, le=2, description="Sampling temperature; 0 is greedy.")
    top_p: float = Field(default=1.0, gt=0, le=1, description="Nucleus sampling; without effect at temperature 0.")
    max_tokens: int = Field(default=2048, ge=1, description="Most tokens of an answer.")
    seed: int = Field(default=0, description="Sampling seed.")
    logprobs: bool = Field(default=False, description="Give token log-probabilities, which the logprob scorer needs.")
    batch_size: int = Field(
        default=8, ge=1, description="Most requests answered at once; no more than concurrency are ever there."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="auto takes a GPU if there is one."
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        default="auto", description="auto takes bf16 where the device is fast at it."
    )
    cache: ConfigPath | None = Field(
        default=None, description="Folder for a GGUF made ready; else twt/models in the user's cache folder."
    )

    @model_validator(mode="after")
    def _samples_that_differ(self) -> Self:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(f"at temperature 0 all {self.samples} samples are the same: raise temperature")
        return self

    def identity(self) -> dict[str, Json]:
        """The options, with the model by its files."""
        return {**super().identity(), "model": model_identity(self.model)}

    def preflight(self, queries: Sequence[Query]) -> None:
        """Look for the model; of one on the hub, its configuration is fetched."""
        with self._named():
            found = find_model(self.model)
            if isinstance(found, str):
                _look_on_hub(found)
            elif found.is_dir() and not (found / "config.json").is_file():
                raise InputError(f"model: {found} holds no config.json, so it is no model's folder")
            elif found.is_file() and found.suffix != ".gguf":
                raise InputError(f"model: {found} is a file and no GGUF: name the model's folder")

    async def complete(self, request: Request) -> Completion:
        """See `Teacher.complete`."""
        seed = json.dumps([self.seed, request.sample, [list(message) for message in request.messages]])
        return await self._batches.ask(Question(request.messages, seed))

    async def close(self) -> None:
        """Let the model go."""
        await self._batches.close()

    @cached_property
    def _batches(self) -> Batches:
        return Batches(self._load, min(self.batch_size, self.concurrency), release_memory)

    def _load(self) -> LocalModel:
        student = StudentConfig(model=self.model, device=self.device, precision=self.precision)
        decoding = Decoding(self.temperature, self.top_p, self.max_tokens, self.logprobs)
        with self._named():
            return LocalModel.load(shared_base(self.model, self.cache), student, decoding)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            # Loading is shared with the student, which its messages name.
            raise InputError(f"teacher {self.name!r}: {str(error).removeprefix('student.')}") from error


def _look_on_hub(model: str) -> None:
    from huggingface_hub import hf_hub_download

    try:
        hf_hub_download(model, "config.json")
    except (OSError, ValueError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"model: {model!r} is no local path, and not to be had from the hub: {first}") from error
