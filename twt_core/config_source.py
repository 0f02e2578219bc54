"""What a config file and its `--set` say, and where: the values before they are checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from twt_core import credentials, plugins
from twt_core.components import Component
from twt_core.config_bases import Place, merged, read_files
from twt_core.errors import InputError
from twt_core.settings import Json, Settings
from twt_core.suggest import did_you_mean
from twt_core.yaml_reader import KeyPath, Position, read_yaml_text, show_path


@dataclass
class ConfigSource:
    """The values of a config, each with the place it comes from: a line of a file, or a `--set`."""

    path: Path
    model: type[Settings]
    value: dict[str, Json]
    places: dict[KeyPath, Place]
    overridden: dict[KeyPath, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, model: type[Settings]) -> ConfigSource:
        """The values of a file that is to become a `model`, with those of the files that it extends.

        Raises:
            InputError: a file cannot be read, or has a key or password in it.
        """
        files = read_files(path)
        for written in files:
            cls(path, model, *written).refuse_secrets()
        return cls(path, model, *reduce(merged, files))

    def refuse_secrets(self) -> None:
        """Make sure that no key or password is among the values.

        Raises:
            InputError: one is.
        """
        self._refuse_secrets(self.value, ())

    def position(self, path: KeyPath) -> tuple[Position | None, str]:
        """Where a value, or else what it is missing in, was written: in the file, or (None, the `--set`)."""
        for length in range(len(path), -1, -1):
            nearest = path[:length]
            if override := self.overridden.get(nearest):
                return None, override
            if found := self.places.get(nearest):
                return found.position, str(found)
        return Position(1, 1), str(self.path)

    def override(self, overrides: Sequence[str], defaults: Mapping[str, Json]) -> None:
        """Apply `KEY=VALUE` texts in order, those that choose a component first.

        Choosing another component drops the options that belonged to the old one. `defaults` are what the file leaves
        out, so that one option of a default component can be set.

        Raises:
            InputError: no `KEY=VALUE`, VALUE is no YAML, or KEY leads into nothing.
        """
        parsed = [(*_parse_override(text), text) for text in overrides]
        for path, value, text in sorted(parsed, key=lambda entry: (entry[0][-1] != "use", len(entry[0]))):
            self.put(path, value, _shown_override(text), defaults)

    def put(self, path: KeyPath, value: Json, shown: str, defaults: Mapping[str, Json]) -> None:
        """Set one value, which is then said to come from `shown`; otherwise as `override`."""
        if path[0] not in self.value and path[0] in defaults and len(path) > 1:
            self.value[str(path[0])] = deepcopy(defaults[str(path[0])])  # what is set in it is this config's alone
        self._set(path, value, shown)
        self.places = {k: v for k, v in self.places.items() if k[: len(path)] != path}
        self.overridden = {k: v for k, v in self.overridden.items() if k[: len(path)] != path} | {path: shown}
        self.refuse_secrets()

    def _set(self, path: KeyPath, new: Json, shown: str) -> None:
        inside: Json = self.value
        for depth, key in enumerate(path[:-1]):
            if isinstance(inside, dict) and isinstance(key, str):
                inside = inside.setdefault(key, {})
            elif isinstance(inside, list) and isinstance(key, int) and key < len(inside):
                inside = inside[key]
            else:
                raise InputError(f"{shown}: {_dead_end(path[:depth], inside, key)}")
        last = path[-1]
        if isinstance(inside, dict) and isinstance(last, str):
            if last == "use" and inside.get("use") != new:
                self._drop_options(path[:-1], inside)
            inside[last] = new
        elif isinstance(inside, list) and isinstance(last, int) and last < len(inside):
            inside[last] = new
        else:
            raise InputError(f"{shown}: {_dead_end(path[:-1], inside, last)}")

    def _drop_options(self, path: KeyPath, component: dict[str, Json]) -> None:
        """Keep of a component only what its whole kind has: a teacher keeps its name."""
        found = settings_at(self.model, self.value, path)
        kind = getattr(found, "kind", None)
        shared = next((set(base.model_fields) for base in plugins.KINDS.values() if base.kind == kind), set(component))
        for name in set(component) - shared:
            del component[name]

    def _refuse_secrets(self, value: Json, path: KeyPath) -> None:
        named = bool(path) and isinstance(path[-1], str) and credentials.names_secret(path[-1])
        held = (isinstance(value, str) and credentials.holds_secret(value)) or (
            bool(path) and isinstance(path[-1], str) and credentials.holds_secret(path[-1])
        )
        if named or held:
            reason = "" if named else "this looks like an API key: "
            raise InputError(f"{self.position(path)[1]} {show_path(path)}: {reason}{credentials.ADVICE}")
        for key, inner in _entries(value):
            self._refuse_secrets(inner, (*path, key))


def settings_at(model: type[Settings], value: Json, path: KeyPath) -> type[Settings] | None:
    """The class whose options are written at `path`: of a component, the one its ``use`` names, else its kind."""
    annotation: Any = model
    for key in path:
        annotation = _annotation_inside(annotation, value, key)
        value = dict(_entries(value)).get(key)
    found = next((part for part in _parts(annotation) if _is_settings(part)), None)
    return _named_class(found, value) if found else None


def _annotation_inside(annotation: Any, value: Json, key: str | int) -> Any:
    for part in _parts(annotation):
        arguments = get_args(part)
        if isinstance(key, int) and get_origin(part) in (list, tuple, Sequence):
            return arguments[0]
        if isinstance(key, str) and get_origin(part) in (dict, Mapping):
            return arguments[1]
        if isinstance(key, str) and _is_settings(part):
            option = _named_class(part, value).model_fields.get(key)
            return option.annotation if option else None
    return None


def _parts(annotation: Any) -> Iterator[Any]:
    """The members of a union, itself if it is none."""
    if get_origin(annotation) is Annotated:
        yield from _parts(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from _parts(part)
    else:
        yield annotation


def _is_settings(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Settings)


def _named_class(cls: type[Settings], value: Json) -> type[Settings]:
    if not issubclass(cls, Component) or "kind" not in cls.__dict__ or not isinstance(value, dict):
        return cls
    entry = plugins.registry().components[cls.kind].get(str(value.get("use")))
    return entry.cls if entry else cls


def _entries(value: Json) -> Iterator[tuple[str | int, Json]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _parse_override(text: str) -> tuple[KeyPath, Json]:
    key, equals, value = text.partition("=")
    shown = _shown_override(text)
    path = key_path(key)
    if not equals or path is None:
        raise InputError(f"{shown}: write KEY=VALUE, with dots in KEY, as in --set student.lora.r=16")
    if any(isinstance(piece, str) and credentials.names_secret(piece) for piece in path):
        raise InputError(f"{shown}: {credentials.ADVICE}")
    if credentials.holds_secret(text):
        raise InputError(f"{shown}: this looks like an API key: {credentials.ADVICE}")
    return path, read_yaml_text(value, f"{shown}: value").value


def key_path(key: str) -> KeyPath | None:
    """``teachers.0.name`` or ``teachers[0].name`` as a path; None where a piece of it is empty."""
    pieces = re.sub(r"\[(\d+)\]", r".\1", key.strip()).split(".")
    return tuple(int(piece) if piece.isdecimal() else piece for piece in pieces) if all(pieces) else None


def _shown_override(text: str) -> str:
    """`--set KEY=VALUE`, the value left out where it may be a secret."""
    key, equals, value = text.partition("=")
    # VALUE may be a mapping with a key in it that is named like a secret.
    if credentials.holds_secret(text) or any(credentials.names_secret(word) for word in re.findall(r"[\w-]+", text)):
        return f"--set {'***' if credentials.holds_secret(key) else key}=***"
    return f"--set {key}{equals}{value}"


def _dead_end(path: KeyPath, found: Json, key: str | int) -> str:
    at = show_path(path) or "the config"
    if isinstance(found, list):
        return f"{at} has {len(found)} entries, counted from 0: there is no [{key}]"
    if isinstance(found, dict):
        return f"{at} has keys, not numbers. {did_you_mean(str(key), found)}"
    return f'{at} is a single value: nothing can be set inside it, so not "{key}"'
