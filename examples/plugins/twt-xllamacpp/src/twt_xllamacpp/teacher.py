"""A GGUF model in this process, through llama.cpp."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Self

from pydantic import Field, model_validator
from twt_core.components import TaskEvaluator, Teacher
from twt_core.errors import InputError
from twt_core.models import ModelName, find_model, model_identity
from twt_core.records import Completion, Query, Request
from twt_core.settings import Json

from twt_xllamacpp import models
from twt_xllamacpp.models import Loading
from twt_xllamacpp.reply import completion

#: Temperature first, as OpenAI's API and transformers have it; llama.cpp's own order cuts off before. And none of its
#: other samplers, which a GGUF's metadata may switch on: none but the teacher's options are to count.
_SAMPLERS: list[Json] = ["temperature", "top_k", "top_p", "min_p"]


class XLlamaCpp(Teacher):
    """A model from a GGUF file, in this process, through llama.cpp (the xllamacpp package).

    Up to `parallel` answers are written at once, in llama.cpp's slots. The model is loaded when it is first asked, and
    let go when the asking is over; teachers that agree in `model`, `context_size`, `parallel`, `threads` and
    `gpu_layers` share it. An answer that is no longer wanted stops at its next token.

    A request's draws have a seed of their own, made of `seed`, the messages and the sample. What else is in the slots
    changes the last bits of the logits, so now and then a near tie between two tokens falls the other way; with
    `parallel: 1` and `cache_prompt: false` it does not. The ledger keeps what was said.

    Log-probs are of the model as it is, before temperature and cut-offs. A character that takes several tokens is its
    last one's; the end token counts as used and has none. What a model thinks before it answers (`<think>`) is not
    in the text.
    """

    not_identity = Teacher.not_identity | {"parallel", "threads", "gpu_layers"}

    model: ModelName = Field(description="A GGUF file (relative to the config), or package:NAME/PATH in a package.")
    temperature: float = Field(default=0.7, ge=0, le=2, description="Sampling temperature; 0 is greedy.")
    top_p: float = Field(default=1.0, gt=0, le=1, description="Nucleus sampling; without effect at temperature 0.")
    top_k: int = Field(default=0, ge=0, description="Sample among the k likeliest tokens; 0: among all.")
    min_p: float = Field(default=0.0, ge=0, le=1, description="Least probability, relative to the likeliest token's.")
    max_tokens: int = Field(default=2048, ge=1, description="Most tokens of an answer.")
    seed: int = Field(default=0, description="Sampling seed.")
    logprobs: bool = Field(default=False, description="Give token log-probabilities, which the logprob scorer needs.")
    structured: bool = Field(
        default=False, description="Hold answers to the task's JSON schema, by a grammar that llama.cpp makes of it."
    )
    context_size: int = Field(
        default=4096, ge=16, description="Most tokens of a call, prompt and answer together. Memory grows with it."
    )
    parallel: int = Field(
        default=4, ge=1, description="Most answers written at once; no more than concurrency are ever wanted."
    )
    threads: int | None = Field(default=None, ge=1, description="CPU threads; None: as many as there are cores.")
    gpu_layers: int | None = Field(
        default=None, ge=0, description="Layers on the GPU, if xllamacpp was built for one; None: as many as fit."
    )
    cache_prompt: bool = Field(
        default=True, description="Do not read a prompt's beginning again that the slot's last prompt had, too."
    )
    chat_template_kwargs: dict[str, Json] = Field(
        default_factory=dict, description="What the model's chat template is told, such as {enable_thinking: false}."
    )

    @model_validator(mode="after")
    def _samples_that_differ(self) -> Self:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(f"at temperature 0 all {self.samples} samples are the same: raise temperature")
        return self

    def identity(self) -> dict[str, Json]:
        """The options, with the model by its file."""
        return {**super().identity(), "model": model_identity(self.model)}

    def preflight(self, queries: Sequence[Query]) -> None:
        """Look for the library and the file."""
        if find_spec("xllamacpp") is None:
            raise InputError(f"teacher {self.name!r}: xllamacpp is not installed: pip install xllamacpp")
        try:
            found = find_model(self.model)
        except InputError as error:
            raise InputError(f"teacher {self.name!r}: model: {error}") from None
        if isinstance(found, str) or not found.is_file():
            raise InputError(f"teacher {self.name!r}: model: {self.model} is no file: give a GGUF file")
        with found.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise InputError(f"teacher {self.name!r}: model: {found} is no GGUF file: it does not begin as one")

    def answer_schema(self, task: TaskEvaluator, query: Query) -> dict[str, Json] | None:
        """See `Teacher.answer_schema`."""
        return task.answer_schema(query) if self.structured else None

    async def complete(self, request: Request) -> Completion:
        """See `Teacher.complete`."""
        return completion(await models.ask(self._loading(), self._body(request)))

    async def close(self) -> None:
        """Let the model go, unless another teacher has calls under way with it: the last of those does."""
        await models.let_go(self._loading())

    def _loading(self) -> Loading:
        return Loading(
            teacher=self.name,
            path=str(find_model(self.model)),
            slots=min(self.parallel, self.concurrency),
            context_size=self.context_size,
            threads=self.threads,
            gpu_layers=self.gpu_layers,
        )

    def _body(self, request: Request) -> dict[str, Json]:
        """The request in the form of llama.cpp's server: OpenAI's, with members of its own."""
        body: dict[str, Json] = {
            "messages": [dict(message._asdict()) for message in request.messages],
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "samplers": _SAMPLERS,
            "mirostat": 0,
            "max_tokens": self.max_tokens,
            "seed": self._seed_of(request),
            "cache_prompt": self.cache_prompt,
            "chat_template_kwargs": self.chat_template_kwargs,
        }
        if self.logprobs:
            body |= {"logprobs": True, "top_logprobs": 1}
        if request.json_schema is not None:
            schema: dict[str, Json] = {"name": "answer", "schema": request.json_schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _seed_of(self, request: Request) -> int:
        """31 bits: llama.cpp takes 32, and the highest number of those for no seed."""
        said = json.dumps([self.seed, request.sample, [list(message) for message in request.messages]])
        return int.from_bytes(hashlib.sha256(said.encode()).digest()[:4], "big") >> 1
