"""The viewer's server: read-only, on this machine's loopback alone, and not for other sites' pages."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import TypeAlias

from aiohttp import web

from twt_core import report
from twt_core.errors import InputError, TwtError
from twt_core.view import pages
from twt_core.view.folders import BenchCard, Card, Folders
from twt_core.view.reports import Reports

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: What a request may call this server. A page of another site can have its own name lead here, but not these.
_HOSTS = frozenset({"127.0.0.1", "localhost"})
_HERE = Path(__file__).parent / "static"
#: What pages load. The look is that of the reports.
_STATIC = {
    "view.js": (_HERE / "view.js", "text/javascript"),
    "view.css": (_HERE / "view.css", "text/css"),
    "report.css": (Path(report.__file__).parent / "report.css", "text/css"),
    "icon.svg": (_HERE / "icon.svg", "image/svg+xml"),
}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Server": "twt",
}
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A report brings its own policy, which names its script and style by their hashes; both hold. Here it has no origin
# either, so that a file that somebody put in a run folder reads nothing of the other runs.
_REPORT_POLICY = (
    "sandbox allow-scripts; connect-src 'none'; img-src data:; font-src 'none'; media-src 'none'; "
    "object-src 'none'; frame-src 'none'; worker-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_FOLDERS = web.AppKey("folders", Folders)
_REPORTS = web.AppKey("reports", Reports)


def application(root: Path) -> web.Application:
    """The server of a folder of runs."""
    app = web.Application(middlewares=[_guarded])
    app[_FOLDERS] = Folders(root)
    app[_REPORTS] = Reports(app[_FOLDERS])
    app.on_cleanup.append(_close)
    app.router.add_get("/", _index)
    app.router.add_get(r"/runs/{name:[^/]+}/report.html", _report)
    app.router.add_get(r"/runs/{name:[^/]+}/", _card)
    app.router.add_get("/static/{name}", _static)
    return app


async def _close(app: web.Application) -> None:
    app[_REPORTS].close()


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = _refused(request) or await _answered(request, handler)
    response.headers.update(_HEADERS)
    response.headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
    return response


def _refused(request: web.Request) -> web.Response | None:
    host, _, port = request.headers.get("Host", "").partition(":")
    if host not in _HOSTS or not (port == "" or port.isdecimal()):
        return _error(HTTPStatus.FORBIDDEN, "This server answers at 127.0.0.1 and localhost only.")
    if request.headers.get("Sec-Fetch-Site") == "cross-site" and request.headers.get("Sec-Fetch-Mode") != "navigate":
        return _error(HTTPStatus.FORBIDDEN, "This server is not for other sites' pages.")
    if request.method not in {"GET", "HEAD"}:
        response = _error(HTTPStatus.METHOD_NOT_ALLOWED, "This server is read-only.")
        response.headers["Allow"] = "GET, HEAD"
        return response
    return None


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _error(HTTPStatus(error.status), "There is nothing at this address.")
    except InputError as error:
        return _error(HTTPStatus.NOT_FOUND, str(error))
    except TwtError as error:
        return _error(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
    except Exception as error:  # noqa: BLE001  # whatever is wrong with one folder, the others are still to be seen
        print(f"twt view: {request.path!r}: {type(error).__name__}: {error}", file=sys.stderr)
        return _error(HTTPStatus.INTERNAL_SERVER_ERROR, f"It cannot be shown: {type(error).__name__}.")


def _error(status: HTTPStatus, why: str) -> web.Response:
    return _page(pages.error_page(status.phrase, why), status)


def _page(text: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


async def _index(request: web.Request) -> web.StreamResponse:
    return _fresh(request, await asyncio.to_thread(pages.index_page, request.app[_FOLDERS]))


async def _card(request: web.Request) -> web.StreamResponse:
    card = await _found(request)

    def page() -> str:
        return pages.bench_page(card) if isinstance(card, BenchCard) else pages.run_page(card)

    return _fresh(request, await asyncio.to_thread(page))


async def _report(request: web.Request) -> web.StreamResponse:
    body = await request.app[_REPORTS].of(await _found(request))
    headers = {"Content-Security-Policy": _REPORT_POLICY}
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)


async def _static(request: web.Request) -> web.StreamResponse:
    if (known := _STATIC.get(request.match_info["name"])) is None:
        raise web.HTTPNotFound
    file, kind = known
    return web.Response(body=file.read_bytes(), content_type=kind, charset="utf-8")


async def _found(request: web.Request) -> Card:
    card = (await asyncio.to_thread(request.app[_FOLDERS].by_name)).get(request.match_info["name"])
    if card is None:
        raise web.HTTPNotFound
    return card


def _fresh(request: web.Request, text: str) -> web.Response:
    """A page, unless the asker has it already."""
    tag = f'"{hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
    response = _page(text)
    response.headers["ETag"] = tag
    return response
