"""Prompts and targets as token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from twt_core.prompts import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Target(NamedTuple):
    """One training text: a prompt, and the completion to learn.

    The loss of a stage is the sum over its tasks of weight x mean cross-entropy over the task's tokens; `weight` is the
    same for all texts of a task.
    """

    name: str
    messages: Sequence[Message]
    completion: str
    teacher: str = ""
    task: str = ""
    weight: float = 1.0


class Encoded(TypedDict):
    """A training text as ids: the first `prompt_length` are the prompt's, the last is the end token.

    `weight` is what each of its learned tokens counts.
    """

    input_ids: list[int]
    prompt_length: int
    weight: float


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """Ids of a chat up to where the student's text begins: by the model's chat template, or plainly if it has none."""
    chat = [message._asdict() for message in messages]
    if tokenizer.chat_template:
        ids: list[int] = tokenizer.apply_chat_template(  # type: ignore[assignment]  # one chat gives one list
            chat, add_generation_prompt=True, return_dict=False
        )
        return list(ids)
    text = "\n".join(message.content for message in messages) + "\n"
    return [int(i) for i in tokenizer(text).input_ids]


def encode_target(tokenizer: PreTrainedTokenizerBase, target: Target) -> Encoded:
    """Ids of prompt, completion and end token. Encoded apart, so that the border is where generation begins."""
    prompt = encode_prompt(tokenizer, target.messages)
    completion = [int(i) for i in tokenizer(target.completion, add_special_tokens=False).input_ids]
    ids = [*prompt, *completion, int(tokenizer.eos_token_id)]
    return Encoded(input_ids=ids, prompt_length=len(prompt), weight=target.weight)
