"""Which texts are learned together, in which order, and what each of their tokens counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from twt_core.student.encoding import Encoded, Target

if TYPE_CHECKING:
    import torch

IGNORED = -100

LossOn = Literal["completion", "sequence"]


def learned_tokens(row: Encoded, loss_on: LossOn) -> int:
    """How many tokens of a text the loss is taken on: the completion and its end, or all but the first."""
    return len(row["input_ids"]) - (row["prompt_length"] if loss_on == "completion" else 1)


def tokens_a_step(rows: Sequence[tuple[Target, Encoded]], loss_on: LossOn, batch_size: int) -> float | None:
    """What the loss of a step is divided by: its own tokens (None), or with several tasks the mean over the steps.

    Texts of like length are learned together, so a step may hold the short texts of one task alone. Divided by its own
    few tokens it would count as much as a step of long ones, and weights between tasks would not hold.
    """
    if len({target.task for target, _ in rows}) < 2:
        return None
    return sum(learned_tokens(row, loss_on) for _, row in rows) / math.ceil(len(rows) / batch_size)


def weighted(rows: Sequence[tuple[Target, Encoded]], loss_on: LossOn) -> list[Encoded]:
    """The texts with what each of their tokens counts, such that a mean over all tokens is the loss of a stage.

    That loss is the sum over tasks of weight x mean over the task's tokens. One task of weight 1 counts 1 a token.
    """
    tokens: Counter[str] = Counter()
    for target, row in rows:
        tokens[target.task] += learned_tokens(row, loss_on)
    share = {task: tokens.total() / count for task, count in tokens.items()}
    return [
        Encoded(
            input_ids=row["input_ids"],
            prompt_length=row["prompt_length"],
            weight=target.weight * share[target.task],
        )
        for target, row in rows
    ]


def filler(end: int) -> Encoded:
    """A text of which nothing is learned, to even out the last step of several processes."""
    return Encoded(input_ids=[end], prompt_length=1, weight=0.0)


class Order:
    """The order of an epoch: texts of like length together, so that padding is small.

    It depends on seed and epoch alone. The order that the Trainer makes by itself depends on all random numbers drawn
    before, so a training that goes on from a checkpoint would see other batches.

    Args:
        lengths: tokens of each text.
        batch_size: texts of a step.
        seed: of the shuffling.
        fillers: indices to put at the end.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, fillers: Sequence[int] = ()) -> None:
        self._lengths, self._batch_size, self._seed, self._fillers = list(lengths), batch_size, seed, fillers
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._lengths) + len(self._fillers)

    def __iter__(self) -> Iterator[int]:
        import torch
        from transformers.trainer_pt_utils import get_length_grouped_indices

        generator = torch.Generator().manual_seed((self._seed << 16) + self.epoch)
        indices = get_length_grouped_indices(  # type: ignore[no-untyped-call]
            self._lengths, self._batch_size, generator=generator
        )
        return iter([*map(int, indices), *self._fillers])


class Collator:
    """Pads rows on the left; labels hold the last positions only, as many as the longest target needs.

    Args:
        pad: id to pad with; masked out.
        loss_on: ``completion`` learns the completion and its end; ``sequence`` the prompt too, as eq. 4 is written.
    """

    def __init__(self, pad: int, loss_on: LossOn) -> None:
        self._pad, self._loss_on = pad, loss_on

    def __call__(self, rows: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        """``input_ids``, ``attention_mask``, ``position_ids``: (rows, width); ``labels``: (rows, kept), kept <= width.

        ``weights``: (rows,). The first label column is never learned: it only lines the labels up with the logits that
        predict the next.
        """
        import torch

        width = max(len(row["input_ids"]) for row in rows)
        ids = torch.tensor([[self._pad] * (width - len(row["input_ids"])) + row["input_ids"] for row in rows])
        mask = torch.tensor([[0] * (width - len(row["input_ids"])) + [1] * len(row["input_ids"]) for row in rows])
        learned = [learned_tokens(row, self._loss_on) for row in rows]
        kept = max(learned) + 1
        labels = torch.full((len(rows), kept), IGNORED)
        for index, count in enumerate(learned):
            labels[index, kept - count :] = ids[index, width - count :]
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": (mask.cumsum(1) - 1).clamp(min=0),
            "labels": labels,
            "weights": torch.tensor([row["weight"] for row in rows]),
        }
