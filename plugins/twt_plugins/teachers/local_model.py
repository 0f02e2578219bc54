"""A model in this process: prompts in, completions with log-probs out, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import TemplateError

from twt_core.errors import TeacherError
from twt_core.prompts import Message
from twt_core.records import Completion, TokenLogprob, Usage
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import encode_prompt
from twt_plugins.teachers.token_picker import TokenPicker

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: What a decoder writes for the bytes of a character that is not whole yet.
_UNFINISHED = "\ufffd"


class Question(NamedTuple):
    """A prompt, and what its draws are seeded with."""

    messages: Sequence[Message]
    seed: str


class Decoding(NamedTuple):
    """How answers are written; see the options of `Transformers`."""

    temperature: float
    top_p: float
    max_tokens: int
    logprobs: bool


class _Row(NamedTuple):
    ids: list[int]
    seed: str


@dataclass(frozen=True)
class LocalModel:
    """A causal language model that is loaded.

    Attributes:
        model: the network, in evaluation mode.
        tokenizer: its tokenizer, padding on the left.
        ends: the ids that end an answer.
        decoding: how answers are written.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    ends: frozenset[int]
    decoding: Decoding

    @classmethod
    def load(cls, base: Path | str, student: StudentConfig, decoding: Decoding) -> LocalModel:
        """The model at a folder or hub id, on the device and in the precision that `student` names.

        Raises:
            InputError: it cannot be loaded.
        """
        from transformers import GenerationConfig

        from twt_core.student.loading import device_of, half_precision, load_merged, load_tokenizer

        tokenizer = load_tokenizer(base)
        model = load_merged(base, None, half_precision(student), device_of(student))
        ends = {*_ids(tokenizer.eos_token_id), *_ids(model.generation_config.eos_token_id)}
        # The model's own settings may penalise repeats, or search beams: none but the teacher's options are to count.
        model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
        return cls(model, tokenizer, frozenset(ends), decoding)

    def answer(self, questions: Sequence[Question], stopped: Event) -> list[Completion | TeacherError]:
        """One answer or error a question, in order. Once `stopped` is set, what is written ends at the next token."""
        rows = [self._row(question) for question in questions]
        written = iter(self._written([row for row in rows if isinstance(row, _Row)], stopped))
        return [next(written) if isinstance(row, _Row) else row for row in rows]

    def _row(self, question: Question) -> _Row | TeacherError:
        try:
            ids = encode_prompt(self.tokenizer, question.messages)
        except TemplateError as error:
            return TeacherError(f"the model's chat template refuses the prompt: {error}", retry="never")
        longest = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if longest is not None and len(ids) + self.decoding.max_tokens > longest:
            return TeacherError(
                f"a prompt of {len(ids)} tokens and max_tokens, {self.decoding.max_tokens}, are more than the model's "
                f"context of {longest} tokens"
                + (f": set max_tokens to {longest - len(ids)} or less" if len(ids) < longest else ""),
                retry="never",
            )
        return _Row(ids, question.seed)

    def _completion(self, row: _Row, new: list[int], logprobs: list[float]) -> Completion:
        ended = next((at for at, token in enumerate(new) if token in self.ends), None)
        said = new if ended is None else new[:ended]
        pieces = pieces_of(self.tokenizer, said)
        tokens = tuple(TokenLogprob(*pair) for pair in zip(pieces, logprobs, strict=False))
        return Completion(
            text="".join(pieces),
            logprobs=tokens if self.decoding.logprobs else None,
            usage=Usage(prompt_tokens=len(row.ids), completion_tokens=len(said) + (ended is not None)),
            cost_usd=0.0,
            finish_reason="length" if ended is None else "stop",
        )

    def _written(self, rows: Sequence[_Row], stopped: Event) -> list[Completion | TeacherError]:
        if not rows:
            return []
        try:
            return [*self._batch(rows, stopped)]
        except Exception as error:
            if not _out_of_memory(error):
                raise
        # Here and not in the handler, whose traceback holds on to the memory.
        release_memory()
        if len(rows) == 1:
            return [
                TeacherError(
                    f"out of memory on a prompt of {len(rows[0].ids)} tokens alone: free memory, lower max_tokens or "
                    "take a smaller model",
                    retry="later",
                )
            ]
        half = len(rows) // 2
        return self._written(rows[:half], stopped) + self._written(rows[half:], stopped)

    def _batch(self, rows: Sequence[_Row], stopped: Event) -> list[Completion]:
        import torch

        width = max(len(row.ids) for row in rows)
        pad = int(self.tokenizer.pad_token_id)
        ids = torch.tensor([[pad] * (width - len(row.ids)) + row.ids for row in rows], device=self.model.device)
        mask = torch.tensor(
            [[0] * (width - len(row.ids)) + [1] * len(row.ids) for row in rows], device=self.model.device
        )
        picker = TokenPicker([Random(row.seed) for row in rows], self.decoding.temperature, self.decoding.top_p)
        with torch.inference_mode():
            output = self.model.generate(  # type: ignore[operator]  # torch's stubs hide it
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=self.decoding.max_tokens,
                do_sample=False,  # the picker samples
                logits_processor=[picker],
                stopping_criteria=[_Stopping(stopped)],
                pad_token_id=pad,
                eos_token_id=sorted(self.ends),
                use_cache=True,
            )
        new = zip(rows, output[:, width:].tolist(), picker.logprobs(), strict=True)
        return [self._completion(row, ids, logprobs) for row, ids, logprobs in new]


def pieces_of(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> list[str]:
    """What each token adds to the text; joined they are the text.

    A character that takes several tokens is its last one's. A token is decoded with those before it, since alone it may
    lose its space.
    """
    pieces: list[str] = []
    first = read = 0
    for end in range(1, len(ids) + 1):
        before, upto = (_decoded(tokenizer, ids[first:stop]) for stop in (read, end))
        if upto.endswith(_UNFINISHED) and end < len(ids):
            pieces.append("")
            continue
        pieces.append(upto[len(before) :])
        first, read = read, end
    return pieces


def _decoded(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _ids(given: int | list[int] | None) -> list[int]:
    return given if isinstance(given, list) else [] if given is None else [given]


def _out_of_memory(error: Exception) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)  # the latter on a CPU


def release_memory() -> None:
    """Hand what no tensor holds any more back to the device."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class _Stopping:
    """A stopping criterion: everything ends once the event is set."""

    def __init__(self, stopped: Event) -> None:
        self._stopped = stopped

    def __call__(self, input_ids: torch.Tensor, scores: object) -> torch.Tensor:
        import torch

        return torch.full((len(input_ids),), self._stopped.is_set(), device=input_ids.device)
