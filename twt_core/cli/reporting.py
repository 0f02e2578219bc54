"""Commands that show runs to people: report, view."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twt_core.cli import completing
from twt_core.cli.application import RUNS, app, examples


@app.command(epilog=examples("twt report runs/my-run", "twt report runs/my-run --out my-run.html --open"))
def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="A run folder, finished or not, or a bench's.",
            show_default=False,
            autocompletion=completing.reported,
        ),
    ],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there, not to RUN/report.html.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser, too.")] = False,
) -> None:
    """Show a run, or a bench, in one HTML file: numbers, figures, every text. No server, no network."""
    from twt_core.report import write_any

    file = write_any(folder, out)
    typer.echo(file)
    if show:
        import webbrowser

        webbrowser.open(file.resolve().as_uri())


@app.command(epilog=examples("twt view", "twt view runs --port 9000 --open"))
def view(
    runs_dir: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of runs.")] = RUNS,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On loopback; 0 takes any that is free.")] = 8642,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser, too.")] = False,
) -> None:
    """Serve a folder of runs on this machine alone, running ones as they go, until Ctrl-C."""
    from twt_core.view import serve

    serve(runs_dir, port, show)
