"""Taking things out of a run: the whole student, its adapter, what it was taught."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Literal

from twt_core import finished
from twt_core.distillation import targets
from twt_core.errors import InputError
from twt_core.metrics import UNTOUCHED
from twt_core.progress import Progress
from twt_core.records import Query, Trace
from twt_core.run import MANIFEST, Rows
from twt_core.session import QUERIES

What = Literal["merged", "adapter", "dataset"]


def export(run: Path, what: What, target: Path, stage: str | None = None) -> str:
    """Write a part of a run to a folder of its own.

    Args:
        run: a finished run folder.
        what: ``merged`` is a whole model that transformers loads; ``adapter`` what peft loads onto the base model;
            ``dataset`` one chat JSONL a stage, with the texts it was trained on.
        target: a folder that is not there yet, or is empty.
        stage: whose student; the recommended stage's by default. A data set has all stages.

    Returns:
        What was written, in a few words.

    Raises:
        InputError: no such stage, or the target is not empty.
    """
    name = finished.chosen_stage(run, stage)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: is there already and not an empty folder; nothing is overwritten")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target}: cannot write there: {error.strerror}") from error
    if what == "dataset":
        return _dataset(run, target)
    adapter = finished.adapter_of(run, name)
    if what == "adapter":
        return _adapter(adapter, name, target)
    return _merged(run, adapter, name, target)


def _adapter(adapter: Path | None, stage: str, target: Path) -> str:
    if adapter is None:
        raise InputError(f"the {UNTOUCHED} student has no adapter; choose a stage by --stage")
    for path in adapter.iterdir():
        if path.is_file() and path.name != MANIFEST:
            shutil.copyfile(path, target / path.name)
    return f"the adapter of stage {stage}"


def _merged(run: Path, adapter: Path | None, stage: str, target: Path) -> str:
    from twt_core.student.loading import device_of, half_precision, load_merged, load_tokenizer

    student = finished.student_of(run, Progress())
    model = load_merged(student.base, adapter, half_precision(student.config), device_of(student.config))
    model.save_pretrained(target)
    load_tokenizer(student.base).save_pretrained(target)
    return f"the student of stage {stage}, merged"


def _dataset(run: Path, target: Path) -> str:
    recipe, summary = finished.recipe(run), finished.summary(run)
    task = recipe.task()
    with (run / QUERIES).open(encoding="utf-8") as file:
        queries = {query.id: query for query in map(Query.model_validate_json, file)}
    for stage, folder in summary.trace_steps.items():
        lines = []
        [trained] = [one for one in summary.schedule if one.name == stage]
        for text in targets(queries, Rows(run / folder, None, Trace).read(), task, trained.objectives):
            chat = [message._asdict() for message in text.messages]
            chat.append({"role": "assistant", "content": text.completion})
            row = {"id": text.name, "teacher": text.teacher, "weight": text.weight, "messages": chat}
            lines.append(json.dumps(row, ensure_ascii=False))
        (target / f"{stage}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"{len(summary.trace_steps)} data sets: {', '.join(summary.trace_steps)}"
