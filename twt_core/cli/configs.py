"""Commands about configs: init, schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twt_core.cli.application import app, examples, print_json
from twt_core.errors import InputError


@app.command(epilog=examples("twt schema > twt.schema.json"))
def schema() -> None:
    """The JSON Schema of the config, installed plugins included: for editors that complete and check."""
    from twt_core.config import config_schema

    print_json(dict(config_schema()))


@app.command(epilog=examples("twt init > run.yaml", "twt init run.yaml"))
def init(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="File to write; else it is printed.")] = None,
) -> None:
    """A commented config to start from."""
    from twt_core.config import template_config

    if file is None:
        typer.echo(template_config(), nl=False)
        return
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(template_config())
    except FileExistsError:
        raise InputError(f"{file}: is there already; it is not overwritten") from None
    except OSError as error:
        raise InputError(f"{file}: cannot write: {error.strerror}") from error
    typer.echo(f"{file} written. Edit it, then: twt plan {file}")
