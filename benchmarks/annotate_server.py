"""An OpenAI-compatible server on loopback, in a process of its own: the same answer to every question, after a wait.

The wait is in the path: ``http://127.0.0.1:PORT/200/v1`` answers after 200 ms.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

#: What is asked for by this name.
MODEL = "made-up"
#: About 600 characters in the format of the built-in prompts.
TEXT = (
    "Thinking: The shop starts with 12 boxes, and each box holds 24 apples, so there are 12 * 24 = 288 apples in all. "
    "In the morning it sells a quarter of them, which is 288 / 4 = 72 apples, and 288 - 72 = 216 are left. In the "
    "afternoon 5 more boxes arrive with 24 apples each, which adds 5 * 24 = 120 apples, so there are 216 + 120 = 336. "
    "In the evening 36 of these are found to be bad and are thrown away, which leaves 336 - 36 = 300 good apples. They "
    "are put into bags of 10, and 300 / 10 = 30 bags are filled without an apple left over.\n"
    "The answer is: 30\nScore: 0.97"
)
#: The body of every reply.
REPLY = json.dumps({
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT}}],
    "usage": {"prompt_tokens": 350, "completion_tokens": 190, "total_tokens": 540},
}).encode()  # fmt: skip


@contextmanager
def serving() -> Iterator[str]:
    """The server's address, while it runs: append the milliseconds and ``/v1``."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, __file__], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


async def _answer(request: web.Request) -> web.Response:
    from aiohttp import web

    await request.read()
    await asyncio.sleep(int(request.match_info["milliseconds"]) / 1000)
    return web.Response(body=REPLY, content_type="application/json")


async def _serve() -> None:
    from aiohttp import web

    app = web.Application()
    app.router.add_post("/{milliseconds}/v1/chat/completions", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until whoever started it closes the pipe, or ends


if __name__ == "__main__":
    asyncio.run(_serve())
