"""What tables are printed with."""

from __future__ import annotations

from typing import Literal

from rich.console import Console
from rich.table import Table

_NARROWEST = 100


def console() -> Console:
    """Where tables go: standard output."""
    # Off a terminal rich assumes 80 columns, which breaks sentences in the middle for whoever greps them.
    found = Console(highlight=False, soft_wrap=True)
    return found if found.is_terminal else Console(highlight=False, soft_wrap=True, width=max(_NARROWEST, found.width))


def table(*columns: str, right: tuple[str, ...] = (), wraps: tuple[str, ...] = ("meaning",)) -> Table:
    """An empty table, its columns to the left but those named in `right`; those in `wraps` give way."""
    found = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        found.add_column(column, justify=justify, no_wrap=column not in wraps, overflow="fold")
    return found


def plain(text: str) -> str:
    """A text of somebody else's, without what a terminal takes for a command."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def plain_lines(text: str) -> str:
    """`plain`, line by line; tabs stay, too."""
    return "\n".join("\t".join(map(plain, line.split("\t"))) for line in text.split("\n"))
