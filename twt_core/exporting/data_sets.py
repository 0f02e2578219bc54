"""What the student was taught, stage by stage, in the forms that training tools read."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from twt_core.errors import InputError
from twt_core.exporting.data_card import StageCounts, data_card
from twt_core.exporting.source import Source
from twt_core.settings import Json
from twt_core.student.encoding import Target

Form = Literal["chatml", "alpaca", "sharegpt", "datasets"]
Row = dict[str, Json]

_SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}


def check_form(form: Form) -> None:
    """Refuse a form that cannot be written here.

    Raises:
        InputError: it needs a library that is not installed.
    """
    if form == "datasets" and find_spec("datasets") is None:
        raise InputError(
            '--format datasets needs the library datasets: pip install "twt-distill[hub]". The other formats do not'
        )


def write_data_sets(source: Source, form: Form, folder: Path) -> str:
    """One file a stage, and a data card with which the library `datasets` loads each by its stage's name.

    Args:
        source: the run; its stage does not matter.
        form: ``chatml`` rows have ``messages``; ``alpaca`` rows ``instruction``, ``input`` (empty) and ``output``, with
            all messages in one instruction; ``sharegpt`` rows ``conversations``: all JSON lines. ``datasets`` rows have
            ``prompt`` and ``completion``, both lists of messages, which TRL trains on as this project does, with the
            loss on the completion: Parquet, which keeps every value as it is (that library reads an id like
            "2024-01-01" in JSON as a date).
        folder: where to.
    """
    counts = [_write(source, form, stage, folder) for stage in source.course.stages]
    (folder / "README.md").write_text(data_card(source, counts, FEATURES[form]), encoding="utf-8")
    return f"{len(counts)} data sets: {', '.join(count.stage for count in counts)}"


def _write(source: Source, form: Form, name: str, folder: Path) -> StageCounts:
    targets = source.targets(source.course.stages[name])
    rows = [_row(target, form) for target in targets]
    file = _parquet(rows, name, folder) if form == "datasets" else _json_lines(rows, name, folder)
    words = sum(len(target.completion.split()) for target in targets)
    return StageCounts(name, file, len(targets), words / max(1, len(targets)))


def _json_lines(rows: list[Row], name: str, folder: Path) -> str:
    with (folder / f"{name}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return f"{name}.jsonl"


def _parquet(rows: list[Row], name: str, folder: Path) -> str:
    import datasets

    datasets.disable_progress_bars()
    (folder / name).mkdir()
    datasets.Dataset.from_list(rows).to_parquet(folder / name / "train.parquet")
    return f"{name}/train.parquet"


def _row(target: Target, form: Form) -> Row:
    about: Row = {"id": target.name, "teacher": target.teacher, "task": target.task, "weight": target.weight}
    return about | _FORMS[form](target)


def _prompt(target: Target) -> list[Json]:
    return [{"role": message.role, "content": message.content} for message in target.messages]


def _chatml(target: Target) -> Row:
    return {"messages": [*_prompt(target), {"role": "assistant", "content": target.completion}]}


def _alpaca(target: Target) -> Row:
    instruction = "\n\n".join(message.content for message in target.messages)
    return {"instruction": instruction, "input": "", "output": target.completion}


def _sharegpt(target: Target) -> Row:
    said: list[Json] = [{"from": _SPEAKERS[message.role], "value": message.content} for message in target.messages]
    return {"conversations": [*said, {"from": "gpt", "value": target.completion}]}


def _datasets(target: Target) -> Row:
    return {"prompt": _prompt(target), "completion": [{"role": "assistant", "content": target.completion}]}


_FORMS: dict[Form, Callable[[Target], Row]] = {
    "chatml": _chatml,
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "datasets": _datasets,
}


def _text(name: str) -> Row:
    return {"name": name, "dtype": "string"}


def _texts(name: str, *columns: str) -> Row:
    return {"name": name, "list": [_text(column) for column in columns]}


_ABOUT: list[Json] = [_text("id"), _text("teacher"), _text("task"), {"name": "weight", "dtype": "float64"}]
#: The columns with their types, as a data card has them.
FEATURES: dict[Form, list[Json]] = {
    "chatml": [*_ABOUT, _texts("messages", "role", "content")],
    "alpaca": [*_ABOUT, _text("instruction"), _text("input"), _text("output")],
    "sharegpt": [*_ABOUT, _texts("conversations", "from", "value")],
    "datasets": [*_ABOUT, _texts("prompt", "role", "content"), _texts("completion", "role", "content")],
}
