"""The warm process: it holds a Python with the usual modules loaded, and forks one process for each program.

It never reads a job, nor what comes of it: it passes file descriptors on. So a program finds nothing of another's, and
what a program does to itself is gone with it. `twt_core.sandbox.worker` is the other end of the line.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
from contextlib import suppress

from twt_core.sandbox import inside
from twt_core.sandbox.line import END, READY, STATUS

TYPE_CHECKING = False  # typing takes as long to import as Python takes to start
if TYPE_CHECKING:
    from twt_core.sandbox.confine import Walls

# What short programs import. Not what imports random: each program is to seed it by itself.
_MODULES = (
    "bisect", "cmath", "collections", "copy", "datetime", "decimal", "functools", "heapq", "itertools", "math",
    "operator", "re", "string", "typing",
)  # fmt: skip


def serve(control: int, walls: Walls | None) -> None:
    """Take jobs until the line is closed: `JOB` with three file descriptors, then `END`; a `STATUS` answers both.

    The status, an exit code or a negative signal number, is sent once the process and whatever it started is gone: when
    it ends by itself, or when `END` comes.
    """
    sys.argv[:] = [""]  # what a program may look for there is not what this process was told
    for name in _MODULES:
        importlib.import_module(name)
    line = socket.socket(fileno=os.dup(control))  # a low number: a child closes those
    os.close(control)
    woken = _wake_on_ends()
    gc.collect()
    gc.freeze()  # so that no collection in a child copies what it shares with this process
    line.sendall(READY)
    parent = os.getpid()
    while files := socket.recv_fds(line, 1, 3)[1]:
        child = os.fork()
        if child == 0:
            _become(files, walls, parent)
        for file in files:
            os.close(file)
        if not _watch(line, woken, child):
            return


def _wake_on_ends() -> int:
    """A file descriptor that can be read once a child has ended."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer)
    return reader


def _become(files: list[int], walls: Walls | None, parent: int) -> None:
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        job, report, output = files
        inside.run(job, report, output, walls, parent)
    finally:
        os._exit(0)


def _watch(line: socket.socket, woken: int, child: int) -> bool:
    """Until a child is gone and its end was asked for. False: nobody is left to ask."""
    ended = asked = False
    while not (ended and asked):
        ready, _, _ = select.select([line.fileno(), woken], [], [])
        if line.fileno() in ready:
            asked = line.recv(1) == END
            if not ended:
                os.kill(child, signal.SIGKILL)
            if not asked:
                return False
        with suppress(BlockingIOError):
            os.read(woken, 64)
        if not ended and (found := os.waitpid(child, os.WNOHANG))[0]:
            ended = True
            _sweep(child)
            line.sendall(STATUS.pack(os.waitstatus_to_exitcode(found[1])))
    return True


def _sweep(child: int) -> None:
    """Let nothing be left of what a child started."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(-1, signal.SIGKILL) if os.getpid() == 1 else os.killpg(child, signal.SIGKILL)
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
