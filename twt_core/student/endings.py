"""Where a student's text ends: at the line that completes its answer, if not by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


#: ``answered(text, query_id)``: whether the text answers the query whole.
IsComplete: TypeAlias = Callable[[str, str], bool]


def never(_text: str, _query_id: str) -> bool:
    """No text is known to be whole: each ends by itself, or at the most tokens."""
    return False


def text_of(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """What generated ids say, without the end token and the space around it."""
    return _decoded(tokenizer, ids).strip()


def _decoded(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=True))


class AnswerEnd:
    """Finds the token that completes a text. Decodes a text only where its newest token holds a line break.

    Args:
        tokenizer: of the model that writes.
        answered: says of a text, at the end of one of its lines, whether it answers a query whole.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, answered: IsComplete) -> None:
        self._tokenizer, self._answered = tokenizer, answered
        # Filled as tokens are met: to decode a whole vocabulary takes seconds, and a run meets some hundred tokens.
        self._breaks: dict[int, bool] = {}

    def holds_break(self, token: int) -> bool:
        """Whether a line ends in a token; what follows the break may be in it, too."""
        if token not in self._breaks:
            self._breaks[token] = "\n" in _decoded(self._tokenizer, [token])
        return self._breaks[token]

    def complete(self, ids: Sequence[int], query_id: str) -> bool:
        """Whether the whole lines of a text answer a query."""
        text = _decoded(self._tokenizer, ids)
        return self._answered(text[: text.rfind("\n") + 1], query_id)

    def length(self, ids: Sequence[int], query_id: str, checked: int = 0) -> int | None:
        """How many of `ids` there are up to and with the first that completes the text; None: it is not complete.

        Args:
            ids: what was generated so far.
            query_id: on which query.
            checked: so many of them are known not to complete it.
        """
        breaks = [place + 1 for place in range(checked, len(ids)) if self.holds_break(ids[place])]
        return next((length for length in breaks if self.complete(ids[:length], query_id)), None)


class RowEnds:
    """A stopping criterion of transformers that notes where each row of a batch ends.

    Args:
        width: tokens of the padded prompts.
        query_ids: the query of each row.
        end: id of the end token, at which the library itself stops a row.
        answer_end: finds where an answer is complete; None stops no row.
    """

    def __init__(self, width: int, query_ids: Sequence[str], end: int, answer_end: AnswerEnd | None) -> None:
        self._width, self._query_ids, self._end, self._answer_end = width, query_ids, end, answer_end
        #: Tokens of each row that has ended, the one that ended it included.
        self.lengths: dict[int, int] = {}

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        """True for each row that has ended: shape (rows,)."""
        import torch

        for row, newest in enumerate(input_ids[:, -1].tolist()):
            if row in self.lengths:  # it has ended, and is padded
                continue
            if self._ends(newest, input_ids[row], self._query_ids[row]):
                self.lengths[row] = input_ids.shape[1] - self._width
        return torch.tensor([row in self.lengths for row in range(len(input_ids))], device=input_ids.device)

    def _ends(self, newest: int, row: torch.Tensor, query_id: str) -> bool:
        if newest == self._end:
            return True
        at = self._answer_end
        return at is not None and at.holds_break(newest) and at.complete(row[self._width :].tolist(), query_id)
