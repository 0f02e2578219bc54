"""A real run in one process, the viewer in another, and a real browser that looks on."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pytest
from running_viewer import TWT, viewing

from twt_core.progress import Progress
from twt_core.recorder import recorded


@contextmanager
def running(config: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """`twt run CONFIG` until the end of the block."""
    command = [*TWT, "run", str(config), "--runs-dir", str(config.parent / "runs"), "--quiet", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def said(page) -> list[str]:
    """Whatever the browser finds wrong."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("dialog", lambda dialog: found.append(dialog.message) or dialog.dismiss())
    return found


def mark(page) -> None:
    """Leave something in the page that a reload would lose."""
    page.evaluate("window.marked = true")


def marked(page) -> bool:
    return bool(page.evaluate("window.marked === true"))


def text_of(page, selector: str) -> str:
    return str(page.locator(selector).first.inner_text())


def wait_for(page, selector: str, text: str) -> None:
    """Until an element says something."""
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)",
        arg=[selector, text],
        timeout=180_000,
    )


def test_a_run_as_it_goes(page, said, fresh):
    runs = fresh.parent / "runs"
    runs.mkdir()
    with viewing(runs) as viewer:
        page.goto(viewer.url)
        mark(page)
        assert "No run yet" in text_of(page, "main")
        with running(fresh, "--set", "student.epochs=2000") as process:
            wait_for(page, "main", "tiny")  # it appears in the list
            wait_for(page, ".badge", "working")
            assert marked(page)
            page.get_by_role("link", name="tiny", exact=True).click()
            page.wait_for_url("**/runs/tiny/")
            mark(page)
            wait_for(page, "main", "training full")
            bar = page.get_by_role("progressbar", name="training full")
            before = float(bar.get_attribute("value"))
            page.wait_for_function(
                "before => Number(document.querySelector('[aria-label=\"training full\"]').value) > before",
                arg=before,
                timeout=60_000,
            )
            assert marked(page)
            assert "6 of 15 steps" in text_of(page, ".state")
            assert "to come" in text_of(page, ".steps")
            assert "full-student" in text_of(page, "#news")  # for who hears the page
            assert process.poll() is None
            process.send_signal(signal.SIGKILL)
            wait_for(page, ".badge", "stopped")
            assert "its process is gone" in text_of(page, ".state")
            assert "The run is stopped" in page.locator("#news").inner_text()
        assert "Accuracy" in viewer.ask("/runs/tiny/report.html").text  # of what there is
        with running(fresh, "--set", "student.epochs=1") as process:
            wait_for(page, ".badge", "working")
            wait_for(page, ".badge", "done")
            assert process.wait(60) == 0
        assert marked(page)
        assert "Its report can be opened" in page.locator("#news").inner_text()
        assert page.title() == "tiny · TwT"
        page.get_by_role("link", name="Open the report").click()
        page.wait_for_url("**/runs/tiny/report.html")
        assert "tiny" in text_of(page, "h1")
        assert page.evaluate("self.origin") == "null"  # so that a file in a run folder reads no other run
        assert said == []
        assert viewer.end()[0] == 0


def test_nothing_of_a_run_acts_on_the_page(page, said, finished, tmp_path):
    evil = "<img src=x onerror=alert(1)></title><script>alert(2)</script>"
    folder = tmp_path / evil.replace("/", "\N{FRACTION SLASH}")
    shutil.copytree(finished.folder, folder)
    (folder / "summary.json").unlink()
    progress = Progress(quiet=True)
    with recorded(folder, progress), progress.task(evil, {evil: 3}) as task, viewing(tmp_path) as viewer:
        progress.expect([evil])
        progress.say(evil)
        progress.say("</pre></main><script>alert(3)</script>")
        page.goto(viewer.url)
        page.get_by_role("link", name="<img").first.click()
        mark(page)
        task.advance(evil, 1, evil)
        progress.step(evil)
        wait_for(page, ".part:nth-of-type(2)", "1/3")
        assert page.locator("main script, main img").count() == 0
        assert evil in text_of(page, ".lines")
        assert marked(page)
    assert said == []


def test_it_goes_on_when_the_server_was_away(page, finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "tiny")
    with viewing(tmp_path) as viewer:
        page.goto(viewer.url)
        mark(page)
        assert not page.locator("#lost").is_visible()
        viewer.end()
    page.wait_for_selector("#lost", state="visible", timeout=60_000)
    shutil.copytree(finished.folder, tmp_path / "later")
    with viewing(tmp_path, port=viewer.port):
        wait_for(page, "main", "later")
        page.wait_for_selector("#lost", state="hidden")
        assert marked(page)


def test_focus_and_reading_place_stay(page, finished, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(finished.folder, tmp_path / name)
    with viewing(tmp_path) as viewer:
        page.goto(viewer.url)
        page.locator("th a", has_text="b").focus()
        shutil.copytree(finished.folder, tmp_path / "c")
        (tmp_path / "c" / "progress.json").unlink()
        wait_for(page, "main", "3 in")
        assert page.evaluate("document.activeElement.textContent") == "b"


def test_it_fits_and_can_be_read(page, said, finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "tiny")
    shutil.copytree(finished.folder, tmp_path / ("a-run-with-a-long-name-" * 4))
    with viewing(tmp_path) as viewer:
        for scheme, width in product(["light", "dark"], [1200, 360]):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            for path in ("/", "/runs/tiny/"):
                page.goto(viewer.url + path)
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                assert page.evaluate(_FAINTEST) >= 4.5
    assert said == []


#: The lowest contrast of any text with the page behind it (WCAG 2.2, 1.4.3).
_FAINTEST = """() => {
  const part = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = (css) => css.match(/[\\d.]+/g).slice(0, 3).map(Number).map(part)
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const css = getComputedStyle(one).backgroundColor;
      if (!/, 0\\)$/.test(css)) return css;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (one) => {
    const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  return Math.min(...[...document.querySelectorAll("body *")].filter((e) => e.innerText?.trim()).map(contrast));
}"""
