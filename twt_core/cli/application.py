"""The command line's application, and what its commands have in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twt_core.cli import completing

if TYPE_CHECKING:
    from pydantic import BaseModel

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
    help=(
        "TwT, Thinking without Tokens: distil several reasoning models into a small one that answers at once.\n\n"
        "Examples:\n\n"
        "    twt init > run.yaml\n\n"
        "    twt plan run.yaml\n\n"
        "    twt run run.yaml --set student.lora.r=16\n\n"
        '    twt answer runs/my-run "Ann is taller than Ben. Who is shorter?"\n\n'
        "Exit codes: 0 done, 1 failed, 2 bad input, 3 stopped by the budget, 4 batches under way, 130 interrupted."
    ),
)

ConfigFile = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG",
        help="The run's YAML file.",
        show_default=False,
        autocompletion=completing.config_files,
    ),
]
RunFolder = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="A run folder, runs/NAME.",
        show_default=False,
        autocompletion=completing.run_folders,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override an option, e.g. quality_filter.minimum=0.9. Repeatable.",
        autocompletion=completing.override_keys,
    ),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", metavar="DIR", help="Folder of runs; the ledger lies in it.")]
Name = Annotated[str | None, typer.Option("--name", help="The run folder's name; the config's by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but the result.")]
Seeds = Annotated[
    int | None,
    typer.Option("--seeds", min=2, metavar="N", help="Run with N seeds, from the config's on, and report the spread."),
]
Unsandboxed = Annotated[
    bool,
    typer.Option(
        "--allow-unsandboxed-code",
        help="Let programs that models wrote run without walls where none can be had; marks every result.",
    ),
]
RUNS = Path("runs")


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "Examples:\n\n" + "\n\n".join(f"    {line}" for line in lines)


def print_json(value: BaseModel | list[object] | dict[str, object]) -> None:
    """Print a record, or what is plain already, as JSON."""
    from pydantic import BaseModel

    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    typer.echo(json.dumps(plain, indent=2, ensure_ascii=False))


def allow_unsandboxed_code(allowed: bool) -> None:
    """What `Unsandboxed` stands for, if it was given."""
    if allowed:
        from twt_core.sandbox import contained

        contained.allow_unsandboxed_code()
