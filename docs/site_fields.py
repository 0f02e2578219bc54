"""All fields of a class for the API reference, with what the code says of each; a docstring may list some or none."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from griffe import Attribute, Class, ExprCall, ExprKeyword, Extension

_SECTION, _INDENT = "Attributes:", " " * 4
_MARK = "#:"
#: A field of whom nothing is said, beside its type.
_NOTHING = "\N{ZERO WIDTH SPACE}"


class FieldsListed(Extension):
    """Give each class that has fields a docstring with the section "Attributes", and in it every field."""

    def on_class_members(self, *, cls: Class, **_: Any) -> None:
        """See `griffe.Extension`."""
        fields = [one for one in cls.members.values() if isinstance(one, Attribute) and _is_field(one)]
        if fields and cls.docstring is not None:
            cls.docstring.value = _with_fields(cls.docstring.value, fields)


def _with_fields(docstring: str, fields: Sequence[Attribute]) -> str:
    lines = docstring.rstrip().splitlines()
    if _SECTION not in lines:
        lines += ["", _SECTION]
    end = start = lines.index(_SECTION) + 1
    while end < len(lines) and lines[end].startswith(_INDENT):
        end += 1
    listed = {line.partition(":")[0].strip() for line in lines[start:end]}
    lines[end:end] = [
        f"{_INDENT}{one.name}: {_above(one) or _described(one) or _NOTHING}" for one in fields if one.name not in listed
    ]
    return "\n".join(lines)


def _is_field(attribute: Attribute) -> bool:
    annotation = str(attribute.annotation or "ClassVar")
    return not attribute.name.startswith("_") and attribute.docstring is None and "ClassVar" not in annotation


def _above(field: Attribute) -> str:
    """The comment that ends on the line before a field."""
    found: list[str] = []
    if field.lineno is not None and isinstance(field.filepath, Path):
        for line in reversed(_lines(field.filepath)[: field.lineno - 1]):
            if not line.strip().startswith(_MARK):
                break
            found.insert(0, line.strip().removeprefix(_MARK).strip())
    return " ".join(found)


def _described(field: Attribute) -> str:
    """The description of a pydantic field."""
    if isinstance(field.value, ExprCall):
        for argument in field.value.arguments:
            if isinstance(argument, ExprKeyword) and argument.name == "description":
                return " ".join(str(ast.literal_eval(str(argument.value))).split())
    return ""


@lru_cache
def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
