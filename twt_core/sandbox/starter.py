"""Processes that are to die with this one, started from a thread that never ends: the kernel takes that for the parent.

A worker started from a thread of a pool would die when that thread does (PR_SET_PDEATHSIG, bwrap --die-with-parent).
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import cache
from queue import SimpleQueue
from socket import socket
from typing import BinaryIO, NamedTuple


class _Wanted(NamedTuple):
    command: Sequence[str]
    control: int
    said: int
    environment: Mapping[str, str]
    made: Future[subprocess.Popen[bytes]]


def started(
    command: Sequence[str], control: socket, said: BinaryIO, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """A process in a session of its own, which no Ctrl-C reaches.

    Args:
        command: what to run.
        control: its line to this process; it is given under the same number.
        said: where its last words go.
        environment: all of its environment.

    Raises:
        OSError: it could not be started.
    """
    made: Future[subprocess.Popen[bytes]] = Future()
    _queue().put(_Wanted(command, control.fileno(), said.fileno(), environment, made))
    return made.result()


@cache
def _queue() -> SimpleQueue[_Wanted]:
    wanted: SimpleQueue[_Wanted] = SimpleQueue()
    threading.Thread(target=_start_all, args=(wanted,), name="twt-starter", daemon=True).start()
    return wanted


if hasattr(os, "register_at_fork"):  # no thread is left after a fork
    os.register_at_fork(after_in_child=_queue.cache_clear)


def _start_all(wanted: SimpleQueue[_Wanted]) -> None:
    while True:
        one = wanted.get()
        try:
            one.made.set_result(_start(one))
        except BaseException as error:  # noqa: BLE001 - raised where the process was wanted
            one.made.set_exception(error)


def _start(one: _Wanted) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        one.command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=one.said,
        pass_fds=(one.control,),
        cwd="/",
        env=one.environment,
        start_new_session=True,
    )
