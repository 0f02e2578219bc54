"""`twt view` in a process of its own, and requests to it as nobody's client would send them."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

TWT = (sys.executable, "-c", "from twt_core.cli import main; main()")


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    text: str


class Viewer:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path: str, method: str = "GET", **headers: str) -> Reply:
        """One request, its path as it is given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": f"127.0.0.1:{self.port}", **headers}.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            reply = connection.getresponse()
            return Reply(reply.status, dict(reply.headers), reply.read().decode("utf-8", "replace"))
        finally:
            connection.close()

    def send(self, raw: bytes) -> bytes:
        """Bytes, and what comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as there:
            there.sendall(raw)
            there.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: there.recv(65536), b""))

    def end(self, by: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Its exit code and the rest of what it said."""
        self.process.send_signal(by)
        rest = self.process.stdout.read() if self.process.stdout else ""
        return self.process.wait(60), rest


@contextmanager
def viewing(runs: Path, *options: str, port: int = 0, **environment: str) -> Iterator[Viewer]:
    """`twt view RUNS` until the end of the block."""
    command = [*TWT, "view", str(runs), "--port", str(port), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    with process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
            assert found is not None, said
            yield Viewer(process, int(found[1]))
        finally:
            process.kill()
