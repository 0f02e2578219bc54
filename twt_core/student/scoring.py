"""How likely the student finds given texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.records import TokenLogprob
from twt_core.student.config import StudentConfig


def text_logprobs(
    base: Path | str,
    adapter: Path | None,
    pairs: Sequence[tuple[Sequence[Message], str]],
    student: StudentConfig,
    progress: Progress,
) -> list[list[TokenLogprob]]:
    """The tokens of each text with their log-probabilities after its messages, in the order of the text.

    Args:
        base: the untouched model.
        adapter: a stage's adapter; None asks the untouched student.
        pairs: a chat, and a text as its answer.
        student: device, precision, batch size.
        progress: told of every batch.
    """
    raise NotImplementedError
