"""Running a program that nobody has read: contained, or refused."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from twt_core.errors import InputError
from twt_core.sandbox.process import answers
from twt_core.sandbox.program import Answer, Fault, Limits, Snippet, Values

# Each of these tries one thing that must fail, where nothing but the containment stands in its way.
_CANARIES = """
import decimal, os, socket, threading

def refused(attempt):
    try:
        attempt()
    except (PermissionError, RuntimeError):
        return True
    except OSError:  # it failed, and for a reason of its own
        return False
    return False

def connect(family, address):
    with socket.socket(family) as line:
        line.connect(address)
"""
_ATTEMPTS = {
    "read a file": "open({folder!r} + '/canary').read()",
    "list a folder": "os.listdir({folder!r})",
    "write a file": "open({folder!r} + '/written', 'w')",
    "remove a file": "os.remove({folder!r} + '/canary')",
    "read another process": "open('/proc/{parent}/environ', 'rb').read()",
    "connect to a port": "connect(socket.AF_INET, ('127.0.0.1', {port}))",
    "open a socket": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()",
    "start a process": "os.fork()",
    "start a thread": "threading.Thread(target=print).start()",
    "run a program": "os.execv('/bin/true', ['true'])",
    "signal its parent": "os.kill(os.getppid(), 0)",
    "signal everybody": "os.kill(-1, 0)",
}


def run(source: str, snippets: Sequence[Snippet], limits: Limits, contained: bool = True) -> list[Answer]:
    """`process.answers`, once it is proven that this machine contains what is run.

    A fault of the machine is tried a second time. What then is ``infra`` says nothing about the program.

    Args:
        source: the program: Python, to be loaded as a module.
        snippets: what to evaluate in it, one answer each.
        limits: time, memory, output.
        contained: False runs it with limits alone: it can read, write, send and kill what this process can.

    Raises:
        InputError: this machine cannot contain it.
    """
    if contained:
        require()
    found = answers(source, snippets, limits, contained)
    if any(isinstance(answer, Fault) and answer.verdict == "infra" for answer in found):
        found = answers(source, snippets, limits, contained)
    return found


def require() -> None:
    """Make sure that programs can be contained here.

    Raises:
        InputError: why not, and the ways out.
    """
    if reason := refusal():
        raise InputError(
            f"code written by models cannot be contained on this machine: {reason}. It takes Linux 5.13 or later on "
            "x86_64 or aarch64, with Landlock and seccomp. Use such a machine, or set unsandboxed: true, which lets "
            "that code do whatever you may do"
        )


@cache
def refusal() -> str | None:
    """Why programs cannot be contained here; None: they can. Found by trying, once a process."""
    with tempfile.TemporaryDirectory(prefix="twt-canary-") as name, socket.create_server(("127.0.0.1", 0)) as server:
        folder = Path(name)
        folder.chmod(0o777)  # so that no file permission does what the containment has to do
        (folder / "canary").write_text("alive")
        server.setblocking(False)
        values = _tried(folder, server.getsockname()[1])
        if isinstance(values, str):
            return values
        free = [attempt for attempt, refused in zip(_ATTEMPTS, values, strict=True) if refused is not True]
        return f"a program in it could {', '.join(free)}" if free or _touched(folder, server) else None


def _tried(folder: Path, port: int) -> tuple[object, ...] | str:
    known = {"folder": str(folder), "port": port, "parent": os.getpid()}
    attempts = tuple(f"refused(lambda: {code.format(**known)})" for code in _ATTEMPTS.values())
    (answer,) = answers(_CANARIES, [Snippet("", attempts)], Limits(seconds=20.0))
    return answer.values if isinstance(answer, Values) else f"{answer.verdict}: {answer.detail}"


def _touched(folder: Path, server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return sorted(path.name for path in folder.iterdir()) != ["canary"]
    return True
