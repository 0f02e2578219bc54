"""Everything that a process gives up, in order, before it runs a program that nobody has read."""

from __future__ import annotations

import resource
import signal
import sys

from twt_core.sandbox import landlock, seccomp, syscalls

TYPE_CHECKING = False  # typing takes as long to import as Python takes to start
if TYPE_CHECKING:
    from collections.abc import Iterable

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38


def limit(seconds: float, memory_mb: int, file_mb: int) -> None:
    """Resource limits of the kernel: address space, processor time, files. The wall clock is the parent's to watch."""
    most = {
        resource.RLIMIT_AS: memory_mb * 2**20,
        resource.RLIMIT_FSIZE: file_mb * 2**20,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in most.items():
        _lower(kind, value)
    _lower(resource.RLIMIT_CPU, int(seconds) + 2, spare=1)  # SIGXCPU, and SIGKILL for who ignores it


def _lower(kind: int, value: int, spare: int = 0) -> None:
    _, hard = resource.getrlimit(kind)
    soft, most = (one if hard == resource.RLIM_INFINITY else min(one, hard) for one in (value, value + spare))
    resource.setrlimit(kind, (soft, most))


class Walls:
    """What a process puts up around itself, made ready by its parent once for many.

    Args:
        readable: what can be read.
        landlocked: whether Landlock and seccomp are wanted.
        required: False leaves them out where the kernel does not have them.

    Raises:
        OSError: this machine does not offer what is required.
    """

    def __init__(self, readable: Iterable[str], landlocked: bool, required: bool) -> None:
        self.rules: int | None = None
        self._filter: seccomp.Filter | None = None
        self._required = required
        if not landlocked:
            return
        try:
            self._filter = seccomp.Filter()
            self.rules = landlock.ruleset(readable)
        except OSError:
            if required:
                raise

    def put_up(self) -> bool:
        """Give up new privileges, processes and threads, and what the rules and the filter do not allow.

        Returns:
            Whether there is a filter: then the process cannot kill itself, either.

        Raises:
            OSError: what the kernel answered.
        """
        _lower(resource.RLIMIT_NPROC, 0)
        harden()
        try:
            if self.rules is not None:
                landlock.restrict(self.rules)
            if self._filter is not None:
                self._filter.install()
                return True
        except OSError:
            if self._required:
                raise
        return False


def harden() -> None:
    """Gain no privileges, be traced by nobody of the same user, and end with the parent. For after a change of user."""
    syscalls.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    syscalls.prctl(_PR_SET_DUMPABLE, 0)
    die_with_parent()


def die_with_parent() -> None:
    """End this process when the thread that started it ends. To be set after a change of user, which unsets it."""
    if sys.platform == "linux":
        syscalls.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
