"""An OpenAI-compatible chat server on loopback that plays what a test scripts, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

Body = dict[str, Any]


class Reply(NamedTuple):
    """What the server sends back."""

    status: int
    body: Body
    headers: tuple[tuple[str, str], ...] = ()


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
            "usage": {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30},
        },
    )  # fmt: skip


def fault(status: int, message: str = "it broke", **headers: str) -> Reply:
    """An error as OpenAI shapes it."""
    return Reply(
        status,
        {"error": {"message": message, "type": "error", "code": None}},
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
    """Call it in a `with`. `script` may be changed at any time; it gets each request's body."""

    def __init__(self) -> None:
        self.script: Callable[[Body], Reply] = well
        self.asked: list[Body] = []
        self.keys: list[str] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._lock:
                    outer.asked.append(body)
                    outer.keys.append(self.headers.get("Authorization", ""))
                    status, answer, headers = outer.script(body)
                data = json.dumps(answer).encode()
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
                with contextlib.suppress(ConnectionError):  # the process that asked was killed
                    super().handle()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def times_asked(self) -> Counter[tuple[str, str]]:
        """How often each (model, messages) was sent."""
        return Counter((body["model"], json.dumps(body["messages"])) for body in self.asked)
