"""Taking things out of a run: the whole student, its adapter, what it was taught."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from twt_core.errors import InputError
from twt_core.exporting.data_sets import Form, check_form, write_data_sets
from twt_core.exporting.hub import Push, check_push, upload
from twt_core.exporting.models import write_adapter, write_merged, write_ollama
from twt_core.exporting.placing import check_target, placed
from twt_core.exporting.source import Source

__all__ = ["Form", "Push", "What", "export", "export_all"]

What = Literal["merged", "adapter", "dataset", "ollama"]


def export(run: Path, what: What, target: Path, stage: str | None = None, form: Form = "chatml") -> str:
    """Write a part of a run to a folder of its own, with a card that says what it is.

    Args:
        run: a finished run folder.
        what: ``merged`` is a whole model that transformers loads; ``adapter`` what peft loads onto the base model;
            ``ollama`` a whole model with a Modelfile; ``dataset`` one file a stage, with the texts it was trained on.
        target: a folder that is not there yet, or is empty. It is there whole or not at all.
        stage: whose student; the recommended stage's by default. A data set has all stages.
        form: how a data set's rows are laid out; see `twt_core.exporting.data_sets.write_data_sets`.

    Returns:
        What was written, in a few words.

    Raises:
        InputError: no such stage, no adapter in it, a library is missing, or the target is not empty or cannot be
            written.
        TwtError: the disk is full, or what is exported was damaged since it was made.
    """
    return _write(_checked(run, what, target, stage, form), what, target, form)


def export_all(
    run: Path,
    wanted: Mapping[What, Path],
    stage: str | None = None,
    form: Form = "chatml",
    push: Push | None = None,
) -> Iterator[str]:
    """Several exports, all of them checked before the first is written; then the push, if any.

    Yields:
        What was written, and where, in a few words; one line each.

    Raises:
        InputError: nothing to export, more than one to push, or as `export` and `twt_core.exporting.hub.check_push`.
        TwtError: as `export` and `twt_core.exporting.hub.upload`.
    """
    if not wanted:
        raise InputError("say what to export: --merged DIR, --adapter DIR, --ollama DIR or --dataset DIR")
    if push is not None:
        if len(wanted) > 1:
            raise InputError(f"--push uploads one export, and there are {len(wanted)}: {', '.join(wanted)}")
        check_push(push)
    sources = {what: _checked(run, what, target, stage, form) for what, target in wanted.items()}
    for what, target in wanted.items():
        yield f"{target}: {_write(sources[what], what, target, form)}"
        if push is not None:
            yield upload(target, push, dataset=what == "dataset")


def _checked(run: Path, what: What, target: Path, stage: str | None, form: Form) -> Source:
    source = Source.of(run, stage)
    check_target(target)
    _ = source.queries
    if what == "dataset":
        check_form(form)
        source.check_traces()
    elif what == "adapter":
        _ = source.adapter
    else:
        _ = source.weights
    return source


def _write(source: Source, what: What, target: Path, form: Form) -> str:
    with placed(target) as folder:
        match what:
            case "merged":
                return write_merged(source, folder)
            case "adapter":
                return write_adapter(source, folder)
            case "ollama":
                return write_ollama(source, folder)
            case "dataset":
                return write_data_sets(source, form, folder)
