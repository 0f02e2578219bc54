"""A run folder made up step by step, for tests of what shows one: every text in it is what the test says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twt_core import known_answers
from twt_core.accounting import ACCOUNTING, count
from twt_core.calibration import CALIBRATION, calibrate
from twt_core.data import Data
from twt_core.progress import Progress
from twt_core.recipe import RECIPE, Recipe
from twt_core.records import Annotation, Prediction, Query, Record, StudentAnswer, Trace
from twt_core.run import open_run, write_whole
from twt_core.session import QUERIES

TEACHERS = ("ann", "ben", "cai")
STAGES = ("untouched", "full", "compressed", "answer_only")


def make(run: Path, texts: Sequence[str] = (), queries: int = 45) -> Path:
    """A run of three teachers. The n-th query's every text is the n-th of `texts`, as far as they go; returns `run`.

    Of each query's annotations the first is selected, the second selected and compressed, the third rejected, or, on
    every seventh query, failed. The first teacher is always right, the second on even queries, the third never. On the
    test questions each stage is right on those whose number it divides: untouched by 4, full by 3, and so on.
    """
    asked = [_query("q", n, texts) for n in range(max(queries, len(texts)))]
    tests = [_query("t", n, texts) for n in range(max(24, len(texts)))]
    rows = [_annotation(n, place, query, texts) for n, query in enumerate(asked) for place in range(len(TEACHERS))]
    selected = [row for row in rows if row.teacher != _of(TEACHERS[2], texts)]
    traces = [
        Trace(query_id=row.query_id, teacher=row.teacher, label=row.label or "", rationale=row.rationale)
        for row in selected
    ]
    steps: dict[str, Sequence[Record]] = {
        "kept": rows, "selected": selected, "traces": traces,
        "untouched-test-scores": _answers(0, tests, texts),
        "full-test-scores": _answers(1, tests, texts),
        "compressed-student-answers": [StudentAnswer(query_id=q.id, text=f"Own words: {q.query}") for q in asked],
        "compressed-traces": [_compressed(n, trace, texts) for n, trace in enumerate(traces)],
        "compressed-test-scores": _answers(2, tests, texts),
        "answer_only-test-scores": _answers(3, tests, texts),
    }  # fmt: skip
    with open_run(run, Progress(quiet=True)) as folder:
        for name, records in steps.items():
            folder.rows(name, Record, [], [], lambda records=records: records)  # type: ignore[misc]
    _beside(run, asked, tests, rows, len(selected), texts)
    return run


def _of(text: str, texts: Sequence[str]) -> str:
    """A name; with texts, a hostile one."""
    return f"{text} {texts[0]}" if texts else text


def _text(number: int, texts: Sequence[str], otherwise: str) -> str:
    return texts[number] if number < len(texts) else otherwise


def _query(kind: str, number: int, texts: Sequence[str]) -> Query:
    question = _text(number, texts, f"What is {number} plus {number}?")
    answer = _text(number, texts, str(2 * number))
    return Query(id=f"{kind}{number}{_text(number, texts, '')}", query=question, answer=answer)


def _annotation(number: int, place: int, query: Query, texts: Sequence[str]) -> Annotation:
    right = place == 0 or (place == 1 and number % 2 == 0)
    rationale = _text(number, texts, f"{TEACHERS[place]} adds {number} and {number}. It is seen at once.")
    failed = place == 2 and number % 7 == 0
    more: dict[str, Any] = {"failure": _text(number, texts, "no label")} if failed else {"confidence": 0.9 - place / 5}
    if place == 2 and not failed:
        more["rejection"] = _text(number, texts, "confidence below 0.6")
    return Annotation(
        query_id=query.id, teacher=_of(TEACHERS[place], texts), text=rationale, rationale="" if failed else rationale,
        label=query.answer if right else f"not {query.answer}", factors={_text(number, texts, "logic"): 0.5}, **more,
    )  # fmt: skip


def _compressed(number: int, trace: Trace, texts: Sequence[str]) -> Trace:
    if number % 2 == 0:
        return trace.model_copy(update={"kept_original": _text(number, texts, "not shorter")})
    shorter = (trace.rationale or "").replace(" It is seen at once.", "")
    return trace.model_copy(update={"rationale": f"{shorter} {_text(number, texts, '')}".strip()})


def _answers(stage: int, tests: Sequence[Query], texts: Sequence[str]) -> list[Prediction]:
    return [
        Prediction(
            query_id=query.id, question=query.fingerprint, tokens=40 - 10 * stage, seconds=0.1,
            text=f"{STAGES[stage]} says: {_text(number, texts, 'a number')}", correct=number % (4 - stage) == 0,
            label=_text(number, texts, "8"),
            verdict=_text(number, texts, "right" if number % (4 - stage) == 0 else "wrong"),
        )
        for number, query in enumerate(tests)
    ]  # fmt: skip


def _beside(
    run: Path, queries: list[Query], tests: list[Query], rows: list[Annotation], selected: int, texts: Sequence[str]
) -> None:
    right = {row.key: row.label == query.answer for row in rows for query in queries if query.id == row.query_id}
    identity = {
        "name": _of("made", texts),
        "teachers": [{"use": "replay", "name": _of(name, texts), "model": "none"} for name in TEACHERS],
        "compressor": {"use": _of("teacher_guided", texts)},
    }
    recipe = Recipe(identity=identity, task_evaluator={}, student={"model": _of("tiny", texts)}, seed=3)
    write_whole(run / RECIPE, recipe.model_dump_json())
    write_whole(run / QUERIES, (query.unlabeled().model_dump_json() + "\n" for query in queries))
    known_answers.note_questions(run, Data(queries, tests, []))
    known_answers.note_grades(run, right)
    counts = count(len(rows), len(queries), rows, judged=True, selected=selected)
    write_whole(run / ACCOUNTING, counts.model_dump_json())
    write_whole(run / CALIBRATION, json.dumps([row.model_dump() for row in calibrate(rows, right)]))
