"""How large and how quick a run's report is: up to 20,000 annotations of 120 words, in a real Chromium.

The run is made up from a seed, step by step, as `twt run` would leave it: four teachers, of whose rationales half are
selected and compressed; and 1,000 test questions with the answers of four stages. Measured are the CPU seconds that
building the page takes, its size, and, in the browser: from the beginning of the load until the lists are there; from a
key in the search field until the new list is on the screen, over words of all frequencies; from a choice in a filter,
and from opening a query, likewise. On the screen means that the frame after the change was handed over. Other work on
the machine disturbs the browser's times: `load` is the average number of processes that wanted to run meanwhile.

    python benchmarks/report.py [--annotations 2000 20000] [--chromium PATH] [--output docs/results/report.json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from twt_core import known_answers, report
from twt_core.accounting import ACCOUNTING, count
from twt_core.calibration import CALIBRATION, calibrate
from twt_core.data import Data
from twt_core.progress import Progress
from twt_core.recipe import RECIPE, Recipe
from twt_core.records import Annotation, Prediction, Query, Record, Trace
from twt_core.run import Run, open_run, write_whole
from twt_core.session import QUERIES

if TYPE_CHECKING:
    from playwright.sync_api import Page

TEACHERS = ("amber", "birch", "cedar", "dune")
STAGES = ("untouched", "full", "compressed", "answer_only")
SIZES = (2_000, 20_000)
#: Words in a rationale, and test questions.
WORDS, QUESTIONS = 120, 1_000
#: Frequent, less frequent, rare, and not there at all.
SEARCHES = ("because", "word17", "word1999", "q-00042", "nothing like it")
_VOCABULARY = 2_000

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


class Measured(NamedTuple):
    """One size. Times in the browser are milliseconds; megabytes are of 10^6 bytes."""

    annotations: int
    queries: int
    build_cpu_seconds: float
    megabytes: float
    load_ms: float
    key_ms_median: float
    key_ms_most: float
    keys: int
    filter_ms_most: float
    open_ms_most: float


def make(run: Path, annotations: int, seed: int = 0) -> Path:
    """A run folder with so many annotations; returns it."""
    rng = random.Random(seed)
    queries = [_query("q", number, rng) for number in range(annotations // len(TEACHERS))]
    tests = [_query("t", number, rng) for number in range(QUESTIONS)]
    rows = [_annotation(query, teacher, rng) for query in queries for teacher in TEACHERS]
    chosen = [row for row in rows if row.rejection is None][: len(rows) // 2]
    traces = [_trace(row) for row in chosen]
    with open_run(run, Progress(quiet=True)) as folder:
        _step(folder, "kept", rows)
        _step(folder, "selected", chosen)
        _step(folder, "traces", traces)
        _step(folder, "compressed-traces", [_compressed(trace, rng) for trace in traces])
        for place, stage in enumerate(STAGES):
            _step(folder, f"{stage}-test-scores", [_prediction(query, place, rng) for query in tests])
    _beside(run, queries, tests, rows, len(chosen))
    return run


def _step(folder: Run, name: str, rows: Sequence[Record]) -> None:
    folder.rows(name, Record, [], [], lambda: rows)


def _beside(run: Path, queries: list[Query], tests: list[Query], rows: list[Annotation], selected: int) -> None:
    """What a run writes beside its steps."""
    right = {row.key: row.label == "right" for row in rows}
    write_whole(
        run / RECIPE, Recipe(identity={}, task_evaluator={}, student={"model": "none"}, seed=0).model_dump_json()
    )
    write_whole(run / QUERIES, (query.unlabeled().model_dump_json() + "\n" for query in queries))
    known_answers.note_questions(run, Data(queries, tests, []))
    known_answers.note_grades(run, right)
    counts = count(len(rows), len(queries), rows, judged=True, selected=selected)
    write_whole(run / ACCOUNTING, counts.model_dump_json())
    write_whole(run / CALIBRATION, json.dumps([row.model_dump() for row in calibrate(rows, right)]))


def _words(rng: random.Random, number: int) -> str:
    # The lower numbers are the more frequent.
    places = (int(_VOCABULARY * rng.random() ** 2) for _ in range(number))
    return " ".join("because" if rng.random() < 0.03 else f"word{place}" for place in places)


def _query(kind: str, number: int, rng: random.Random) -> Query:
    return Query(id=f"{kind}-{number:05d}", query=f"{_words(rng, 20)}?", answer="right")


def _annotation(query: Query, teacher: str, rng: random.Random) -> Annotation:
    label, confidence = rng.choice(["right", "right", "wrong"]), round(rng.random() ** 0.25, 2)
    rationale = f"{_words(rng, WORDS)}."
    return Annotation(
        query_id=query.id, teacher=teacher, text=rationale, rationale=rationale, label=label, score=confidence,
        confidence=confidence, rejection=None if confidence >= 0.8 else "confidence below 0.8",
    )  # fmt: skip


def _trace(row: Annotation) -> Trace:
    return Trace(query_id=row.query_id, teacher=row.teacher, label=row.label or "", rationale=row.rationale)


def _compressed(trace: Trace, rng: random.Random) -> Trace:
    kept = [word for word in (trace.rationale or "").split() if rng.random() < 0.6]
    return trace.model_copy(update={"rationale": " ".join(kept)})


def _prediction(query: Query, stage: int, rng: random.Random) -> Prediction:
    label, words = rng.choice(["right"] * (stage + 1) + ["wrong"]), (30, 60, 25, 3)[stage]
    return Prediction(
        query_id=query.id, question=query.fingerprint, text=_words(rng, words), tokens=words, seconds=0.1, label=label,
        correct=label == "right", verdict=label,
    )  # fmt: skip


def measure(annotations: int, page: Page, folder: Path) -> Measured:
    """Build a run's report and use it in a browser."""
    run = make(folder / f"run-{annotations}", annotations)
    began = time.process_time()
    file = report.write(run)
    built = time.process_time() - began
    page.goto(file.resolve().as_uri())
    page.wait_for_selector("[data-kind=questions] .row")
    load = page.evaluate("performance.now() - performance.getEntriesByType('navigation')[0].startTime")
    page.wait_for_timeout(3000)  # as a reader does before the first word is typed
    keys = list(_keys(page))
    return Measured(
        annotations=annotations,
        queries=annotations // len(TEACHERS),
        build_cpu_seconds=round(built, 1),
        megabytes=round(file.stat().st_size / 1e6, 1),
        load_ms=round(load),
        key_ms_median=round(median(keys), 1),
        key_ms_most=round(max(keys), 1),
        keys=len(keys),
        filter_ms_most=round(max(_filters(page)), 1),
        open_ms_most=round(max(_opened(page)), 1),
    )


