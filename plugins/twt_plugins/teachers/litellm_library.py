"""LiteLLM, made to send one request a call and to keep to the address it was given; and what its errors mean."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from twt_core.errors import TeacherError
from twt_core.settings import Json
from twt_plugins.teachers.chat_completion import error_text
from twt_plugins.teachers.http_faults import refused


@lru_cache(maxsize=1)
def library() -> Any:
    """The module ``litellm``."""
    # Set before the import, which else fetches a price list and reads ./.env.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    logging.getLogger("LiteLLM").setLevel(logging.ERROR)  # it warns of each step's new event loop
    _keep_to_one_request()
    return litellm


def _keep_to_one_request() -> None:
    """Two habits of LiteLLM's that no option turns off (1.106).

    Its HTTP client sends a request again after a reset, and what was reset may have been billed. And it follows
    redirects: Authorization is then left out, but not the headers in which some providers take their keys.
    """
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
    from litellm.llms.openai.common_utils import BaseOpenAILLM

    handler: Any = AsyncHTTPHandler
    openai: Any = BaseOpenAILLM
    handler.single_connection_post_request = _raise_again
    handler.create_client = _without_redirects(handler.create_client)
    openai._get_async_http_client = staticmethod(_without_redirects(openai._get_async_http_client))


async def _raise_again(*_: object, **__: object) -> None:
    raise sys.exception() or ConnectionError("the connection broke")


def _without_redirects(make: Callable[..., Any]) -> Callable[..., Any]:
    def made(*arguments: Any, **options: Any) -> Any:
        client = make(*arguments, **options)
        client.follow_redirects = False
        return client

    return made


def failure(error: Exception) -> TeacherError:
    """What an exception out of LiteLLM means. Its own class and status do not tell an answer from its absence."""
    import httpx

    said = f"{type(error).__name__}: {str(error).split('Traceback (most recent')[0]}"
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, httpx.HTTPStatusError):
            return _refused(link.response, said, getattr(error, "body", None))
    if _never_connected(chain):
        return TeacherError(said)
    status = _own_refusal(error, chain)
    return refused(status, said) if status is not None else _unheard(error, said)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _refused(response: Any, said: str, body: Json) -> TeacherError:
    # LiteLLM's message may lack the error's code.
    code = f" ({error_text(body)})" if isinstance(body, dict) and body.get("code") else ""
    return refused(response.status_code, said + code, wait=response.headers.get("retry-after"))


def _never_connected(chain: list[BaseException]) -> bool:
    import aiohttp
    import httpx

    kinds = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout,
             ConnectionRefusedError, socket.gaierror)  # fmt: skip
    return any(isinstance(link, kinds) for link in chain)


def _own_refusal(error: Exception, chain: list[BaseException]) -> int | None:
    """The status of an error that LiteLLM raised before it sent anything: a missing key, an unknown provider."""
    status = getattr(error, "status_code", None)
    read_in_reply = any(type(link) is Exception for link in chain)  # so it raises an error object of status 200
    own = isinstance(status, int) and 400 <= status < 500 and status != 408 and not read_in_reply
    return status if own else None


def _unheard(error: Exception, said: str) -> TeacherError:
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status < 500:
        return refused(status, said, maybe_billed=True)
    return refused(500, said, maybe_billed=True)
