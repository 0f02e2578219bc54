"""Questions that wait at the same time, answered together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from threading import Event
from typing import NamedTuple, Protocol

from twt_core.errors import TeacherError
from twt_core.records import Completion
from twt_plugins.teachers.local_model import Question

#: Seconds without a new question after which a batch is not waited for any longer. Answers of a batch are committed one
#: after the other, and so the next questions come one after the other.
LULL = 0.05


class Answering(Protocol):
    """What answers a batch, in a thread of its own."""

    def answer(self, questions: Sequence[Question], stopped: Event) -> list[Completion | TeacherError]:
        """See `LocalModel.answer`."""


class _Waiting(NamedTuple):
    question: Question
    answer: asyncio.Future[Completion]


class Batches:
    """Gathers the questions of one event loop into batches, answered one batch at a time.

    The model is loaded at a loop's first question and let go by `close`, at the latest when the loop ends, so that it
    does not take the memory that a student is to be trained in.

    Args:
        load: makes what answers.
        size: the most questions in a batch.
        release: called after the model was let go.
    """

    def __init__(self, load: Callable[[], Answering], size: int, release: Callable[[], None]) -> None:
        self._load = load
        self._size = size
        self._release = release
        self._lines: dict[asyncio.AbstractEventLoop, _Line] = {}

    async def ask(self, question: Question) -> Completion:
        """The answer.

        Raises:
            TeacherError: this question failed.
            InputError: the model cannot be loaded.
        """
        loop = asyncio.get_running_loop()
        if loop not in self._lines:
            queue: asyncio.Queue[_Waiting] = asyncio.Queue()
            self._lines[loop] = _Line(queue, loop.create_task(self._serve(queue)))
        waiting = _Waiting(question, loop.create_future())
        self._lines[loop].queue.put_nowait(waiting)
        return await waiting.answer

    async def close(self) -> None:
        """Let the model go, in the loop that asked."""
        if (line := self._lines.get(asyncio.get_running_loop())) is not None:
            line.serving.cancel()
            await asyncio.wait([line.serving])

    async def _serve(self, queue: asyncio.Queue[_Waiting]) -> None:
        """Answer until `close` or the end of the loop cancels this."""
        stopped = Event()
        answering: Answering | None = None
        try:
            while True:
                if not (batch := await self._next(queue)):
                    continue
                try:
                    if answering is None:
                        answering = await asyncio.to_thread(self._load)
                    answers = await asyncio.to_thread(answering.answer, [one.question for one in batch], stopped)
                except Exception as error:  # noqa: BLE001  # whoever waits raises it
                    _settle(batch, [error] * len(batch))
                else:
                    _settle(batch, answers)
        finally:
            stopped.set()
            del self._lines[asyncio.get_running_loop()]
            if answering is not None:
                answering = None
                self._release()

    async def _next(self, queue: asyncio.Queue[_Waiting]) -> list[_Waiting]:
        batch = [await queue.get()]
        seen = -1
        while seen < queue.qsize() < self._size - 1:
            seen = queue.qsize()
            await asyncio.sleep(LULL)
        batch += [queue.get_nowait() for _ in range(min(queue.qsize(), self._size - 1))]
        return [one for one in batch if not one.answer.done()]  # nobody waits any longer for a cancelled one


class _Line(NamedTuple):
    queue: asyncio.Queue[_Waiting]
    serving: asyncio.Task[None]  # a loop alone does not keep its tasks alive


def _settle(batch: Sequence[_Waiting], answers: Sequence[Completion | Exception]) -> None:
    for one, answer in zip(batch, answers, strict=True):
        if one.answer.done():
            continue
        if isinstance(answer, Exception):
            one.answer.set_exception(answer)
        else:
            one.answer.set_result(answer)
