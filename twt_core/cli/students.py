"""Commands that use a student: answer, export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from twt_core.cli import completing
from twt_core.cli.application import (
    AsJson,
    RunFolder,
    app,
    examples,
    print_json,
)
from twt_core.errors import InputError


@app.command(epilog=examples('twt answer runs/my-run "Today is Friday. Which day is it in 2 days?"'))
def answer(
    folder: RunFolder,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to ask.", show_default=False)],
    stage: Annotated[
        str | None,
        typer.Option(help="Ask this stage's student, not the recommended one.", autocompletion=completing.stages),
    ] = None,
    choice: Annotated[list[str] | None, typer.Option(help="An answer to choose from. Repeatable.")] = None,
    test: Annotated[list[str] | None, typer.Option(help="A test that the answer is to pass. Repeatable.")] = None,
    task: Annotated[str | None, typer.Option(help="Which of its tasks it is, in a run of a mixture.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask the student of the recommended stage."""
    from twt_core import finished

    found = finished.answer(folder, question, stage, tuple(choice or ()) or None, tuple(test or ()) or None, task)
    if as_json:
        print_json(found)
    else:
        from twt_core.terminal import plain_lines

        typer.echo(plain_lines(found.text) if sys.stdout.isatty() else found.text)


@app.command(
    epilog=examples(
        "twt export runs/my-run --merged model/",
        "twt export runs/my-run --ollama model/",
        "twt export runs/my-run --dataset data/ --format sharegpt",
        "twt export runs/my-run --adapter adapter/ --push me/my-student",
    )
)
def export(  # noqa: PLR0913, PLR0917  # an argument is an option
    folder: RunFolder,
    merged: Annotated[Path | None, typer.Option(metavar="DIR", help="Whole model, adapter merged in.")] = None,
    adapter: Annotated[Path | None, typer.Option(metavar="DIR", help="LoRA adapter alone, for peft.")] = None,
    ollama: Annotated[Path | None, typer.Option(metavar="DIR", help="Whole model with an Ollama Modelfile.")] = None,
    dataset: Annotated[Path | None, typer.Option(metavar="DIR", help="Each stage's training texts.")] = None,
    form: Annotated[
        Literal["chatml", "alpaca", "sharegpt", "datasets"],
        typer.Option("--format", help="How the data set is laid out: JSON lines, or (datasets) Parquet."),
    ] = "chatml",
    stage: Annotated[
        str | None,
        typer.Option(help="This stage's student, not the recommended one.", autocompletion=completing.stages),
    ] = None,
    push: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Upload it to the Hugging Face hub, too; private.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="With --push: for everybody to see.")] = False,
) -> None:
    """Take the student, its adapter, or what it was taught out of a run."""
    from twt_core import exporting

    targets: dict[exporting.What, Path | None]
    targets = {"merged": merged, "adapter": adapter, "ollama": ollama, "dataset": dataset}
    wanted = {what: target for what, target in targets.items() if target is not None}
    if public and push is None:
        raise InputError("--public goes with --push OWNER/NAME")
    place = exporting.Push(push, public) if push is not None else None
    for line in exporting.export_all(folder, wanted, stage, form, place):
        typer.echo(line)
