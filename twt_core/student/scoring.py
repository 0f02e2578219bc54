"""How likely the student finds given texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from twt_core.errors import InputError
from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.records import TokenLogprob
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import encode_prompt
from twt_core.student.loading import device_of, half_precision, load_merged, load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: Logits held at once, at least a row's: a gigabyte of float32. A batch of long texts is cut to it.
_MOST_LOGITS = 1 << 28


class _Tokens(NamedTuple):
    """A text's ids, and the pieces of the text that they stand for."""

    ids: list[int]
    pieces: list[str]


class _Window(NamedTuple):
    """What the model reads at once, the last `scored` tokens of which are scored."""

    text: int
    ids: list[int]
    scored: int


def text_logprobs(
    base: Path | str,
    adapter: Path | None,
    pairs: Sequence[tuple[Sequence[Message], str]],
    student: StudentConfig,
    progress: Progress,
) -> list[list[TokenLogprob]]:
    """The tokens of each text with their natural-log probabilities after its messages, in the order of the text.

    The tokens are those that training would learn, without the end token, and joined they are the text: a character of
    several tokens is its first one's, and the others are "". An empty text has none. In fp32 neither the batch nor its
    padding changes a probability beyond rounding.

    A text that is over `student.max_length` with its chat is scored in windows of so many tokens: the chat, cut to its
    last half window if it is longer, and the last tokens of the text so far, of which half at most are new.

    Args:
        base: the untouched model.
        adapter: a stage's adapter; None asks the untouched student.
        pairs: a chat, and a text as its answer.
        student: device, precision, batch size, longest text.
        progress: told of every batch.

    Raises:
        InputError: the model cannot be loaded, or its tokenizer does not tell where its tokens are.
    """
    tokenizer = load_tokenizer(base)
    texts = [_tokens(tokenizer, text, base) for _, text in pairs]
    prompts = [encode_prompt(tokenizer, messages) for messages, _ in pairs]
    windows = [
        window
        for place, (prompt, text) in enumerate(zip(prompts, texts, strict=True))
        for window in _windows(place, prompt, text.ids, student.max_length)
    ]
    found: list[list[float]] = [[] for _ in pairs]
    for window, scores in zip(windows, _scores(base, adapter, windows, student, progress), strict=True):
        found[window.text] += scores
    return [
        [TokenLogprob(*pair) for pair in zip(text.pieces, scores, strict=True)]
        for text, scores in zip(texts, found, strict=True)
    ]


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str, base: Path | str) -> _Tokens:
    if not tokenizer.is_fast:
        raise InputError(
            f"student.model: the tokenizer of {base} does not tell where its tokens are in a text; "
            "scoring needs a fast tokenizer (tokenizer.json)"
        )
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = [int(token) for token in encoded.input_ids]
    # Up to each token's end: what a tokenizer leaves out belongs to the token after it, or the last one.
    ends = [*accumulate((end for _, end in encoded["offset_mapping"]), max)]
    cuts = [0, *ends[:-1], len(text)] if ids else []
    return _Tokens(ids, [text[start:end] for start, end in pairwise(cuts)])


def _windows(place: int, prompt: list[int], text: list[int], most: int) -> Iterator[_Window]:
    if len(prompt) + len(text) > most:
        prompt = prompt[-(most // 2) :]
    room = most - len(prompt)
    if text:
        yield _Window(place, prompt + text[:room], len(text[:room]))
    step = room // 2
    for start in range(room, len(text), step):
        end = min(start + step, len(text))
        yield _Window(place, prompt + text[end - room : end], end - start)


def _scores(
    base: Path | str, adapter: Path | None, windows: Sequence[_Window], student: StudentConfig, progress: Progress
) -> list[list[float]]:
    """The log-probabilities of each window's scored tokens."""
    if not windows:
        return []
    model: Any = load_merged(base, adapter, half_precision(student), device_of(student))
    found: dict[int, list[float]] = {}
    with progress.task("scoring", {"texts": len(windows)}) as task:
        for batch in _batches(windows, student.generation_batch_size, model.get_input_embeddings().num_embeddings):
            scores = _batch_scores(model, [windows[index] for index in batch])
            found |= zip(batch, scores, strict=True)
            task.advance("texts", len(batch))
    return [found[index] for index in range(len(windows))]


def _batches(windows: Sequence[_Window], size: int, vocabulary: int) -> Iterator[list[int]]:
    """The windows' indices, the longest first, so that memory fails early."""
    batch: list[int] = []
    kept = 0
    for index in sorted(range(len(windows)), key=lambda index: -len(windows[index].ids)):
        kept = max(kept, windows[index].scored)
        if batch and (len(batch) == size or (len(batch) + 1) * kept * vocabulary > _MOST_LOGITS):
            yield batch
            batch, kept = [], windows[index].scored
        batch.append(index)
    yield batch


def _batch_scores(model: Any, windows: Sequence[_Window]) -> list[list[float]]:
    """Rows are padded on the left, so that what is scored ends at the right edge and no other logits are made."""
    import torch

    width, kept = max(len(window.ids) for window in windows), max(window.scored for window in windows)
    ids = torch.tensor([[0] * (width - len(row.ids)) + row.ids for row in windows], device=model.device)
    mask = torch.tensor([[0] * (width - len(row.ids)) + [1] * len(row.ids) for row in windows], device=model.device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.inference_mode():
        logits = model(
            input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False, logits_to_keep=kept + 1
        ).logits
        return [_row_scores(logits[row], ids[row], window.scored) for row, window in enumerate(windows)]


def _row_scores(logits: Any, ids: Any, scored: int) -> list[float]:
    # Of one row at a time: float32 copies of a whole batch's logits would double the memory.
    logprobs = logits[-scored - 1 : -1].float().log_softmax(-1)
    return [float(value) for value in logprobs.gather(-1, ids[-scored:, None]).squeeze(-1).tolist()]
