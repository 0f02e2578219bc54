"""A real Chromium for tests: one process a session, a page of its own for each test.

Playwright's synchronous interface keeps an event loop running in the thread that it was started in, so that nothing
else there could use `asyncio.run`: it is started for a test and stopped with it, and only the browser stays.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

#: Names under which systems have it.
_ON_PATH = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MISSING = (
    "these tests need a Chromium. Install one (apt-get install chromium, or python -m playwright install chromium), or "
    "say where it is: TWT_CHROMIUM=/path/to/chromium"
)
_STARTS_WITHIN = 60.0


def executable() -> str:
    """Where Chromium is: TWT_CHROMIUM, one on the PATH, or playwright's own."""
    given = os.environ.get("TWT_CHROMIUM")
    names = (given,) if given else _ON_PATH
    found = next(filter(None, map(shutil.which, names)), None) or given or _playwrights()
    if not Path(found).is_file():
        pytest.fail(f"{found}: no browser there; {_MISSING}", pytrace=False)
    return found


def _playwrights() -> str:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


@contextmanager
def chromium(folder: Path) -> Iterator[str]:
    """Chromium with its files in a folder; gives the address that it is driven at."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command = [executable(), *options, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
    with (folder / "said.txt").open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        try:
            yield f"http://127.0.0.1:{_port(folder, process)}"
        finally:
            process.terminate()
            process.wait()


def _port(folder: Path, process: subprocess.Popen[bytes]) -> str:
    file, given_up = folder / "DevToolsActivePort", time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < given_up and process.poll() is None:
        if file.is_file() and (lines := file.read_text().splitlines()):
            return lines[0]
        time.sleep(0.05)
    said = (folder / "said.txt").read_text(errors="replace")
    pytest.fail(f"Chromium did not start: {said[-2000:]}", pytrace=False)
