"""What the scripts that write pages share: options as tables, docstrings as Markdown."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pydantic.fields import FieldInfo

from twt_core.listing import Option, options_of
from twt_core.settings import Settings

#: How the parts of a config that are no component are shown in the type column.
PARTS = {
    "DataFile": "a source, below",
    "list of DataFile": "a list of them",
    "StudentConfig": "student, below",
    "LoraConfig": "lora, below",
    "EvaluationConfig": "evaluation, below",
    "Columns": "columns, below",
    "Column": "column, below",
    "list of Factor": "list of {weight, scorer}",
    "text to JsonValue": "text to any value",
    "text to text": "mapping of text to text",
}
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def option_table(model: type[Settings]) -> str:
    """The options of a component or of a part of the config, one row each."""
    pairs = zip(options_of(model), model.model_fields.values(), strict=True)
    rows = [
        f"| `{option.name}` | {cell(_type(option))}{_bounds(field)} | {_default(option)} | {cell(option.doc)} |"
        for option, field in pairs
    ]
    return "\n".join(["| option | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def _type(option: Option) -> str:
    return " or ".join(PARTS.get(name, name) for name in option.type.split(" or "))


def _bounds(field: FieldInfo) -> str:
    found = [
        f", {sign} {_number(bound)}"
        for name, sign in _BOUNDS.items()
        for item in field.metadata
        if (bound := getattr(item, name, None)) is not None
    ]
    return "".join(found)


def _number(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def _default(option: Option) -> str:
    return "required" if option.required else f"`{cell(json.dumps(option.default, ensure_ascii=False))}`"


def plain(text: str) -> str:
    """A docstring as Markdown: one kind of backtick, and no asterisk that would make text slanted."""
    pieces = text.replace("``", "`").split("`")
    return "`".join(piece if place % 2 else piece.replace("*", "\\*") for place, piece in enumerate(pieces))


def cell(text: str) -> str:
    """A text as a table's cell."""
    return " ".join(plain(text).split()).replace("|", "\\|")


def heading(kind: str, name: str) -> tuple[str, str]:
    """A component's heading and its anchor, the same on the site and in a repository's viewer."""
    return f"{kind}: {name}", f"{kind}-{name}"


def write_or_check(target: Path, text: str, about: str | None) -> None:
    """Write a page, or with ``--check`` end with 1 where it is not as it would be written."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page is not current")
    if not parser.parse_args().check:
        target.write_text(text, encoding="utf-8")
    elif not target.exists() or target.read_text(encoding="utf-8") != text:
        sys.exit(f"{target} is not current: run make docs")
