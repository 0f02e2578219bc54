"""`twt view`: a folder of runs in the browser, the running ones as they go."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from twt_core.errors import InputError

if TYPE_CHECKING:
    from aiohttp import web

#: Where the viewer is, unless told otherwise.
PORT = 8642
_HOST = "127.0.0.1"
#: Seconds that requests under way are given when the server ends.
_GRACE = 0.5


def serve(runs_dir: Path, port: int = PORT, open_browser: bool = False) -> None:
    """Show a folder of runs at ``http://127.0.0.1:PORT/`` until Ctrl-C or SIGTERM. Nothing is written.

    Args:
        runs_dir: the folder of runs. Runs that appear in it later are seen.
        port: where; 0 takes any that is free.
        open_browser: open it in the user's browser, too.

    Raises:
        InputError: there is no such folder, it is a run itself, or the port is taken.
    """
    from aiohttp import web

    from twt_core.view.server import application

    _check_folder(runs_dir)
    with _listening(port) as listening:
        url = f"http://{_HOST}:{listening.getsockname()[1]}/"
        app = application(runs_dir)
        if open_browser:
            app.on_startup.append(_opening(url))
        print(f"{runs_dir} is at {url} (Ctrl-C ends it)", flush=True)
        web.run_app(app, sock=listening, print=None, access_log=None, shutdown_timeout=_GRACE)
    print("ended", flush=True)


def _check_folder(runs_dir: Path) -> None:
    from twt_core.recipe import RECIPE

    if not runs_dir.is_dir():
        raise InputError(f"{runs_dir}: no such folder. Give the folder of runs, as `twt run --runs-dir` has it")
    if (runs_dir / RECIPE).is_file():
        raise InputError(f"{runs_dir}: a run folder. Give the folder that it lies in: twt view {runs_dir.parent}")


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port))
    except OverflowError as error:
        raise InputError(f"--port {port}: give a number from 0 to 65535") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = "is taken. Give another --port, or 0 for any that is free"
        else:
            why = f"cannot be used: {error.strerror}. Give another --port, or 0 for any that is free"
        raise InputError(f"port {port} {why}") from error


def _opening(url: str) -> Callable[[web.Application], Awaitable[None]]:
    async def start(_: web.Application) -> None:
        import webbrowser

        asyncio.get_running_loop().run_in_executor(None, webbrowser.open, url)  # which may wait for the browser's end

    return start
