"""A tiny project: sums as queries, three recorded teachers, a config. And what tests look up in a run folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

TEACHERS = ("ann", "ben", "cai")

CONFIG = """\
name: tiny
task_evaluator: {{use: exact_match}}
queries: {{path: queries.jsonl}}
test_queries: {{path: test.jsonl}}
teachers:
  - {{use: replay, name: ann, path: recordings.jsonl}}
  - {{use: replay, name: ben, path: recordings.jsonl}}
  - {{use: replay, name: cai, path: recordings.jsonl}}
diversity_selector: {{use: random_pair}}
student: {{model: {model}, learning_rate: 1e-3, batch_size: 8, epochs: 1, max_length: 512, max_new_tokens: 8}}
"""


def queries(count: int = 12, prefix: str = "q", step: int = 1) -> list[dict[str, str]]:
    """Sums; another step, other sums."""
    return [
        {"id": f"{prefix}{n}", "query": f"What is {n} plus {n + step}?", "answer": str(2 * n + step)}
        for n in range(count)
    ]


def recordings(asked: list[dict[str, str]], teachers: tuple[str, ...] = TEACHERS) -> list[dict[str, Any]]:
    """Each teacher's answer and rewrite; every fourth answer has a low score."""
    rows: list[dict[str, Any]] = []
    for place, teacher in enumerate(teachers):
        for number, query in enumerate(asked):
            score = 0.5 if (number + place) % 4 == 0 else 0.97
            thinking = f"Teacher {teacher} counts {number} and {number + 1} together, slowly, in way {place}."
            text = f"Thinking: {thinking}\nThe answer is: {query['answer']}\nScore: {score}"
            logprobs = [["Thinking", -0.01], [":", -0.03 if score > 0.9 else -1.0]]
            rewrite = f"Thinking: {number} and {number + 1}, way {place}.\nThe answer is: {query['answer']}"
            rows.append({"id": query["id"], "teacher": teacher, "text": text, "logprobs": logprobs})
            rows.append({"id": query["id"], "teacher": teacher, "purpose": "rewrite", "text": rewrite})
    return rows


def texts() -> list[str]:
    """What a tokenizer of these projects should know."""
    return [row["text"] for row in recordings(queries())] + [query["query"] for query in queries()]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def make(folder: Path, model: Path, config: str = CONFIG, count: int = 12) -> Path:
    """Write a project's files; its config's path."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "queries.jsonl", queries(count))
    write_rows(folder / "test.jsonl", queries(6, "t", step=2))
    write_rows(folder / "recordings.jsonl", recordings(queries(count)))
    (folder / "run.yaml").write_text(config.format(model=model), encoding="utf-8")
    return folder / "run.yaml"


def rows_of(run: Path, step: str) -> list[dict[str, Any]]:
    """A step's records."""
    [file] = run.glob(f"[0-9][0-9]-{step}/rows.jsonl")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def steps(run: Path) -> list[str]:
    """The step folders, in order."""
    return sorted(path.name for path in run.glob("[0-9][0-9]-*"))


def contents(run: Path) -> dict[str, str]:
    """A hash of each file of each step, which must repeat byte for byte; times apart."""
    found = {}
    for path in sorted(run.glob("[0-9][0-9]-*/*")):
        if path.name == "manifest.json":
            continue
        data = path.read_bytes()
        if path.name == "rows.jsonl" and b'"seconds"' in data:
            rows = [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in data.splitlines()]
            data = json.dumps(rows).encode()
        found[f"{path.parent.name}/{path.name}"] = hashlib.sha256(data).hexdigest()
    return found


def timeless(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary without its times."""
    stages = [{k: v for k, v in stage.items() if k != "seconds_per_answer"} for stage in summary["stages"]]
    return {**summary, "stages": stages}
