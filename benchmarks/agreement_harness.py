"""The same outputs scored by us and by other harnesses: lm-evaluation-harness on GSM8K, inspect_evals on MBPP.

Reads outputs of a model, one JSON object a line: {"set": "gsm8k" or "mbpp", "id", "prompt", "query", "answer", "tests"
(MBPP), "text"}; `prompt` says how the model was asked. The others run in a Python of their own, which has lm-eval,
inspect-ai and inspect-evals; one that is not there is said to be absent. inspect_evals runs programs as they are, and
`--wrap` puts a command before that Python which contains them:

    python benchmarks/agreement_harness.py OUTPUTS.jsonl --python /venv/bin/python --wrap "unshare --net" \\
        --out docs/results/agreement-harness
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from pydantic import BaseModel, ConfigDict

from twt_core.components import Context, TaskEvaluator
from twt_core.errors import InputError
from twt_core.jsonl import read_jsonl
from twt_core.records import Answered, Query

SIDES = Path(__file__).with_name("agreement_sides.py")
#: What each of their scorers is compared with. Strict-match takes "#### 5" alone for an announcement; we know others.
OURS: dict[str, dict[str, object]] = {
    "lm-eval strict-match": {"use": "math", "unannounced": False},
    "lm-eval flexible-extract": {"use": "math"},
    "inspect_evals": {"use": "python_function"},
}


class Said(BaseModel):
    """An output, and the question."""

    set: str
    id: str
    prompt: str
    query: str
    answer: str
    tests: tuple[str, ...] | None = None
    text: str


class Theirs(BaseModel):
    """A line of the other side: a verdict, a version, or what is absent."""

    row: int = -1
    scorer: str = ""
    right: bool = False
    version: str = ""
    absent: str = ""


class Cause(BaseModel):
    """Why a scorer and ours differ on an output, and who is right."""

    model_config = ConfigDict(extra="forbid")

    id: str
    prompt: str
    scorer: str
    number: int = 0
    right: str
    cause: str


class Difference(NamedTuple):
    """An output that the two judge differently."""

    id: str
    prompt: str
    scorer: str
    number: int
    theirs: bool
    ours: bool
    right: str
    cause: str


class Cell(NamedTuple):
    """One scorer on the outputs of one way to ask."""

    scorer: str
    prompt: str
    outputs: int
    theirs_right: int
    ours_right: int
    agreement: float


def ours(rows: Sequence[Said], task: TaskEvaluator) -> list[bool]:
    """Our verdict on each."""
    queries = [Query(id=row.id, query=row.query, answer=row.answer, tests=row.tests) for row in rows]
    answers = [
        Answered(query=query, text=row.text, label=task.read(row.text, query.unlabeled()).label)
        for row, query in zip(rows, queries, strict=True)
    ]
    return [grade.correct is True for grade in task.grade(answers, _context(task))]


def _context(task: TaskEvaluator) -> Context:
    def none(*_: object) -> NoReturn:
        raise InputError("agreement: nobody is asked, and nothing is embedded")

    return Context(task, {}, none, none)


def theirs(path: Path, python: str, wrap: str) -> Iterator[Theirs]:
    """What the other side says, in its order.

    Raises:
        InputError: it ended with an error.
    """
    command = [*shlex.split(wrap), python, str(SIDES), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{shlex.join(command)} ended with exit code {done.returncode}: {done.stderr[-500:]}")
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            yield Theirs.model_validate_json(line)


def compare(
    rows: Sequence[Said], said: Sequence[Theirs], causes: Sequence[Cause]
) -> tuple[list[Cell], list[Difference]]:
    """Each scorer beside ours, by way to ask; and each difference."""
    known = {(one.id, one.prompt, one.scorer, one.number): one for one in causes}
    by_scorer: defaultdict[str, list[Theirs]] = defaultdict(list)
    for one in said:
        if one.scorer:
            by_scorer[one.scorer].append(one)
    cells, differences = [], []
    for scorer, verdicts in by_scorer.items():
        mine = ours([rows[one.row] for one in verdicts], TaskEvaluator.model_validate(OURS[scorer]))
        judged = [(rows[one.row], one.right, right) for one, right in zip(verdicts, mine, strict=True)]
        for prompt in sorted({row.prompt for row, _, _ in judged}):
            cells.append(_cell(scorer, prompt, [(a, b) for row, a, b in judged if row.prompt == prompt]))
        seen: Counter[tuple[str, str]] = Counter()
        for row, a, b in judged:
            key = (row.id, row.prompt, scorer, seen[row.id, row.prompt])
            seen[row.id, row.prompt] += 1
            if a != b:
                cause = known.get(key)
                differences.append(
                    Difference(*key, a, b, *((cause.right, cause.cause) if cause else ("not read yet",) * 2))
                )
    return cells, differences


def _cell(scorer: str, prompt: str, both: Sequence[tuple[bool, bool]]) -> Cell:
    same = sum(a == b for a, b in both)
    return Cell(scorer, prompt, len(both), sum(a for a, _ in both), sum(b for _, b in both), same / len(both))


def page(cells: Sequence[Cell], differences: Sequence[Difference], versions: Sequence[str], about: str) -> str:
    """The markdown page; `about` says whose outputs they are."""
    causes = Counter((one.scorer, one.prompt, one.cause, one.right) for one in differences)
    lines = [
        "# The same outputs, scored by us and by other harnesses",
        "",
        f"Made by `benchmarks/agreement_harness.py` with {', '.join(versions)}; each difference is in",
        f"`agreement-harness.json`, and was read. {about}".rstrip(),
        "",
        "| their scorer | asked | outputs | they credit | we credit | same verdict |",
        "|---|---|---|---|---|---|",
        *[f"| {' | '.join(map(str, cell[:-1]))} | {cell.agreement:.1%} |" for cell in cells],
        "",
        "| scorer | asked | difference | who is right | outputs |",
        "|---|---|---|---|---|",
        *[f"| {' | '.join(key)} | {count} |" for key, count in causes.most_common()],
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Score, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outputs", type=Path)
    parser.add_argument("--python", required=True, help="a Python that has lm-eval, inspect-ai and inspect-evals")
    parser.add_argument("--wrap", default="", help="a command that contains it, put before it")
    parser.add_argument("--about", default="", help="whose outputs they are, for the page")
    parser.add_argument("--out", type=Path, required=True, help="OUT.json, OUT.md; causes are read in OUT-causes.jsonl")
    arguments = parser.parse_args()
    rows = [Said.model_validate(row) for _, row in read_jsonl(arguments.outputs)]
    noted = arguments.out.with_name(f"{arguments.out.name}-causes.jsonl")
    causes = [Cause.model_validate(row) for _, row in read_jsonl(noted)] if noted.exists() else []
    said = list(theirs(arguments.outputs, arguments.python, arguments.wrap))
    for one in said:
        if one.absent:
            print(f"absent in {arguments.python}: {one.absent}")
    cells, differences = compare(rows, said, causes)
    versions = [one.version for one in said if one.version]
    result = {
        "about": arguments.about,
        "versions": versions,
        "cells": [cell._asdict() for cell in cells],
        "differences": [one._asdict() for one in differences],
    }
    arguments.out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    arguments.out.with_suffix(".md").write_text(page(cells, differences, versions, arguments.about), encoding="utf-8")
    print(page(cells, differences, versions, arguments.about))


if __name__ == "__main__":
    main()
