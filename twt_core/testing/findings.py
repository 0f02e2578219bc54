"""What the kit finds wrong with a component, and how it is told."""

from __future__ import annotations

import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from twt_core import plugins
from twt_core.components import Component
from twt_core.errors import PluginError

T = TypeVar("T")

#: CPU time for one call. Whatever is linear in its input takes a small part of it.
MOST_SECONDS = 20.0

#: Of each method.
_MOST_SHOWN = 5
_LONGEST_SHOWN = 60


class Nonconformity(AssertionError):
    """A component that does not do what its kind promises. The message lists what, and the way out."""


class TookTooLong(Nonconformity):
    """A call was ended, so that nothing after it is worth the wait."""


class _TakesTooLong(BaseException):  # none that a component's own `except Exception` would catch
    pass


def shown(text: str | None) -> str:
    """A text as a message shows it: quoted, and cut where it is long."""
    if text is None or len(text) <= _LONGEST_SHOWN:
        return ascii(text)
    return f"{text[:_LONGEST_SHOWN]!a}... ({len(text)} characters)"


class Findings:
    """Collects what is wrong with a component.

    Args:
        component: it is named in the message.
    """

    def __init__(self, component: Component) -> None:
        self._about = f"{component.kind or type(component).__name__} {plugins.name_of(type(component))!r}"
        self._problems: dict[str, None] = {}

    @property
    def problems(self) -> list[str]:
        """What was found so far, each once."""
        return list(self._problems)

    def expect(self, holds: bool, problem: str) -> bool:
        """Note a problem unless something holds; whether it does."""
        if not holds:
            self._problems.setdefault(problem)
        return holds

    def call(self, place: str, call: Callable[[], T]) -> T | None:
        """What a call gives; None, and a problem, if it raises.

        Raises:
            TookTooLong: it takes so long that further calls are not worth the wait.
        """
        try:
            with _limited(MOST_SECONDS):
                return call()
        except _TakesTooLong:
            self.expect(False, f"{place} takes more than {MOST_SECONDS:g} s: look for work that grows with the square "
                               "of its input, or faster, such as nested repeats in a regular expression")  # fmt: skip
            raise TookTooLong(self.told()) from None
        except PluginError as error:
            self.expect(False, f"{place}: {error}")
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a component raises is a finding
            self.expect(False, f"{place} raised {type(error).__name__}: {error}")
        return None

    def told(self) -> str:
        """All of it as a text: a line for the component, and one a problem; of one method a few."""
        about: dict[str, list[str]] = defaultdict(list)
        for problem in self._problems:
            about[problem.partition("(")[0]].append(problem)
        lines = [line for of, problems in about.items() for line in _first_of(of, problems)]
        return "\n  ".join([f"{self._about} breaks its contract:", *lines])


def _first_of(of: str, problems: Sequence[str]) -> list[str]:
    """A parser that fails on one text fails on many: a few of them do."""
    more = len(problems) - _MOST_SHOWN
    return [*problems[:_MOST_SHOWN], *([f"... and {more} more of {of}()"] if more > 0 else [])]


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """End what uses more CPU time, where the system can; a machine that is busy with other work makes no difference."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: object) -> None:
        raise _TakesTooLong

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
