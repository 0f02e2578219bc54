"""How a teacher's server goes wrong, by name: what a `ScriptedServer` can be told to play.

``server.script = FAULTS["silence"]`` plays one for ever. ``server.script = play_named()`` plays the one that a
request's model or its last message names as ``fault=NAME``, and answers all other requests well.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

from scripted_server import Body, Raw, Reply, Script, Wire, fault, well

#: How long ``silence`` lasts, unless the server ends before, and after how long ``late`` answers.
SILENT_SECONDS, LATE_SECONDS = 120.0, 3.0
DRIP_SECONDS = 0.2
LONG = 30_000_000


@dataclass(frozen=True)
class Fault:
    """One way to go wrong. `times`: so often for the same request, after which it is answered well; None: for ever."""

    play: Script
    times: int | None = None

    def __call__(self, body: Body) -> Reply | Raw:
        return self.play(body)


def _head(length: int, status: str = "200 OK", type_: str = "application/json", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {type_}", f"Content-Length: {length}", "Connection: close", *more]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


def _data(body: Body) -> bytes:
    return json.dumps(well(body).body).encode()


def _wire(play: Callable[[Wire, bytes], None]) -> Script:
    """A fault on the way of a good answer, which a provider would have billed."""
    return lambda body: Raw(lambda wire: play(wire, _data(body)), billed=True)


def _sent(data: bytes, type_: str = "application/json") -> Script:
    return _wire(lambda wire, _: wire.send(_head(len(data), type_=type_) + data))


def _silence(wire: Wire, data: bytes) -> None:
    wire.wait(SILENT_SECONDS)


def _headers_then_silence(wire: Wire, data: bytes) -> None:
    wire.send(_head(len(data)))
    wire.wait(SILENT_SECONDS)


def _drip(wire: Wire, data: bytes) -> None:
    wire.send(_head(len(data)))
    for byte in data:
        wire.wait(DRIP_SECONDS)
        wire.send(bytes([byte]))


def _late(wire: Wire, data: bytes) -> None:
    wire.wait(LATE_SECONDS)
    wire.send(_head(len(data)) + data)


def _reset_mid_body(wire: Wire, data: bytes) -> None:
    wire.send(_head(len(data)) + data[: len(data) // 2])
    wire.wait(0.05)  # else the reset overtakes the bytes
    wire.reset()


def _short_body(wire: Wire, data: bytes) -> None:
    wire.send(_head(len(data)) + data[: len(data) // 2])


def _truncated_json(wire: Wire, data: bytes) -> None:
    wire.send(_head(len(data) // 2) + data[: len(data) // 2])


def _bad_utf8(wire: Wire, data: bytes) -> None:
    broken = data.replace(b"Thinking", b"Think\xff\xc3(")
    wire.send(_head(len(broken)) + broken)


def _redirect(wire: Wire) -> None:
    wire.send(_head(0, "307 Temporary Redirect", "text/plain", f"Location: {wire.server.elsewhere}"))


def _echo_key(wire: Wire) -> None:
    said = json.dumps({"error": {"message": f"bad header Authorization: {wire.headers['Authorization']}"}}).encode()
    wire.send(_head(len(said), "401 Unauthorized") + said)


def _with(**parts: object) -> Script:
    """A good answer with other parts of its body; None takes a part out."""

    def play(body: Body) -> Reply:
        merged = {**well(body).body, **parts}
        return Reply(200, {name: part for name, part in merged.items() if part is not None})

    return play


def _usage(prompt: float, completion: float) -> Script:
    return _with(usage={"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": completion})


def _null(reason: str) -> Script:
    message = {"role": "assistant", "content": None}
    return lambda body: well(body, finish_reason=reason, message=message)


def _three_choices(body: Body) -> Reply:
    replies = [well(body, text, index=n).body["choices"][0] for n, text in enumerate((None, "second", "third"))]
    return Reply(200, {**well(body).body, "choices": replies})


def _always(reply: Reply) -> Script:
    return lambda body: reply


FAULTS: dict[str, Fault] = {
    "429_seconds": Fault(_always(fault(429, "slow down", retry_after="2"))),
    "429_date": Fault(lambda body: fault(429, "slow down", retry_after=formatdate(time.time() + 3, usegmt=True))),
    "429_negative": Fault(_always(fault(429, "slow down", retry_after="-5"))),
    "429_1e9": Fault(_always(fault(429, "slow down", retry_after="1e9"))),
    "429": Fault(_always(fault(429, "slow down"))),
    "429_quota": Fault(_always(fault(429, "You exceeded your current quota", "insufficient_quota"))),
    "429_once": Fault(_always(fault(429, "slow down", retry_after="0.1")), times=1),
    "503_burst": Fault(_always(fault(503, "overloaded")), times=3),
    "500_twice": Fault(_always(fault(500)), times=2),
    "500": Fault(_always(fault(500))),
    "408": Fault(_always(fault(408, "too slow"))),
    "409": Fault(_always(fault(409, "try again"))),
    "401": Fault(_always(fault(401, "bad key"))),
    "403": Fault(_always(fault(403, "not for you"))),
    "404_model": Fault(_always(fault(404, "no such model", "model_not_found"))),
    "400_context": Fault(_always(fault(400, "maximum context length exceeded", "context_length_exceeded"))),
    "413": Fault(_always(fault(413, "too large"))),
    "422": Fault(_always(fault(422, "no such option"))),
    "silence": Fault(_wire(_silence)),
    "headers_then_silence": Fault(_wire(_headers_then_silence)),
    "drip": Fault(_wire(_drip)),
    "late": Fault(_wire(_late)),
    "reset_before_headers": Fault(_wire(lambda wire, _: wire.reset())),
    "reset_mid_body": Fault(_wire(_reset_mid_body)),
    "short_body": Fault(_wire(_short_body)),
    "truncated_json": Fault(_wire(_truncated_json)),
    "html": Fault(_sent(b"<!DOCTYPE html><html><body>Log in</body></html>", "text/html")),
    "empty": Fault(_sent(b"")),
    "error_object": Fault(_always(Reply(200, {"error": {"message": "overloaded", "code": None}}))),
    "no_choices": Fault(_with(choices=[])),
    "null_content": Fault(_null("stop")),
    "content_filter": Fault(_null("content_filter")),
    "length": Fault(lambda body: well(body, finish_reason="length")),
    "other_model": Fault(_with(model="another-model")),
    "three_choices": Fault(_three_choices),
    "usage_missing": Fault(_with(usage=None)),
    "usage_negative": Fault(_usage(-20, 10)),
    "usage_1e12": Fault(_usage(20, 10**12)),
    "usage_nan": Fault(_usage(float("nan"), 10)),
    "lone_surrogate": Fault(lambda body: well(body, "half a \ud83d smile\nThe answer is: 7")),
    "bad_utf8": Fault(_wire(_bad_utf8)),
    "30_mb": Fault(lambda body: well(body, "x" * LONG)),
    "redirect": Fault(lambda body: Raw(_redirect, billed=False)),
    "echo_key": Fault(lambda body: Raw(_echo_key, billed=False)),
}


def named(body: Body) -> str | None:
    """The fault that a request names in its model or its last message: ``fault=NAME``."""
    found = re.search(r"fault=(\w+)", f"{body['model']} {body['messages'][-1]['content']}")
    return found[1] if found else None


def play_named(choose: Callable[[Body], str | None] = named, times: int | None = None) -> Script:
    """A script that plays, for each request, the fault that `choose` names, and answers well where it names none.

    `times` is for faults without a number of their own: so often for the same request, then well.
    """
    seen: Counter[str] = Counter()

    def script(body: Body) -> Reply | Raw:
        name = choose(body)
        if name is None:
            return well(body)
        seen[key := json.dumps(body, sort_keys=True)] += 1
        limit = FAULTS[name].times or times
        return well(body) if limit is not None and seen[key] > limit else FAULTS[name](body)

    return script