def _keys(page: Page) -> Iterator[float]:
    field = "[data-kind=queries] input[type=search]"
    page.evaluate(_TIMED, [field, "keydown"])
    for words in SEARCHES:
        for letter in words:
            page.press(field, "Space" if letter == " " else letter)
            yield _took(page)
        page.fill(field, "")


def _filters(page: Page) -> Iterator[float]:
    page.evaluate(_TIMED, ["[data-kind=queries] form", "input"])
    for name, value in (
        ("teacher", "1"),
        ("outcome", "1"),
        ("label", "wrong"),
        ("teachers", "disagree"),
        ("teacher", ""),
    ):
        page.select_option(f"[data-kind=queries] select[name={name}]", value)
        yield _took(page)


def _opened(page: Page) -> Iterator[float]:
    page.evaluate(_TIMED, ["[data-kind=queries] .rows", "click"])
    for place in range(5):
        page.locator("[data-kind=queries] .row > summary").nth(place).click()
        yield _took(page)


def _took(page: Page) -> float:
    return float(page.evaluate(_FIRST))


def results(sizes: Sequence[int], chromium: str) -> dict[str, Any]:
    """Every size, and on what it was measured."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        rows = [measure(size, browser.new_page(), Path(folder)) for size in sizes]
        on = {
            "chromium": browser.version, "python": platform.python_version(), "matplotlib": version("matplotlib"),
            "machine": platform.machine(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1),
        }  # fmt: skip
        browser.close()
    return {"sizes": [row._asdict() for row in rows], "words": WORDS, "questions": QUESTIONS, "on": on}


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
