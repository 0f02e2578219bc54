"""What the benchmark of reports shows: a run that is made up from a seed, and the page that a report is beside of."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from html import escape
from pathlib import Path

from twt_core import known_answers
from twt_core.accounting import ACCOUNTING, count
from twt_core.calibration import CALIBRATION, calibrate
from twt_core.data import Data
from twt_core.progress import Progress
from twt_core.recipe import RECIPE, Recipe
from twt_core.records import Annotation, Prediction, Query, Record, Trace
from twt_core.report.reading import Material
from twt_core.run import Run, open_run, write_whole
from twt_core.session import QUERIES

TEACHERS = ("amber", "birch", "cedar", "dune")
STAGES = ("untouched", "full", "compressed", "answer_only")
#: Words in a rationale, and test questions.
WORDS, QUESTIONS = 120, 1_000
_VOCABULARY = 2_000

_TABLE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>All annotations</title>
<style>body { font: 16px sans-serif; } td { vertical-align: top; padding: 4px 8px; }</style></head><body>
<form><input type="search"><select name="teacher"><option value="">any</option>%s</select></form>
<table><tbody>%s</tbody></table>
<script>
const rows = [...document.querySelectorAll("tr")].map((row) => [row, row.textContent.toLowerCase()]);
const [field, teacher] = [document.querySelector("input"), document.querySelector("select")];
document.querySelector("form").addEventListener("input", () => {
  const words = field.value.trim().toLowerCase();
  for (const [row, text] of rows) {
    row.hidden = !text.includes(words) || (teacher.value !== "" && row.cells[1].textContent !== teacher.value);
  }
});
</script></body></html>
"""


def plain_table(run: Path) -> str:
    """The page that a report is measured beside: one table with every annotation, a search field and a filter."""
    material = Material(run)
    options = "".join(f"<option>{name}</option>" for name in TEACHERS)
    return _TABLE % (options, "".join(_table_row(material, one) for one in material.annotations))


def _table_row(material: Material, one: Annotation) -> str:
    became = "selected" if one.key in material.selected else one.rejection or "kept"
    cells = (one.query_id, one.teacher, became, one.label or "", str(one.confidence), one.rationale)
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


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
