"""An OpenAI-compatible server asked directly, at little cost per call."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from pydantic import Field, model_validator

from twt_core.errors import TeacherError
from twt_core.records import Request
from twt_core.settings import Json
from twt_plugins.teachers.chat_completion import LONGEST_REPLY, error_text, too_long
from twt_plugins.teachers.http_faults import refused
from twt_plugins.teachers.served import BaseUrl, ServedModel

if TYPE_CHECKING:
    import aiohttp

_OK = 200
# Less than the 5 s after which common servers close an idle connection, so that no request goes into a closing one.
_IDLE_SECONDS = 4.0
_CONNECT_SECONDS = 30.0

#: The open connections of each event loop, by teacher: a component is frozen and cannot hold them.
_SESSIONS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], aiohttp.ClientSession]] = (
    WeakKeyDictionary()
)


class OpenAICompatible(ServedModel):
    """A model on vLLM, SGLang, llama.cpp's server, or any other that takes POST ``BASE_URL/chat/completions``.

    Many more calls per second than `litellm` makes, which matters where the server answers fast. Proxies set in the
    environment are not used, and no redirect is followed.
    """

    base_url: BaseUrl = Field(description="Where the server's API begins, e.g. http://127.0.0.1:8000/v1.")
    model: str = Field(min_length=1, description="The model's name on the server.")
    top_k: int | None = Field(default=None, ge=1, description="Sample among the k likeliest tokens; None: not sent.")
    min_p: float | None = Field(
        default=None, ge=0, le=1, description="Least probability, relative to the likeliest token's; None: not sent."
    )
    repetition_penalty: float | None = Field(
        default=None, gt=0, description="Above 1, tokens that are there already become less likely; None: not sent."
    )
    extra_body: dict[str, Json] = Field(
        default_factory=dict,
        description="Further members of the request, e.g. {chat_template_kwargs: {enable_thinking: false}}.",
    )

    @model_validator(mode="after")
    def _nothing_said_twice(self) -> Self:
        taken = {*type(self).model_fields, "messages", "response_format", "n", "stream", "max_completion_tokens"}
        if twice := sorted(taken & set(self.extra_body)):
            raise ValueError(
                f"extra_body must not hold {', '.join(twice)}: set the teacher's own option, if it has one"
            )
        return self

    async def close(self) -> None:
        """See `Teacher.close`."""
        session = _SESSIONS.get(asyncio.get_running_loop(), {}).pop(self._at, None)
        if session is not None:
            await session.close()

    def options(self, request: Request) -> dict[str, Json]:
        """See `ServedModel.options`."""
        more = {"top_k": self.top_k, "min_p": self.min_p, "repetition_penalty": self.repetition_penalty}
        given: dict[str, Json] = {name: value for name, value in more.items() if value is not None}
        return {**super().options(request), **given, **self.extra_body}

    async def _reply(self, request: Request) -> Json:
        import aiohttp

        messages: list[Json] = [dict(message._asdict()) for message in request.messages]
        sent = json.dumps({"model": self.model, "messages": messages, **self.options(request)}).encode()
        try:
            async with self._session().post(self._url, data=sent, allow_redirects=False) as response:
                return _body(response, await _read(response))
        except (aiohttp.ClientError, OSError) as error:
            raise _unheard(error) from None

    @property
    def _url(self) -> str:
        return f"{self.base_url.rstrip('/')}/chat/completions"

    @property
    def _at(self) -> tuple[str, str]:
        return self.name, self.base_url

    def _session(self) -> aiohttp.ClientSession:
        sessions = _SESSIONS.setdefault(asyncio.get_running_loop(), {})
        session = sessions.get(self._at)
        if session is None or session.closed:
            session = sessions[self._at] = self._open()
        return session

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        key = self._key()
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        return aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS),  # the engine limits
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),  # the engine does the rest
        )


async def _read(response: aiohttp.ClientResponse) -> str:
    """The reply's body, if it is not endless."""
    data = bytearray()
    while part := await response.content.readany():
        data += part
        if len(data) > LONGEST_REPLY:
            raise too_long()
    return data.decode("utf-8", "replace")  # an answer with a broken character was paid for like any other


def _body(response: aiohttp.ClientResponse, data: str) -> Json:
    if 300 <= response.status < 400:
        raise refused(response.status, f"HTTP {response.status}: {_redirected(response.headers.get('Location', ''))}")
    if response.status >= 400:
        said = f"HTTP {response.status}: {_said(data)}"
        raise refused(response.status, said, wait=response.headers.get("Retry-After"))
    try:
        body: Json = json.loads(data)
    except (ValueError, RecursionError):
        raise TeacherError(f"the reply is no JSON: {data or 'it is empty'}", maybe_billed=True) from None
    return body


def _redirected(location: str) -> str:
    there = urlsplit(location)
    where = f"{there.scheme}://{there.hostname}" if there.hostname else "another path"
    return f"the server redirects to {where}, which is not followed: set base_url to where the API is"


def _said(data: str) -> str:
    """What an error's body says: OpenAI's form, vLLM's, or else its beginning."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return data
    return error_text(body["error"] if isinstance(body, dict) and body.get("error") else body)


def _unheard(error: Exception) -> TeacherError:
    """A call without a whole reply. Only one that made no connection is known not to be billed."""
    import aiohttp

    said = f"{type(error).__name__}: {error}"
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.InvalidURL)):
        return TeacherError(said, retry="later")
    never_sent = isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
    return TeacherError(said, maybe_billed=not never_sent)
