"""What the student answers: batched, sorted by length, padded on the left, greedy unless told otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.records import Generation
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import encode_prompt
from twt_core.student.loading import device_of, half_precision, load_merged, load_tokenizer

if TYPE_CHECKING:
    pass


def generate(
    base: Path | str,
    adapter: Path | None,
    prompts: Sequence[tuple[str, Sequence[Message]]],
    student: StudentConfig,
    seed: int,
    progress: Progress,
    answered: Callable[[str], bool] = lambda _: False,
) -> list[Generation]:
    """One text per (id, messages), in order. Tokens are counted exactly, the end token included.

    Args:
        base: the untouched model.
        adapter: a stage's adapter; None asks the untouched student.
        prompts: id and chat of each question.
        student: batch size, longest text, sampling.
        seed: of the sampling, when `student.temperature` is above 0.
        progress: told of every batch.
        answered: says of a text, at the end of each of its lines, whether it is complete.
    """
    import torch

    torch.manual_seed(seed)
    device = device_of(student)
    tokenizer = load_tokenizer(base)
    model = load_merged(base, adapter, half_precision(student), device)
    encoded = [encode_prompt(tokenizer, messages) for _, messages in prompts]
    order = sorted(range(len(prompts)), key=lambda index: -len(encoded[index]))  # the longest first: memory fails early
    made: dict[int, Generation] = {}
    with progress.task("answering", {"questions": len(prompts)} if len(prompts) > 1 else {}) as task:
        for start in range(0, len(order), student.generation_batch_size):
            batch = order[start : start + student.generation_batch_size]
            began = time.perf_counter()
            new = _new_tokens(model, [encoded[index] for index in batch], student, tokenizer, device)
            seconds = (time.perf_counter() - began) / len(batch)
            for index, ids in zip(batch, new, strict=True):
                text = str(tokenizer.decode(ids, skip_special_tokens=True)).strip()
                made[index] = Generation(query_id=prompts[index][0], text=text, tokens=len(ids), seconds=seconds)
            task.advance("questions", len(batch))
    return [made[index] for index in range(len(prompts))]


def _new_tokens(
    model: Any, batch: list[list[int]], student: StudentConfig, tokenizer: Any, device: str
) -> list[list[int]]:
    """The generated ids of each row, up to and with its end token."""
    import torch

    width = max(len(ids) for ids in batch)
    pad = int(tokenizer.pad_token_id)
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in batch], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in batch], device=device)
    sampling = {"do_sample": True, "temperature": student.temperature, "top_p": student.top_p, "top_k": 0}
    with torch.inference_mode():
        output = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=student.max_new_tokens,
            pad_token_id=pad,
            eos_token_id=int(tokenizer.eos_token_id),
            use_cache=True,
            repetition_penalty=1.0,  # some models' own settings penalise repeats, and an answer repeats the question
            **(sampling if student.temperature > 0 else {"do_sample": False}),
        )
    return [_until_end(row, int(tokenizer.eos_token_id)) for row in output[:, width:].tolist()]


def _until_end(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end) + 1] if end in ids else ids
