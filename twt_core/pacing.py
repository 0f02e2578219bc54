"""Keeping to a teacher's limits: requests and tokens per minute, and the pauses that its server asks for."""

from __future__ import annotations

import time
from asyncio import sleep

from twt_core.components import Pace
from twt_core.records import Completion, Request

_MINUTE = 60.0
_BYTES_PER_TOKEN = 4.0


class Pacer:
    """Gives turns to call one teacher, evenly spread: the generic cell rate algorithm, without a burst.

    A call's tokens are not known before its answer. They are expected to be those of its prompt and of a mean answer,
    and put right once the answer is there, so that the rate holds over any longer time.
    """

    def __init__(self, pace: Pace) -> None:
        self._per_request = _MINUTE / pace.requests_per_minute if pace.requests_per_minute else 0.0
        self._per_token = _MINUTE / pace.tokens_per_minute if pace.tokens_per_minute else 0.0
        self._free_at = 0.0
        self._paused_until = 0.0
        self._answers = 0
        self._answer_tokens = 0

    def expected_tokens(self, request: Request) -> float:
        """The prompt's tokens, guessed from its bytes, and those of a mean answer; before the first, as many again."""
        prompt = sum(len(message.content.encode()) for message in request.messages) / _BYTES_PER_TOKEN
        return prompt + (self._answer_tokens / self._answers if self._answers else prompt)

    async def turn(self, tokens: float) -> None:
        """Wait until a call of so many tokens may begin."""
        begin = max(time.monotonic(), self._free_at)
        self._free_at = begin + max(self._per_request, tokens * self._per_token)
        while (left := max(begin, self._paused_until) - time.monotonic()) > 0:
            await sleep(left)

    def settle(self, expected: float, completion: Completion) -> None:
        """Put a call's tokens right by what the provider counted."""
        if completion.usage is None:
            return
        self._answers += 1
        self._answer_tokens += completion.usage.completion_tokens
        counted = completion.usage.prompt_tokens + completion.usage.completion_tokens
        self._free_at += (counted - expected) * self._per_token

    def pause(self, seconds: float) -> None:
        """Let nobody begin a call for so long: the server asked for it."""
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)
