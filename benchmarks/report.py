"""How large and how quick a run's report is: up to 20,000 annotations of 120 words, in a real Chromium, beside a table.

The run is made up from a seed, step by step, as `twt run` would leave it: four teachers, of whose rationales half are
selected and compressed; and 1,000 test questions with the answers of four stages. The table is what is made quickest: a
page with a row for every annotation and its rationale, and a script that hides those without the words; it has neither
figures, nor compressions, nor students' answers. Both are measured at a small size, too. Measured are

- the CPU seconds that making the page takes, and its size;
- from the beginning of the load, the first text on the screen, and the end of the page's script;
- from a key in the search field until the new list is on the screen, over words of all frequencies; from a choice of a
  teacher, and from opening a query, likewise. On the screen means that the frame after the change was handed over;
- the time between two frames while the page is scrolled by 100 pixels a frame (16.7 ms is as quick as the screen).

Other work on the machine disturbs the browser's times: `load` is the average number of processes that wanted to run
meanwhile, on so many `cores`.

    python benchmarks/report.py [--annotations 1000 20000] [--chromium PATH] [--output docs/results/report.json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, NamedTuple

from report_parts import QUESTIONS, TEACHERS, WORDS, make, plain_table

from twt_core import report
from twt_core.run import write_whole

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZES = (1_000, 20_000)
#: Frequent, less frequent, rare, and not there at all.
SEARCHES = ("because", "word17", "word1999", "q-00042", "nothing like it")
FRAMES = 120

#: From the key, or the choice, until the frame after it was handed over.
_TIMED = """
([selector, event]) => {
  window.took = [];
  document.querySelector(selector).addEventListener(event, () => {
    const from = performance.now();
    requestAnimationFrame(() => setTimeout(() => window.took.push(performance.now() - from)));
  }, { capture: true });
}
"""
_FIRST = """
new Promise((found) => {
  const look = () => (window.took.length ? found(window.took.pop()) : setTimeout(look, 2));
  look();
})
"""
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_LOADED = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
_SCROLLED = """
(frames) => new Promise((done) => {
  const times = [];
  const step = (now) => {
    times.push(now);
    if (times.length > frames) return done(times.slice(1).map((time, at) => time - times[at]));
    window.scrollBy({ top: 100, behavior: "instant" });
    requestAnimationFrame(step);
  };
  window.scrollTo({ top: 0, behavior: "instant" });
  requestAnimationFrame(step);
})
"""


class Way(NamedTuple):
    """A page that shows a run: how it is made, and where its parts are."""

    name: str
    write: Callable[[Path, Path], object]
    form: str
    rows: str | None


def _write_table(run: Path, out: Path) -> None:
    write_whole(out, plain_table(run))


REPORT = Way("report", report.write, "[data-kind=queries] form", "[data-kind=queries] .rows")
TABLE = Way("table", _write_table, "form", None)


class Measured(NamedTuple):
    """One page. Times in the browser are milliseconds; megabytes are of 10^6 bytes. None: it has no such thing."""

    page: str
    annotations: int
    build_cpu_seconds: float
    megabytes: float
    first_text_ms: float
    loaded_ms: float
    key_ms_median: float
    key_ms_most: float
    keys: int
    filter_ms_most: float
    open_ms_most: float | None
    scroll_frame_ms_median: float
    scroll_frame_ms_p95: float
    scroll_frame_ms_most: float


def measure(way: Way, run: Path, annotations: int, page: Page) -> Measured:
    """Make a page of a run and use it in a browser."""
    file = run.parent / f"{way.name}-{annotations}.html"
    began = time.process_time()
    way.write(run, file)
    built = time.process_time() - began
    page.goto(file.resolve().as_uri())
    page.wait_for_function(f"{_PAINTED} > 0 && {_LOADED} > 0")
    painted, loaded = page.evaluate(_PAINTED), page.evaluate(_LOADED)
    page.wait_for_timeout(3000)  # as a reader does before the first word is typed
    frames = page.evaluate(_SCROLLED, FRAMES)
    keys = list(_keys(way, page))
    return Measured(
        page=way.name,
        annotations=annotations,
        build_cpu_seconds=round(built, 1),
        megabytes=round(file.stat().st_size / 1e6, 1),
        first_text_ms=round(painted),
        loaded_ms=round(loaded),
        key_ms_median=round(median(keys), 1),
        key_ms_most=round(max(keys), 1),
        keys=len(keys),
        filter_ms_most=round(max(_filters(way, page)), 1),
        open_ms_most=round(max(_opened(way.rows, page)), 1) if way.rows else None,
        scroll_frame_ms_median=round(median(frames), 1),
        scroll_frame_ms_p95=round(quantiles(frames, n=20)[-1], 1),
        scroll_frame_ms_most=round(max(frames), 1),
    )


def _keys(way: Way, page: Page) -> Iterator[float]:
    field = f"{way.form} input[type=search]"
    page.evaluate(_TIMED, [field, "keydown"])
    for words in SEARCHES:
        for letter in words:
            page.press(field, "Space" if letter == " " else letter)
            yield _took(page)
        page.fill(field, "")


def _filters(way: Way, page: Page) -> Iterator[float]:
    page.evaluate(_TIMED, [way.form, "input"])
    for name in (TEACHERS[1], "any", TEACHERS[3], "any"):
        page.select_option(f"{way.form} select[name=teacher]", label=name)
        yield _took(page)


def _opened(rows: str, page: Page) -> Iterator[float]:
    page.evaluate(_TIMED, [rows, "click"])
    for place in range(5):
        page.locator(f"{rows} .row > summary").nth(place).click()
        yield _took(page)


def _took(page: Page) -> float:
    return float(page.evaluate(_FIRST))


def results(sizes: Sequence[int], chromium: str | None) -> dict[str, Any]:
    """Both pages at every size, and on what they were measured."""
    from playwright.sync_api import sync_playwright

    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for size in sizes:
            run = make(Path(folder) / f"run-{size}", size)
            for way in (REPORT, TABLE):
                page = browser.new_page()
                page.set_default_timeout(600_000)
                rows.append(measure(way, run, size, page))
                page.close()
        on = {
            "chromium": browser.version, "python": platform.python_version(), "matplotlib": version("matplotlib"),
            "machine": platform.machine(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1),
        }  # fmt: skip
        browser.close()
    return {"pages": [row._asdict() for row in rows], "words": WORDS, "questions": QUESTIONS, "on": on}


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser; by default the one on PATH")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    arguments = parser.parse_args()
    text = json.dumps(results(arguments.annotations, arguments.chromium), indent=1)
    if arguments.output:
        arguments.output.write_text(f"{text}\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
