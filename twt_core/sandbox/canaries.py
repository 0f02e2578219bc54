"""Whether a backend contains programs on this machine: found by trying to get out, not by looking what is installed."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from twt_core.sandbox.pool import Pool
from twt_core.sandbox.program import Limits, Program, Snippet, Values

_SOURCE = """
import errno, os, socket, threading, time

NOT_THERE = errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOENT, errno.ESRCH, errno.EAGAIN, errno.ENETUNREACH

def refused(attempt):
    try:
        attempt()
    except RuntimeError:  # a thread
        return True
    except OSError as error:
        return error.errno in NOT_THERE or isinstance(error, ConnectionRefusedError)
    return False

def connect(family, kind, address):
    with socket.socket(family, kind) as line:
        line.settimeout(1)
        line.connect(address)
        line.send(b"sing")
        if kind == socket.SOCK_DGRAM:  # what nobody takes is refused later
            line.recv(1)

def signal(process):
    if process == os.getppid():  # the same number, in a namespace: that is the warm process
        raise ProcessLookupError(errno.ESRCH, "")
    os.kill(process, 0)
"""
#: Each tries one thing that must fail, where nothing but the containment stands in its way.
ATTEMPTS = {
    "read a file": "open({folder!r} + '/canary').read()",
    "list a folder": "os.listdir({folder!r})",
    "write a file": "open({folder!r} + '/written', 'w')",
    "remove a file": "os.remove({folder!r} + '/canary')",
    "read another process": "open('/proc/{evaluator}/environ', 'rb').read()",
    "connect to a port": "connect(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', {port}))",
    "send to a port": "connect(socket.AF_INET, socket.SOCK_DGRAM, ('127.0.0.1', {datagrams}))",
    "connect to an abstract socket": "connect(socket.AF_UNIX, socket.SOCK_STREAM, '\\0' + {name!r})",
    "start a process": "os.fork() or time.sleep(60)",
    "start a thread": "threading.Thread(target=print).start()",
    "run a program": "os.execv('/bin/true', ['true'])",
    "signal the evaluator": "signal({evaluator})",
    "signal everybody": "os.kill(-1, 0)",
}


class _Around(NamedTuple):
    """What lies around the sandbox."""

    folder: Path
    port: socket.socket
    datagrams: socket.socket
    abstract: socket.socket

    def code(self, attempt: str) -> str:
        """An attempt, with what it is to reach."""
        return attempt.format(
            folder=str(self.folder), port=self.port.getsockname()[1], datagrams=self.datagrams.getsockname()[1],
            name=self.abstract.getsockname()[1:].decode(), evaluator=os.getpid(),
        )  # fmt: skip

    def touched(self) -> bool:
        """Whether anything came out."""
        for listening in (self.port, self.abstract):
            try:
                listening.accept()[0].close()
            except BlockingIOError:
                continue
            return True
        try:
            self.datagrams.recv(1)
        except BlockingIOError:
            return sorted(path.name for path in self.folder.iterdir()) != ["canary"]
        return True


def escape(pool: Pool) -> str | None:
    """Why a pool's workers do not contain programs; None: they do."""
    with _around() as around:
        attempts = tuple(f"refused(lambda: {around.code(code)})" for code in ATTEMPTS.values())
        (answer,) = pool.answers(Program(_SOURCE, [Snippet("", attempts)], Limits(seconds=20.0)))
        if not isinstance(answer, Values):
            return answer.detail if answer.verdict == "infra" else f"{answer.verdict}: {answer.detail}"
        free = [attempt for attempt, refused in zip(ATTEMPTS, answer.values, strict=True) if refused is not True]
        if free or around.touched():
            return f"a program in it could {', '.join(free) or 'reach out'}"
    return None


@contextmanager
def _around() -> Iterator[_Around]:
    with (
        tempfile.TemporaryDirectory(prefix="twt-canary-") as name,
        socket.create_server(("127.0.0.1", 0)) as port,
        socket.socket(type=socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        folder = Path(name)
        folder.chmod(0o777)  # so that no file permission does what the containment has to do
        (folder / "canary").write_text("alive")
        (folder / "canary").chmod(0o666)
        datagrams.bind(("127.0.0.1", 0))
        abstract.bind(f"\0twt-canary-{folder.name}")
        abstract.listen()
        for one in (port, datagrams, abstract):
            one.setblocking(False)
        yield _Around(folder, port, datagrams, abstract)
