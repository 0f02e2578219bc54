"""Progress of long work: bars with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

#: Plain lines come at most this often, in seconds.
PLAIN_EVERY = 15.0


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, part: str, amount: int = 1, note: str = "") -> None:
        """`amount` more units of `part` are done; `note` says how it goes (a loss, say)."""


class Listener(Protocol):
    """Who is told of the work besides whoever reads standard error. It is told all of it, quiet or not."""

    def said(self, line: str) -> None:
        """A line about what happens now."""

    def expect(self, steps: Sequence[str]) -> None:
        """The steps that a run is to have, by name, in order."""

    def step(self, name: str) -> None:
        """A step of a run is made from now on."""

    def task(self, label: str, totals: dict[str, int]) -> AbstractContextManager[Task]:
        """Work in named parts, as `Progress.task` is told of it."""


class Progress:
    """Tells the user how far the work is. Writes to standard error, so that results can be piped.

    Args:
        quiet: say nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._listeners: list[Listener] = []

    @property
    def quiet(self) -> bool:
        """Whether it says nothing."""
        return self._quiet

    def say(self, line: str) -> None:
        """One line about what happens now."""
        for listener in self._listeners:
            listener.said(line)
        if not self._quiet:
            print(line, file=sys.stderr, flush=True)

    def expect(self, steps: Sequence[str]) -> None:
        """The steps that a run is to have, by name, in order. Those who listen are told."""
        for listener in self._listeners:
            listener.expect(steps)

    def step(self, name: str) -> None:
        """A step of a run is made from now on."""
        for listener in self._listeners:
            listener.step(name)
        self.say(f"{name}: working")

    @contextmanager
    def task(self, label: str, totals: dict[str, int]) -> Iterator[Task]:
        """Work in named parts, each with its total."""
        with ExitStack() as stack:
            tasks = [stack.enter_context(listener.task(label, totals)) for listener in self._listeners if totals]
            yield _Together([*tasks, stack.enter_context(self._shown(label, totals))])

    @contextmanager
    def heard_by(self, listener: Listener) -> Iterator[None]:
        """Have a listener told, too, meanwhile."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    @contextmanager
    def _shown(self, label: str, totals: dict[str, int]) -> Iterator[Task]:
        if self._quiet or not totals:
            yield _Silent()
        elif sys.stderr.isatty():
            with _bars(label, totals) as bars:
                yield bars
        else:
            yield _Plain(label, totals)


class _Together:
    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks

    def advance(self, part: str, amount: int = 1, note: str = "") -> None:
        """Tell all of them."""
        for task in self._tasks:
            task.advance(part, amount, note)


class _Silent:
    def advance(self, part: str, amount: int = 1, note: str = "") -> None:
        """Say nothing."""


class _Plain:
    def __init__(self, label: str, totals: dict[str, int]) -> None:
        self._label, self._totals = label, totals
        self._done = dict.fromkeys(totals, 0)
        self._started = time.monotonic()
        self._said = dict.fromkeys(totals, self._started)

    def advance(self, part: str, amount: int = 1, note: str = "") -> None:
        """A line when the part is done, or when the last one is long ago."""
        self._done[part] += amount
        done, total, now = self._done[part], self._totals[part], time.monotonic()
        if done < total and now - self._said[part] < PLAIN_EVERY:
            return
        self._said[part] = now
        rate = done / max(now - self._started, 1e-9)
        left = f", {(total - done) / rate:.0f} s left" if done < total else ""
        tail = f", {note}" if note else ""
        print(f"{self._label} {part}: {done}/{total}, {rate:.1f}/s{left}{tail}", file=sys.stderr, flush=True)


class _Bars:
    def __init__(self, label: str, totals: dict[str, int]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self.rich = RichProgress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=Console(stderr=True),
        )  # fmt: skip
        self._started = time.monotonic()
        self._tasks = {
            part: self.rich.add_task(f"{label} {part}", total=total, note="", rate="") for part, total in totals.items()
        }

    def advance(self, part: str, amount: int = 1, note: str = "") -> None:
        """Move the part's bar."""
        task = self._tasks[part]
        done = self.rich.tasks[self.rich.task_ids.index(task)].completed + amount
        rate = f"{done / max(time.monotonic() - self._started, 1e-9):.1f}/s"
        self.rich.update(task, advance=amount, note=note, rate=rate)


@contextmanager
def _bars(label: str, totals: dict[str, int]) -> Iterator[Task]:
    bars = _Bars(label, totals)
    with bars.rich:
        yield bars
