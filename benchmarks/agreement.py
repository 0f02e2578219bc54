"""How often our scorers say the same of recorded outputs as the recordings do, and each case in which they do not.

Reads the outputs of real models with the verdicts of the harness that recorded them, one JSON object a line: {"id",
"query", "answer", "outputs": [{"model", "style" (if any), "text", "final", "correct"}]}. Options and tests are joined
by id from other files. What the disagreements come from was read by somebody, and is kept beside the figures in
OUT-causes.jsonl (with OUT-notes.md for the page); one that nobody read yet is called that. A few minutes on one core:

    python benchmarks/agreement.py --out docs/results/agreement \\
        --set gsm8k:math=gsm8k.recorded.jsonl.gz --answered-in-a-field gsm8k \\
        --set cqa.dev:multiple_choice=cqa.dev.recorded.jsonl.gz --join cqa.dev=cqa.dev.jsonl \\
        --set mbpp:python_function=mbpp.recorded.jsonl.gz --join mbpp=mbpp.train.jsonl --join mbpp=mbpp.test_a.jsonl
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from twt_core.components import Context, TaskEvaluator
from twt_core.errors import InputError
from twt_core.jsonl import read_jsonl
from twt_core.metrics import wilson_interval
from twt_core.records import Answered, Query

Row = TypeVar("Row", bound=BaseModel)

_BATCH = 500
NOT_READ = "not read yet"


class Output(BaseModel):
    """What a model wrote, and what the recording harness said of it."""

    model: str
    style: str = ""
    text: str
    final: str | None = None
    correct: bool


class Recorded(BaseModel):
    """A question with several outputs."""

    id: str
    query: str
    answer: str
    outputs: list[Output]


class Details(BaseModel):
    """What a question has besides, in a file of its own; public sets keep it under `meta`."""

    choices: tuple[str, ...] | None = None
    tests: tuple[str, ...] | None = None


class Joined(Details):
    id: str
    meta: Details = Field(default_factory=Details)


class Cause(BaseModel):
    """Why the two disagree on an output, and who is right: ours, recorded, or neither where it cannot be said."""

    model_config = ConfigDict(extra="forbid")

    set: str
    id: str
    model: str
    style: str = ""
    number: int = 0
    right: str
    cause: str

    @property
    def key(self) -> Key:
        return Key(self.set, self.id, self.model, self.style, self.number)


class Key(NamedTuple):
    """An output. `number` counts those of one model to one question, which some recordings have."""

    set: str
    id: str
    model: str
    style: str
    number: int


class Verdict(NamedTuple):
    """Theirs and ours on an output. Ours is None where it could not be graded."""

    key: Key
    recorded: bool
    ours: bool | None
    word: str


class Set(NamedTuple):
    """A recording and how to score it. `whole` makes the text that is scored from an output."""

    name: str
    task: TaskEvaluator
    path: Path
    details: dict[str, Details]
    fixed: Details | None
    whole: Callable[[Output], str]


def text_alone(output: Output) -> str:
    return output.text


def with_its_field(output: Output) -> str:
    """For harnesses that ask for an object: it was recorded in two parts, and this is the object again."""
    return json.dumps({"reasoning": output.text, "answer": output.final}, ensure_ascii=False)


def verdicts(one: Set) -> Iterator[Verdict]:
    """Theirs and ours, in the file's order."""
    asked = _asked(one)
    while outputs := list(islice(asked, _BATCH)):
        answers = [Answered(query=query, text=text, label=_label(one, text, query)) for _, _, query, text in outputs]
        for (key, output, _, _), grade in zip(outputs, one.task.grade(answers, _context(one.task)), strict=True):
            yield Verdict(key, output.correct, grade.correct, grade.verdict)


def _rows(path: Path, of: type[Row]) -> Iterator[Row]:
    for _, row in read_jsonl(path):
        yield of.model_validate(row)


