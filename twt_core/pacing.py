"""Keeping to a teacher's limits: requests and tokens per minute, and the pauses that its server asks for."""

from __future__ import annotations

import time
from asyncio import sleep
from collections.abc import Awaitable, Callable

from twt_core.components import Pace
from twt_core.records import Completion, Request

_MINUTE = 60.0
_BYTES_PER_TOKEN = 4.0


async def _rest(seconds: float) -> bool:
    await sleep(seconds)
    return False


class Pacer:
    """Gives turns to call one teacher, evenly spread: the generic cell rate algorithm, without a burst.

    A call's tokens are not known before its answer. They are expected to be those of its prompt and of a mean answer,
    and put right once the answer is there, so that the rate holds over any longer time.

    Args:
        pace: the limits.
        rest: waits so many seconds; True if there is no more to wait for.
    """

    def __init__(self, pace: Pace, rest: Callable[[float], Awaitable[bool]] = _rest) -> None:
        self._rest = rest
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

    async def turn(self, tokens: float) -> bool:
        """Wait until a call of so many tokens may begin. Whether there was a wait."""
        waited = False
        while True:
            begin = max(time.monotonic(), self._free_at, self._paused_until)
            self._free_at = begin + max(self._per_request, tokens * self._per_token)
            if (left := begin - time.monotonic()) <= 0:
                return waited
            waited = True
            if await self._rest(left) or begin >= self._paused_until:  # else it was paused meanwhile: another turn
                return waited

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
