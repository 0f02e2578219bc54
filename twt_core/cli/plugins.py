"""Commands about plugins: what is installed, whether it holds to its contract, and a start for a new one."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from twt_core.cli import completing
from twt_core.cli.application import AsJson, app, examples, print_json
from twt_core.errors import TwtError


class ListsByDefault(TyperGroup):
    """A group in which a first word that is no command, nor nearly one, belongs to `list`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `list` before what names no command."""
        known = (*self.commands, *ctx.help_option_names)
        if not args or not get_close_matches(args[0], known):
            args = ["list", *args]
        return super().parse_args(ctx, args)


plugins = typer.Typer(
    cls=ListsByDefault,
    subcommand_metavar="[KIND] [NAME] | COMMAND ...",
    epilog=examples(
        "twt plugins",
        "twt plugins teacher",
        "twt plugins teacher litellm",
        "twt plugins check twt-shortest",
        "twt plugin new twt-ends --kind diversity_selector",
    ),
    help="What is installed; whether a plugin holds to its contract; a new plugin. Without a command: `list`.",
)
app.add_typer(plugins, name="plugins")
app.add_typer(plugins, name="plugin", hidden=True)


def _first_words() -> list[str]:
    return [*completing.kinds(), "check", "new"]


@plugins.command("list", epilog=examples("twt plugins", "twt plugins teacher", "twt plugins teacher litellm --json"))
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="KIND", help="teacher, quality_filter, ...", autocompletion=_first_words),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="One component: its options.", autocompletion=completing.component_names),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What is installed, from which distribution, and the options of each component with their defaults."""
    from twt_core import listing, tables

    found = listing.components(kind, name)
    if as_json:
        print_json([component.model_dump(mode="json") for component in found.components])
    else:
        tables.print_components(found, with_options=name is not None)


@plugins.command(
    epilog=examples(
        "twt plugins check twt-shortest",
        "twt plugins check diversity_selector/shortest",
        "twt plugins check threshold --kind quality_filter --set minimum=0.9",
    )
)
def check(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A component, KIND/NAME, or a distribution: all that it registers.",
            autocompletion=completing.checkable,
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Its kind, where several have the name.", autocompletion=completing.kinds),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="An option to try it with, e.g. minimum=0.9. Repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try whether installed components hold to the contract of their kind: each check with its result."""
    from twt_core import checked_tables
    from twt_core.testing.checking import check_installed

    found = check_installed(name, kind, overrides or ())
    if as_json:
        print_json(found)
    else:
        checked_tables.print_checked(found)
    if not found.passed:
        raise TwtError(f"{name} breaks its contract")


@plugins.command(
    epilog=examples(
        "twt plugin new twt-ends --kind diversity_selector",
        "twt plugin new twt-yes-or-no --kind task_evaluator --component yes_no --dir ~/src",
    )
)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The distribution's name, as pip is to know it.")],
    kind: Annotated[
        str, typer.Option(metavar="KIND", help="teacher, quality_filter, ...", autocompletion=completing.kinds)
    ],
    folder: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where its folder is made.")] = Path(),
    component: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What a config calls the component; else NAME without its twt-."),
    ] = None,
) -> None:
    """Write an installable package with one component, its tests and CI, which passes them: a start to change."""
    from twt_core.plugin_kit import new_plugin

    typer.echo(new_plugin(name, kind, folder, component).next_steps())
