"""The command line: parses, calls, prints. Imports what a command needs when the command runs."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from errno import ENAMETOOLONG
from typing import Annotated, NoReturn

import typer

# A command is registered where it is defined: this is the order of `twt --help`.
from twt_core.cli import runs, benching, reporting, students, measuring, plugins, configs  # noqa: F401  # isort: skip
from twt_core.cli.application import app
from twt_core.errors import PluginWarning, TwtError

__all__ = ["app", "main"]

_INTERRUPTED = 130
_FORMAT_WARNING = warnings.formatwarning


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="The installed version.", is_eager=True)] = False,
) -> None:
    if version:
        from twt_core.run import engine_version

        typer.echo(f"twt {engine_version()}")
        raise typer.Exit


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    # A thread that waits actively starves the others on a busy machine; read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")  # the libraries' own bars; ours say what the work is
    signal.signal(signal.SIGTERM, _terminate)
    warnings.formatwarning = _as_line
    try:
        code = int(app(standalone_mode=False) or 0)  # typer gives back an Exit's code, and for an interrupt its own
    except TwtError as error:
        code = _say(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except OSError as error:
        if error.errno != ENAMETOOLONG:
            raise
        code = _say(f"{str(error.filename)[:60]}...: the name is too long", 2)
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):  # the parser's own, about the command line
            error.show()
            code = 2
        else:
            raise
    if code == _INTERRUPTED:
        _say("interrupted; run the same command again: it goes on from here", code)
    sys.stdout.flush()
    sys.exit(code)


def _terminate(*_: object) -> None:
    raise KeyboardInterrupt


def _as_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning about a plugin is for the user: without the place in our code."""
    if issubclass(category, PluginWarning):
        return f"twt: {message}\n"
    return _FORMAT_WARNING(message, category, filename, lineno, line)


def _say(message: str, code: int) -> int:
    typer.echo(f"twt: {message}", err=True)
    return code
