"""Writing ``progress.json`` while a run works: from a thread of its own, so that no disk slows or fails the run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock, Thread

from twt_core.errors import BatchPending, BudgetExceeded, TwtError
from twt_core.progress import Progress, Task
from twt_core.progress_file import HEARTBEAT, PROGRESS, LivePart, LiveProgress, LiveTask, State, this_process

#: It writes at most this often, in seconds, but at once when a step begins.
EVERY = 1.0
#: Seconds that the end of a run waits for the last write. A disk that hangs is not waited for.
_PATIENCE = 5.0
_LINES = 40
_LONGEST_LINE = 500
#: A rate is that of so many moves, at least a second apart.
_MOVES = 30


@contextmanager
def recorded(folder: Path, progress: Progress, spent: Callable[[], float | None] = lambda: None) -> Iterator[None]:
    """Tell in a run's folder how its work goes, and in the end what became of it.

    Args:
        folder: the run folder.
        progress: told of the work.
        spent: what the run has spent so far, in US dollars. It is called from another thread.
    """
    recorder = _Recorder(folder, spent)
    with progress.heard_by(recorder):
        recorder.begin()
        try:
            yield
        except BaseException as error:
            recorder.end(*_outcome(error))
            raise
        recorder.end("done", "")


def _outcome(error: BaseException) -> tuple[State, str]:
    if isinstance(error, (BudgetExceeded, BatchPending)):
        return "stopped", str(error)
    if isinstance(error, TwtError):
        return "failed", str(error)
    if isinstance(error, Exception):
        return "failed", f"{type(error).__name__}: {error}"
    return "stopped", "interrupted"


class _Recorder:
    """A `Listener`. The run's threads change what it holds; its own writes that down."""

    def __init__(self, folder: Path, spent: Callable[[], float | None]) -> None:
        self._file = folder / PROGRESS
        self._spent = spent
        self._expected: list[str] = []
        self._writer, self._began = this_process(), datetime.now(UTC)
        self._outcome: tuple[State, str] = ("working", "")
        self._step: tuple[str, datetime] | None = None
        self._tasks: list[_TaskRecord] = []
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._moved, self._now, self._ended = Event(), Event(), Event()
        self._lock = Lock()
        self._thread = Thread(target=self._work, name="progress", daemon=True)

    def begin(self) -> None:
        """Write from now on."""
        self._write()  # before the first step, so that nobody takes what an earlier process told for this one's
        self._thread.start()

    def end(self, state: State, why: str) -> None:
        """Write what became of the work, and no more."""
        self._outcome = (state, _fit(why))
        self._ended.set()
        self._now.set()
        self._thread.join(_PATIENCE)

    def said(self, line: str) -> None:
        """Keep a line, unless it says what `step` told."""
        if self._step is not None and line == f"{self._step[0]}: working":
            return
        with self._lock:
            self._lines.append(_fit(line))
        self._moved.set()

    def expect(self, steps: Sequence[str]) -> None:
        """Keep the names."""
        self._expected = list(steps)
        self._moved.set()

    def step(self, name: str) -> None:
        """Write at once."""
        self._step = (_fit(name), datetime.now(UTC))
        self._now.set()

    @contextmanager
    def task(self, label: str, totals: dict[str, int]) -> Iterator[Task]:
        """Follow a task."""
        record = _TaskRecord(label, totals, self._lock, self._moved)
        with self._lock:
            self._tasks.append(record)
        try:
            yield record
        finally:
            with self._lock:
                self._tasks.remove(record)
            self._moved.set()

    def _work(self) -> None:
        written = time.monotonic()
        while True:
            at_once = self._now.wait(EVERY)
            if self._ended.is_set():
                break
            if at_once or self._moved.is_set() or time.monotonic() - written >= HEARTBEAT:
                self._now.clear()
                self._moved.clear()
                self._write()
                written = time.monotonic()
        self._write()

    def _write(self) -> None:
        # Not `write_whole`: that waits until the disk has it, and news are not worth a wait.
        partial = self._file.with_name(f".{PROGRESS}.partial")
        with suppress(OSError):
            partial.write_text(self._told().model_dump_json(indent=2) + "\n", encoding="utf-8")
            partial.replace(self._file)

    def _told(self) -> LiveProgress:
        state, why = self._outcome
        step, began = self._step or (None, None)
        spent = self._spent()
        with self._lock:
            return LiveProgress(
                state=state,
                why=why,
                writer=self._writer,
                began=self._began,
                updated=datetime.now(UTC),
                step=step,
                step_began=began,
                expected=self._expected,
                tasks=[task.told() for task in self._tasks],
                lines=list(self._lines),
                spent_usd=None if spent is None else round(spent, 6),
            )


class _TaskRecord:
    """A `Task` that is followed."""

    def __init__(self, label: str, totals: dict[str, int], lock: Lock, moved: Event) -> None:
        self._label = _fit(label)
        self._parts = {name: _PartRecord(name, total) for name, total in totals.items()}
        self._lock, self._moved = lock, moved

    def advance(self, part: str, amount: int = 1, note: str = "") -> None:
        """Note it."""
        with self._lock:
            self._parts[part].advance(amount, note)
        self._moved.set()

    def told(self) -> LiveTask:
        """How it stands."""
        return LiveTask(label=self._label, parts=[part.told() for part in self._parts.values()])


class _PartRecord:
    """One part: a window of its last moves, since what was there already (answers of an earlier run) goes fast."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total = _fit(name), total
        self._done, self._note = 0, ""
        self._moves = deque([(time.monotonic(), 0)], maxlen=_MOVES)

    def advance(self, amount: int, note: str) -> None:
        self._done += amount
        self._note = _fit(note)
        now = time.monotonic()
        if now - self._moves[-1][0] >= 1.0:
            self._moves.append((now, self._done))

    def told(self) -> LivePart:
        rate = self._rate()
        left = max(self._total - self._done, 0) / rate if rate else None
        return LivePart(
            name=self._name,
            done=self._done,
            total=self._total,
            rate=rate,
            seconds_left=None if left is None else round(left, 1),
            note=self._note,
        )

    def _rate(self) -> float | None:
        since, before = self._moves[0]
        seconds = time.monotonic() - since
        return (self._done - before) / seconds if seconds > 0 and self._done > before else None


def _fit(text: str) -> str:
    """A text that can be written, of somebody else's: no half characters, not too long."""
    return text[:_LONGEST_LINE].encode("utf-8", "replace").decode()
