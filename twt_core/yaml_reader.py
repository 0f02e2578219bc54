"""A YAML file as plain values, with the line and column of each: the part of YAML that cannot surprise.

Refused: a key twice, anchors and aliases, tags, more than one document. Read otherwise than PyYAML does: ``1e-4`` is
a number, ``12:30`` and ``2024-01-01`` are text. ``yes``, ``no``, ``on`` and ``off`` are booleans, so that a text field
can say that they need quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from twt_core.credentials import holds_secret
from twt_core.errors import InputError
from twt_core.input_files import problem_with_file
from twt_core.settings import Json

#: Where a value is: the keys and list indices that lead to it.
KeyPath = tuple[str | int, ...]

_CORE = "tag:yaml.org,2002:"
_DEEPEST = 50
_NO_ALIAS = "& and * (anchor, alias) are not used here: write the value out, or quote the text"


class Position(NamedTuple):
    """A place in a text file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Document:
    """What a YAML text holds. A mapping's entry is where its key is; a list's entry where it begins."""

    value: Json
    positions: dict[KeyPath, Position]


class _Refused(Exception):
    def __init__(self, position: Position, problem: str) -> None:
        super().__init__(problem)
        self.position = position
        self.problem = problem


def read_yaml(path: Path) -> Document:
    """The mapping that a config file holds.

    Raises:
        InputError: no such file, not UTF-8, not this part of YAML, or no mapping; with the line and column.
    """
    if problem := problem_with_file(path):
        raise InputError(f"{path}: {problem}")
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig")
        position = _position_in(before, len(before))
        raise InputError(_placed(path, position, "this is not UTF-8 text: save the file as UTF-8")) from None
    document = read_yaml_text(text, str(path))
    if document.value is None:
        raise InputError(f"{path}:1:1 the file is empty. `twt init` writes a config to start from")
    if not isinstance(document.value, dict):
        found = "a list" if isinstance(document.value, list) else "a single value"
        position = document.positions[()]
        raise InputError(_placed(path, position, f"{found} at the top: a config is made of lines KEY: VALUE"))
    return document


def read_yaml_text(text: str, source: str) -> Document:
    """The value that a YAML text holds; None for an empty one. `source` names it in errors.

    Raises:
        InputError: the text is not this part of YAML.
    """
    positions: dict[KeyPath, Position] = {}
    try:
        node = _Loader(text).get_single_node()
        return Document(None if node is None else _value(node, (), positions), positions)
    except _Refused as error:
        raise InputError(_placed(source, error.position, error.problem)) from None
    except yaml.reader.ReaderError as error:
        problem = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise InputError(_placed(source, _position_in(text, error.position), problem)) from None
    except yaml.MarkedYAMLError as error:
        position = _position(error.problem_mark or error.context_mark)
        raise InputError(_placed(source, position, _syntax_problem(error, text, position))) from None


def show_path(path: KeyPath) -> str:
    """A path as a user writes it: ``teachers[0].temperature``. A key that looks like an API key is not shown."""
    shown = "".join(f"[{key}]" if isinstance(key, int) else f".{'***' if holds_secret(key) else key}" for key in path)
    return shown.removeprefix(".")


class _Loader(yaml.SafeLoader):
    """PyYAML's scanner and parser, with our resolvers. Only the node tree is used, never its constructors."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  # PyYAML's own class attribute, emptied
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        position = _position(event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _Refused(
                position, "& and * (anchor, alias) are not used here: write the value out, or quote the text"
            )
        if self.depth >= _DEEPEST:
            raise _Refused(position, f"nested more than {_DEEPEST} deep")
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern in {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}.items():
    _Loader.add_implicit_resolver(_CORE + _tag, re.compile(rf"(?:{_pattern})\Z"), None)


def _value(node: yaml.Node, path: KeyPath, positions: dict[KeyPath, Position]) -> Json:
    positions.setdefault(path, _position(node.start_mark))
    if isinstance(node, yaml.MappingNode) and node.tag == _CORE + "map":
        return _mapping(node, path, positions)
    if isinstance(node, yaml.SequenceNode) and node.tag == _CORE + "seq":
        return [_value(inner, (*path, index), positions) for index, inner in enumerate(node.value)]
    read = _SCALARS.get(node.tag) if isinstance(node, yaml.ScalarNode) else None
    if read is None:
        tag = node.tag.replace(_CORE, "!!")
        raise _Refused(_position(node.start_mark), f"the tag {tag} is not allowed: write plain values only")
    try:
        value = read(node.value)
    except ValueError:
        raise _Refused(_position(node.start_mark), f"this is no {node.tag.removeprefix(_CORE)}") from None
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        raise _Refused(_position(node.start_mark), "half a character (a lone surrogate): write the character itself")
    return value


def _mapping(node: yaml.MappingNode, path: KeyPath, positions: dict[KeyPath, Position]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key_node, value_node in node.value:
        position = _position(key_node.start_mark)
        if not isinstance(key_node, yaml.ScalarNode) or not key_node.tag.startswith(_CORE):
            raise _Refused(position, "a key is a plain word")
        key = key_node.value
        if key_node.tag in (_CORE + "bool", _CORE + "null"):
            raise _Refused(position, f'YAML does not read the key {key!r} as text: write "{key}" in quotes')
        inside = (*path, key)
        if key in found:
            first = positions[inside].line
            problem = f"{show_path(inside)}: this key is already on line {first} (and again on line {position.line})"
            raise _Refused(position, problem)
        positions[inside] = position
        found[key] = _value(value_node, inside, positions)
    return found


def _integer(text: str) -> int:
    based = text.lower().startswith(("0x", "0o"))
    return int(text, 0) if based else int(text)


_SCALARS: dict[str, Callable[[str], Json]] = {
    _CORE + "null": lambda _: None,
    _CORE + "bool": lambda text: text.lower() in ("true", "yes", "on"),
    _CORE + "int": _integer,
    _CORE + "float": lambda text: float(re.sub(r"\.(?=[ni])", "", text.lower())),
    _CORE + "str": str,
}


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, position: Position) -> str:
    lines = text.split("\n")
    line = lines[position.line - 1] if position.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in (error.problem or ""):
        return "a tab in the indentation: YAML is indented with spaces"
    if error.context in ("while scanning an alias", "while scanning an anchor"):
        return _NO_ALIAS
    if "expected a single document" in (error.context or ""):
        return "a second document begins here: a config is one document, so remove this ---"
    if "mapping values are not allowed" in (error.problem or ""):
        return 'a ":" where no key can be: check the indentation, and quote a text that has ": " in it'
    return f"not YAML: {error.problem}"


def _position(mark: yaml.Mark | None) -> Position:
    return Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)


def _position_in(text: str, index: int) -> Position:
    return Position(text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


def _placed(source: Path | str, position: Position, problem: str) -> str:
    return f"{source}:{position.line}:{position.column} {problem}"