def _asked(one: Set) -> Iterator[tuple[Key, Output, Query, str]]:
    for row in _rows(one.path, Recorded):
        details = one.fixed or one.details.get(row.id, Details())
        query = Query(id=row.id, query=row.query, answer=row.answer, choices=details.choices, tests=details.tests)
        seen: Counter[tuple[str, str]] = Counter()
        for output in row.outputs:
            key = Key(one.name, row.id, output.model, output.style, seen[output.model, output.style])
            seen[output.model, output.style] += 1
            yield key, output, query, one.whole(output)


def _label(one: Set, text: str, query: Query) -> str | None:
    return one.task.read(text, query.unlabeled()).label


def _context(task: TaskEvaluator) -> Context:
    def none(*_: object) -> NoReturn:
        raise InputError("agreement: nobody is asked, and nothing is embedded")

    return Context(task, {}, none, none)


class Figures(NamedTuple):
    """A set's figures. Shares are of the graded outputs; `apart` leaves the recording's own mistakes out."""

    outputs: int
    not_graded: int
    agreement: float
    interval: tuple[float, float]
    apart: float
    disagreements: int
    who_is_right: dict[str, int]
    only_we_credit: int
    only_they_credit: int
    lowest: tuple[float, str]


class Disagreement(NamedTuple):
    """An output that the two judge differently."""

    key: Key
    recorded: bool
    ours: bool
    verdict: str
    right: str
    cause: str


def figures(found: Sequence[Verdict], rows: Sequence[Disagreement]) -> Figures:
    """What the verdicts and the disagreements of a set come to."""
    graded = [one for one in found if one.ours is not None]
    right = Counter(row.right for row in rows)
    agreed = len(graded) - len(rows)
    return Figures(
        outputs=len(found),
        not_graded=len(found) - len(graded),
        agreement=agreed / len(graded),
        interval=wilson_interval(agreed, len(graded)),
        apart=(agreed + right["ours"]) / len(graded),
        disagreements=len(rows),
        who_is_right=dict(sorted(right.items())),
        only_we_credit=sum(row.ours for row in rows),
        only_they_credit=sum(row.recorded for row in rows),
        lowest=min(_by_model(graded)),
    )


def _by_model(graded: Sequence[Verdict]) -> list[tuple[float, str]]:
    same: defaultdict[str, list[bool]] = defaultdict(list)
    for one in graded:
        same[one.key.model].append(one.ours == one.recorded)
    return [(sum(each) / len(each), model) for model, each in same.items()]


def disagreements(found: Sequence[Verdict], causes: dict[Key, Cause]) -> list[Disagreement]:
    """One row for each, with its cause."""
    rows = []
    for one in found:
        if one.ours is not None and one.ours != one.recorded:
            cause = causes.get(one.key)
            right, why = (cause.right, cause.cause) if cause else (NOT_READ, NOT_READ)
            rows.append(Disagreement(one.key, one.recorded, one.ours, one.word, right, why))
    return rows


def page(results: dict[str, Figures], rows: Sequence[Disagreement], notes: str = "") -> str:
    """The markdown page; `notes` stand below the table."""
    lines = [
        "# Our scorers against recorded verdicts",
        "",
        "Made by `benchmarks/agreement.py`; the figures are in `agreement.json`. Every disagreement was read; what it",
        "comes from is noted in `agreement-causes.jsonl`.",
        "",
        "| set | outputs | agreement | 95 % interval | recording's mistakes apart | disagreements | lowest model |",
        "|---|---|---|---|---|---|---|",
        *[_line(name, found) for name, found in results.items()],
        *(["", notes.strip()] if notes else []),
    ]
    for name in results:
        lines += _section(name, [row for row in rows if row.key.set == name])
    return "\n".join(lines) + "\n"


def _section(name: str, rows: Sequence[Disagreement]) -> list[str]:
    if not rows:
        return []
    causes = Counter((row.cause, row.right) for row in rows).most_common()
    return [
        *["", f"## {name}: causes", "", "| cause | who is right | outputs |", "|---|---|---|"],
        *[f"| {cause} | {right} | {count} |" for (cause, right), count in causes],
        *["", f"## {name}: each", "", "| id | model | recorded | ours | cause |", "|---|---|---|---|---|"],
        *map(_row, rows),
    ]


