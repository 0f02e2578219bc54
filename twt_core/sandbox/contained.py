"""Running programs that nobody has read: contained, or refused."""

from __future__ import annotations

import os
import threading
from atexit import register
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from twt_core.errors import InputError
from twt_core.sandbox.canaries import escape
from twt_core.sandbox.pool import Pool
from twt_core.sandbox.program import Answer, Limits, Program, Snippet
from twt_core.sandbox.worker import Backend

#: What can isolate programs, in the order in which it is tried.
BACKENDS: tuple[Backend, ...] = ("bubblewrap", "landlock", "namespaces")


class _Found(NamedTuple):
    """What was found out about this machine: workers behind the first backend that holds, and why others do not."""

    pool: Pool | None
    refused: dict[str, str]


class _Process:
    """What holds for this whole process."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.order: tuple[Backend, ...] = BACKENDS
        self.consent = False
        self.found: dict[tuple[Backend, ...], _Found] = {}
        self.unsandboxed: Pool | None = None


_here = _Process()


def run(source: str, snippets: Sequence[Snippet], limits: Limits) -> list[Answer]:
    """Run a program in a fresh process, and evaluate its snippets one after the other; one answer each.

    A snippet that raises does not stop the next one; one that ends the process does, and with it those that follow. A
    fault of the machine is tried again. What then is ``infra`` says nothing about the program.

    Raises:
        InputError: this machine cannot contain it, and nobody allowed to run it without.
    """
    return _pool().answers(Program(source, snippets, limits))


def run_all(programs: Iterable[Program]) -> Iterator[list[Answer]]:
    """`run` for many, as many at once as there are cores; their answers in order, each when it is there.

    Raises:
        InputError: this machine cannot contain them, and nobody allowed to run them without.
    """
    return _pool().many(programs)


def isolation() -> str:
    """What programs are isolated by in this process: one of `BACKENDS`, or ``none`` where none of them holds."""
    pool = _found().pool
    return pool.backend if pool else "none"


def require() -> None:
    """Make sure that programs can be run here.

    Raises:
        InputError: why they cannot be contained, backend by backend, and the ways out.
    """
    _pool()


def allow_unsandboxed_code(allowed: bool = True) -> None:
    """Let programs run with limits alone where nothing contains them: they can then do whatever this process can.

    It holds for this process and is never an option of a component: a config that somebody hands you must not be able
    to give it. Where a backend holds, it is used all the same.
    """
    _here.consent = allowed


@contextmanager
def only(*backends: Backend) -> Iterator[None]:
    """Try these backends alone for a while, none to have none."""
    before, _here.order = _here.order, backends
    try:
        yield
    finally:
        _here.order = before


def why_refused() -> dict[str, str]:
    """The backends that were tried and do not hold on this machine, each with the reason."""
    return dict(_found().refused)


def _pool() -> Pool:
    found = _found()
    if found.pool:
        return found.pool
    if not _here.consent:
        reasons = "; ".join(f"{backend}: {reason}" for backend, reason in found.refused.items()) or "nothing was tried"
        raise InputError(
            f"code written by models cannot be contained on this machine ({reasons}). Install bubblewrap, or use Linux "
            "5.13 or later on x86_64 or aarch64 with Landlock and seccomp, or one that lets users make namespaces. "
            "--allow-unsandboxed-code runs that code with limits alone: it can then do whatever you may do"
        )
    with _here.lock:
        _here.unsandboxed = _here.unsandboxed or Pool("none")
    return _here.unsandboxed


def _found() -> _Found:
    with _here.lock:
        if _here.order not in _here.found:
            _here.found[_here.order] = _probed(_here.order)
        return _here.found[_here.order]


def _probed(order: Sequence[Backend]) -> _Found:
    refused: dict[str, str] = {}
    for backend in order:
        pool = Pool(backend)
        reason = escape(pool)
        if reason is None:
            return _Found(pool, refused)
        pool.close()
        refused[backend] = reason
    return _Found(None, refused)


def _end_all() -> None:
    pools = [found.pool for found in _here.found.values()]
    for pool in (*pools, _here.unsandboxed):
        if pool:
            pool.close()


def _forget() -> None:
    """A fork of this process has no hold on its workers."""
    global _here
    before, _here = _here, _Process()
    _here.order, _here.consent = before.order, before.consent


register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
