"""Warm workers of one kind, as many as there are cores: started when they are needed, kept until this process ends."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress

from twt_core.sandbox.program import Answer, Fault, Program
from twt_core.sandbox.worker import Backend, Lost, Worker

_TRIES = 3
_AHEAD = 16  # programs a worker that may be done before an earlier one is


class Pool:
    """Workers of one backend.

    Args:
        backend: what isolates them.
        depth: see `Worker`.
        size: the most that run at once; None: one a core.
    """

    def __init__(self, backend: Backend, depth: bool = True, size: int | None = None) -> None:
        self.backend = backend
        self._depth = depth
        self._size = size or _cores()
        self._free = threading.Semaphore(self._size)
        self._idle: list[Worker] = []
        self._busy: dict[Worker, threading.Event] = {}  # with what tells that its program is no longer wanted

    def answers(self, program: Program) -> list[Answer]:
        """See `Worker.answers`. Where the machine fails it is tried again; what then is ``infra`` stays so."""
        return self._tried(program, threading.Event())

    def many(self, programs: Iterable[Program]) -> Iterator[list[Answer]]:
        """The answers of several programs, in order; as many as there are workers run at the same time.

        Few answers wait to be taken, however many programs there are. Whoever takes no more, or is interrupted, ends
        the programs that still run.
        """
        stopped = threading.Event()
        waiting: deque[Future[list[Answer]]] = deque()
        with ThreadPoolExecutor(self._size) as threads:
            try:
                for program in programs:
                    waiting.append(self._begun(threads, program, stopped))
                    if len(waiting) >= _AHEAD * self._size:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            except BaseException:
                stopped.set()
                threads.shutdown(wait=False, cancel_futures=True)
                self._stop(stopped)
                raise

    def _begun(self, threads: Executor, program: Program, stopped: threading.Event) -> Future[list[Answer]]:
        try:
            return threads.submit(self._tried, program, stopped)
        except RuntimeError:  # no thread is left to be had: in this one
            found: Future[list[Answer]] = Future()
            found.set_result(self._tried(program, stopped))
            return found

    def _tried(self, program: Program, stopped: threading.Event) -> list[Answer]:
        for _ in range(_TRIES):
            found = self._once(program, stopped)
            if stopped.is_set() or not any(isinstance(one, Fault) and one.verdict == "infra" for one in found):
                break
        return found

    def _once(self, program: Program, stopped: threading.Event) -> list[Answer]:
        with self._free:
            try:
                worker = self._ready()
            except Lost as lost:
                return [Fault("infra", str(lost))] * len(program.snippets)
            return self._given(worker, program, stopped)

    def _ready(self) -> Worker:
        with suppress(IndexError):
            while not (worker := self._idle.pop()).is_alive():
                worker.end()
            return worker
        return Worker(self.backend, self._depth)

    def _given(self, worker: Worker, program: Program, stopped: threading.Event) -> list[Answer]:
        self._busy[worker] = stopped
        try:
            if stopped.is_set():
                raise Lost("nobody waits for it")
            found = worker.answers(program)
        except (Lost, OSError) as fault:
            worker.end()
            return [Fault("infra", str(fault))] * len(program.snippets)
        except BaseException:
            worker.end()
            raise
        finally:
            del self._busy[worker]
        self._idle.append(worker)
        return found

    def close(self) -> None:
        """End every worker."""
        while self._idle:
            self._idle.pop().end()
        self._stop()

    def _stop(self, those: threading.Event | None = None) -> None:
        for worker, stopped in tuple(self._busy.items()):
            if those in (None, stopped):
                worker.stop()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
