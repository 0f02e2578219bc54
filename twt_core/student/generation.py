"""What the student answers: batched, sorted by length, padded on the left, greedy unless told otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.records import Generation
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import encode_prompt
from twt_core.student.endings import AnswerEnd, IsComplete, RowEnds, never, text_of
from twt_core.student.loading import device_of, half_precision, load_merged, load_tokenizer

#: ``written(place, generation)``: told of each text once it is whole, with the place of its prompt.
Written: TypeAlias = Callable[[int, Generation], None]


def unheard(_place: int, _generation: Generation) -> None:
    """Nobody waits for single texts."""


def generate(
    base: Path | str,
    adapter: Path | None,
    prompts: Sequence[tuple[str, Sequence[Message]]],
    student: StudentConfig,
    seed: int,
    progress: Progress,
    answered: IsComplete = never,
    written: Written = unheard,
) -> list[Generation]:
    """One text per (id, messages), in order. Tokens are counted exactly, the one that ended the text included.

    A text ends with the end token, with the token that ends a line at which `answered` says so, or at
    `student.max_new_tokens`. A greedy text in fp32 does not depend on its batch, near ties between two tokens aside; a
    sample does.

    Args:
        base: the untouched model.
        adapter: a stage's adapter; None asks the untouched student.
        prompts: id and chat of each question.
        student: what generates, batch size, longest text, sampling.
        seed: of the sampling, when `student.temperature` is above 0.
        progress: told of every batch.
        answered: says of a text and a prompt's id, at the end of each of the text's lines, whether it is complete; not
            asked unless `student.stop_at_answer`.
        written: told of each text when its batch is done, for callers that keep what there is before the end.

    Raises:
        InputError: the model cannot be loaded, or the generator is not installed.
    """
    if student.generator == "vllm":
        from twt_core.student.vllm_generation import generate_with_vllm

        return generate_with_vllm(base, adapter, prompts, student, seed, progress, answered, written)
    import torch
    from transformers import GenerationConfig

    torch.manual_seed(seed)
    tokenizer = load_tokenizer(base)
    model: Any = load_merged(base, adapter, half_precision(student), device_of(student))
    # The model's own settings may penalise repeats, and an answer repeats the question; or search beams.
    model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    answer_end = AnswerEnd(tokenizer, answered) if student.stop_at_answer else None
    encoded = [encode_prompt(tokenizer, messages) for _, messages in prompts]
    order = sorted(range(len(prompts)), key=lambda index: -len(encoded[index]))  # the longest first: memory fails early
    made: dict[int, Generation] = {}
    with progress.task("answering", {"questions": len(prompts)} if len(prompts) > 1 else {}) as task:
        for start in range(0, len(order), student.generation_batch_size):
            batch = order[start : start + student.generation_batch_size]
            began = time.perf_counter()
            rows = [(prompts[index][0], encoded[index]) for index in batch]
            new = _new_tokens(model, rows, student, tokenizer, answer_end)
            seconds = (time.perf_counter() - began) / len(batch)
            for index, ids in zip(batch, new, strict=True):
                made[index] = Generation(
                    query_id=prompts[index][0],
                    text=text_of(tokenizer, ids),
                    tokens=len(ids),
                    seconds=seconds,
                    prompt_tokens=len(encoded[index]),
                )
                written(index, made[index])
            task.advance("questions", len(batch))
    return [made[index] for index in range(len(prompts))]


def _new_tokens(
    model: Any, batch: list[tuple[str, list[int]]], student: StudentConfig, tokenizer: Any, answer_end: AnswerEnd | None
) -> list[list[int]]:
    """The generated ids of each row, up to and with the one that ended it."""
    import torch

    width = max(len(ids) for _, ids in batch)
    pad, end = int(tokenizer.pad_token_id), int(tokenizer.eos_token_id)
    ids = torch.tensor([[pad] * (width - len(row)) + row for _, row in batch], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for _, row in batch], device=model.device)
    sampling = {"do_sample": True, "temperature": student.temperature, "top_p": student.top_p, "top_k": 0}
    ends = RowEnds(width, [query_id for query_id, _ in batch], end, answer_end)
    with torch.inference_mode():
        output = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=student.max_new_tokens,
            pad_token_id=pad,
            eos_token_id=end,
            use_cache=True,
            stopping_criteria=[ends],
            **(sampling if student.temperature > 0 else {"do_sample": False}),
        )
    return [row[: ends.lengths.get(place)] for place, row in enumerate(output[:, width:].tolist())]
