"""An OpenAI-compatible server on loopback that plays what a test scripts, and remembers what it was asked.

`scripted_faults.FAULTS` are the ways in which a server goes wrong, for its `script`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from scripted_batches import Batches

Body = dict[str, Any]

#: What `well` says that it counted.
PROMPT_TOKENS, COMPLETION_TOKENS = 20, 10

_OF_BATCHES = ("/v1/files", "/v1/batches")


class Reply(NamedTuple):
    """What the server sends back. A provider would bill for those with status 200."""

    status: int
    body: Body
    headers: tuple[tuple[str, str], ...] = ()


class Raw(NamedTuple):
    """What the server puts on the wire by hand, before it closes the connection."""

    play: Callable[[Wire], None]
    billed: bool


class Wire:
    """One request's connection, for `Raw`. What waits on it ends when the server does."""

    def __init__(self, server: ScriptedServer, connection: socket.socket, headers: Message) -> None:
        self.server = server
        self.headers = headers
        self._connection = connection

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def wait(self, seconds: float) -> None:
        if self.server.ending.wait(seconds):
            raise ConnectionAbortedError("the server ends")

    def reset(self) -> None:
        """End the connection by a TCP reset."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self._connection.detach())


Script = Callable[[Body], Reply | Raw]


def well(body: Body, text: str | None = None, **choice: Any) -> Reply:
    """A good answer; without `text`, to the sum in the last message."""
    content = sum_of(body) if text is None else text
    return Reply(
        200,
        {
            "id": "c", "object": "chat.completion", "created": 0, "model": body["model"],
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}, **choice}
            ],
            "usage": {
                "prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS,
                "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
            },
        },
    )  # fmt: skip


def fault(status: int, message: str = "it broke", code: str | None = None, **headers: str) -> Reply:
    """An error as OpenAI shapes it."""
    return Reply(
        status,
        {"error": {"message": message, "type": "error", "code": code}},
        tuple((name.replace("_", "-"), value) for name, value in headers.items()),
    )


def sum_of(body: Body) -> str:
    """An answer to "What is A plus B?" in the format of the prompts, the shorter for a rewrite."""
    asked = body["messages"][-1]["content"]
    first, second = map(int, re.findall(r"What is (\d+) plus (\d+)\?", asked)[-1])
    if "student's thinking" in asked:
        return f"Thinking: {first}, {second}.\nThe answer is: {first + second}"
    return (
        f"Thinking: {body['model']} counts {first} and then {second} more, one by one.\n"
        f"The answer is: {first + second}\nScore: 0.97"
    )


class ScriptedServer:
    """Call it in a `with`. `script` may be changed at any time; it gets each request's body.

    Attributes:
        asked: the bodies of the chat requests, in order.
        keys: their Authorization headers.
        billed: those of `asked` that a provider would have billed, whether their answers arrived or not.
        batches: what was uploaded and handed in, see `Batches`.
        elsewhere: where the fault ``redirect`` leads.
        ending: set when the server ends.
    """

    def __init__(self) -> None:
        self.script: Script = well
        self.asked: list[Body] = []
        self.keys: list[str] = []
        self.billed: list[Body] = []
        self.batches = Batches(self._played)
        self.elsewhere = "http://127.0.0.1:9/v1/chat/completions"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server = self._listen(0)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._serve()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Refuse connections from now on, and cut those that are open."""
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def start(self) -> None:
        """Listen again, at the same address, after `stop`."""
        self._server = self._listen(self.port)
        self._serve()

    def times_asked(self) -> Counter[tuple[str, str]]:
        """How often each (model, messages) was sent."""
        return Counter((body["model"], json.dumps(body["messages"])) for body in self.asked)

    def billed_usd(self, input_usd_per_million: float, output_usd_per_million: float) -> float:
        """What a provider would have billed, each answer at what `well` counts."""
        one = PROMPT_TOKENS * input_usd_per_million + COMPLETION_TOKENS * output_usd_per_million
        return len(self.billed) * one / 1e6

    def answer(self, body: Body, key: str) -> Reply | Raw:
        """What the script plays for a chat request, which is noted."""
        with self._lock:
            self.asked.append(body)
            self.keys.append(key)
            reply = self.script(body)
            if reply.billed if isinstance(reply, Raw) else reply.status == 200:
                self.billed.append(body)
            return reply

    def _played(self, body: Body) -> Reply | Raw:
        return self.script(body)

    def _serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def _listen(self, port: int) -> ThreadingHTTPServer:
        self.ending = threading.Event()
        server = _Listener(("127.0.0.1", port), _handler_for(self))
        return server


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _handler_for(outer: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.startswith(_OF_BATCHES):
                self._send(*outer.batches.post(self.path, self.headers, data))
            else:
                self._reply(outer.answer(json.loads(data), self.headers.get("Authorization", "")))

        def do_GET(self) -> None:
            if self.path.startswith(_OF_BATCHES):
                self._send(*outer.batches.get(self.path, self.headers))
            else:  # a redirect that was followed by GET
                self._reply(outer.answer({"model": "", "messages": []}, self.headers.get("Authorization", "")))

        def _reply(self, reply: Reply | Raw) -> None:
            if isinstance(reply, Reply):
                self._send(reply.status, json.dumps(reply.body).encode(), reply.headers)
                return
            self.close_connection = True
            reply.play(Wire(outer, self.connection, self.headers))

        def _send(self, status: int, data: bytes, headers: tuple[tuple[str, str], ...] = ()) -> None:
            self.send_response(status)
            for name, value in (
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(data))),
                *headers,
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def handle(self) -> None:
            outer._open.add(self.request)
            try:
                with contextlib.suppress(ConnectionError):  # the process that asked was killed
                    super().handle()
            finally:
                outer._open.discard(self.request)

    return Handler