def _line(name: str, found: Figures) -> str:
    low, high = found.interval
    share, model = found.lowest
    return (
        f"| {name} | {found.outputs} | {found.agreement:.2%} | {low:.2%} to {high:.2%} | {found.apart:.2%} | "
        f"{found.disagreements} | {share:.1%} ({model}) |"
    )


def _row(row: Disagreement) -> str:
    model = " ".join(part for part in (row.key.model, row.key.style) if part)
    number = f" ({row.key.number})" if row.key.number else ""
    recorded, ours = ("right" if verdict else "wrong" for verdict in (row.recorded, row.ours))
    return f"| {row.key.id} | {model}{number} | {recorded} | {ours} | {row.cause} |"


def sets(arguments: argparse.Namespace) -> list[Set]:
    """The sets that the command line names.

    Raises:
        InputError: a set that is not written NAME:TASK=FILE.
    """
    joined: defaultdict[str, dict[str, Details]] = defaultdict(dict)
    for given in arguments.join:
        name, _, path = given.partition("=")
        for row in _rows(Path(path), Joined):
            found = Details(choices=row.choices or row.meta.choices, tests=row.tests or row.meta.tests)
            joined[name][row.id] = found
    return [_set(given, joined, arguments) for given in arguments.set]


def _set(given: str, joined: dict[str, dict[str, Details]], arguments: argparse.Namespace) -> Set:
    name, _, rest = given.partition(":")
    use, _, path = rest.partition("=")
    if not (name and use and path):
        raise InputError(f"--set {given!r}: write NAME:TASK=FILE, such as gsm8k:math=gsm8k.recorded.jsonl.gz")
    options = dict(option.split("=", 1) for option in arguments.options).get(name)
    fixed = Details(choices=tuple(options.split(","))) if options else None
    whole = with_its_field if name in arguments.answered_in_a_field else text_alone
    return Set(name, TaskEvaluator.model_validate({"use": use}), Path(path), joined.get(name, {}), fixed, whole)


def main() -> None:
    """Score all sets, write figures and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", default=[], required=True, help="NAME:TASK=FILE")
    parser.add_argument("--join", action="append", default=[], help="NAME=FILE with the set's options or tests, by id")
    parser.add_argument("--options", action="append", default=[], help="NAME=yes,no: every question's options")
    parser.add_argument(
        "--answered-in-a-field", action="append", default=[], help="NAME: the answer is not in its text"
    )
    parser.add_argument("--unlisted", action="append", default=[], help="NAME: figures only")
    parser.add_argument(
        "--out", type=Path, required=True, help="OUT.json, OUT.md; reads OUT-causes.jsonl, OUT-notes.md"
    )
    arguments = parser.parse_args()
    noted = arguments.out.with_name(f"{arguments.out.name}-causes.jsonl")
    causes = {one.key: one for one in _rows(noted, Cause)} if noted.exists() else {}
    results: dict[str, Figures] = {}
    listed: list[Disagreement] = []
    for one in sets(arguments):
        found = list(verdicts(one))
        rows = disagreements(found, causes)
        results[one.name] = figures(found, rows)
        listed += [] if one.name in arguments.unlisted else rows
        print(one.name, results[one.name])
    arguments.out.with_suffix(".json").write_text(json.dumps(_plain(results, listed), indent=1) + "\n")
    said = arguments.out.with_name(f"{arguments.out.name}-notes.md")
    notes = said.read_text(encoding="utf-8") if said.exists() else ""
    arguments.out.with_suffix(".md").write_text(page(results, listed, notes), encoding="utf-8")


def _plain(results: dict[str, Figures], rows: Sequence[Disagreement]) -> dict[str, object]:
    listed = [{**row.key._asdict(), **dict(zip(row._fields[1:], row[1:], strict=True))} for row in rows]
    return {"sets": {name: found._asdict() for name, found in results.items()}, "disagreements": listed}


if __name__ == "__main__":
    main()
