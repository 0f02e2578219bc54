"""The README.md of an export in parts: YAML between two lines of dashes, which the hub reads, and Markdown for people.

What a user wrote (names, questions) stands in the YAML through a YAML writer, and in the Markdown as code.
"""

from __future__ import annotations

import re

import yaml

from twt_core.settings import Json


class _WithoutAliases(yaml.SafeDumper):
    """Writes equal values out, where YAML would refer to the first."""

    def ignore_aliases(self, data: object) -> bool:
        """Always."""
        return True


def front(meta: dict[str, Json]) -> str:
    """The YAML head of a card."""
    return f"---\n{yaml.dump(meta, Dumper=_WithoutAliases, sort_keys=False, allow_unicode=True)}---"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def code(text: str) -> str:
    """A text as Markdown code on one line, in a table or not, whatever is in it."""
    line = " ".join(text.split()).replace("|", "\\|")
    ticks = "`" * (_longest_run(line) + 1)
    return f"{ticks} {line} {ticks}" if "`" in line else f"`{line}`"


def block(text: str) -> str:
    """A text as a Markdown code block, whatever is in it."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}text\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def joined(parts: list[str]) -> str:
    """A card of its parts, without those that are empty."""
    return "\n\n".join(part.strip() for part in parts if part) + "\n"
