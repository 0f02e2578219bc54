"""Choosing each next token, with its log-probability, so that a text hangs on its own request and no other."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class TokenPicker:
    """A logits processor that leaves one token a row, for greedy decoding to take.

    The library's own sampling draws for all rows of a batch from one generator, so that a text would hang on its
    neighbours; and its log-probs want the logits of all steps in memory (a batch of 8, 2,048 tokens and a vocabulary of
    152,000: 10 GB). Here each row has its own generator, and of each step one number a row is kept.

    Args:
        randoms: a generator for each row.
        temperature: 0 takes the likeliest token.
        top_p: the probability mass of the likeliest tokens to draw from (nucleus sampling, Holtzman et al., 2020).
    """

    def __init__(self, randoms: Sequence[Random], temperature: float, top_p: float) -> None:
        self._randoms = randoms
        self._temperature = temperature
        self._top_p = top_p
        self._steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Logits of shape (rows, vocabulary) with all but the chosen tokens at minus infinity."""
        import torch

        scores = scores.float()
        chosen = self._drawn(scores) if self._temperature > 0 else scores.argmax(-1, keepdim=True)
        self._steps.append(torch.log_softmax(scores, -1).gather(-1, chosen).squeeze(-1))
        return torch.full_like(scores, -torch.inf).scatter_(-1, chosen, 0.0)

    def logprobs(self) -> list[list[float]]:
        """The natural-log probability of each chosen token at temperature 1, by row; steps after a row's end count for
        nothing.
        """
        import torch

        return [[float(value) for value in row] for row in torch.stack(self._steps, -1).tolist()]

    def _drawn(self, scores: torch.Tensor) -> torch.Tensor:
        """A token of each row, by inverting the cumulative distribution at one random number a row."""
        import torch

        likely, order = torch.softmax(scores / self._temperature, -1).sort(dim=-1, descending=True, stable=True)
        upto = likely.cumsum(-1)
        kept = upto - likely < self._top_p
        mass = torch.where(kept, upto, 0).amax(-1, keepdim=True)
        drawn = torch.tensor([[random.random()] for random in self._randoms], device=scores.device) * mass
        place = ((upto <= drawn) & kept).sum(-1, keepdim=True)
        return order.gather(-1, place.minimum(kept.sum(-1, keepdim=True) - 1))
