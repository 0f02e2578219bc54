"""``extends``: a config that holds only what differs from others.

``extends: base.yaml``, or a list of files of which a later one goes before an earlier one; relative to the file that
says so. Mappings are merged, all else is replaced; a component that names another ``use`` replaces the whole of it, and
so do queries of a file those of a data set, and the reverse.
Other paths in all of the files are relative to the config that is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from twt_core.errors import InputError
from twt_core.input_files import problem_with_file
from twt_core.settings import Json
from twt_core.yaml_reader import KeyPath, Position, read_yaml

EXTENDS = "extends"


class Place(NamedTuple):
    """Where a value is written."""

    file: Path
    position: Position

    def __str__(self) -> str:
        return f"{self.file}:{self.position.line}:{self.position.column}"


class Written(NamedTuple):
    """What files say, and where."""

    value: dict[str, Json]
    places: dict[KeyPath, Place]


def read_files(path: Path) -> list[Written]:
    """A config file, after the files that it extends: a later one goes before an earlier one.

    Raises:
        InputError: a file cannot be read, or extends itself.
    """
    found: dict[Path, Written] = {}
    _read(path, (), found)
    return list(found.values())


def _read(path: Path, inside: tuple[Path, ...], found: dict[Path, Written]) -> None:
    document = read_yaml(path)
    assert isinstance(document.value, dict)  # read_yaml gives nothing else
    own = Written(dict(document.value), {key: Place(path, position) for key, position in document.positions.items()})
    _read_bases(own, path, (*inside, path.resolve()), found)
    found[path.resolve()] = own


def with_bases(own: Written, path: Path) -> list[Written]:
    """A mapping in a file, after the files that its own ``extends`` names, relative to that file.

    Raises:
        InputError: as `read_files`.
    """
    found: dict[Path, Written] = {}
    own = Written(dict(own.value), own.places)
    _read_bases(own, path, (path.resolve(),), found)
    return [*found.values(), own]


def _read_bases(own: Written, path: Path, chain: tuple[Path, ...], found: dict[Path, Written]) -> None:
    for key, base in _bases(own, path):
        if problem := problem_with_file(base):
            raise InputError(f"{own.places[key]} {EXTENDS}: {base}: {problem}")
        if base.resolve() in chain:
            names = " -> ".join(file.name for file in (*chain, base))
            raise InputError(f"{own.places[key]} {EXTENDS}: a config cannot extend itself: {names}")
        if base.resolve() not in found:  # what two bases share is read once, before both
            _read(base, chain, found)
    own.value.pop(EXTENDS, None)


def _bases(own: Written, path: Path) -> list[tuple[KeyPath, Path]]:
    value = own.value.get(EXTENDS, [])
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"{own.places[(EXTENDS,)]} {EXTENDS}: must be a config file, or a list of them")
    keys: list[KeyPath] = [(EXTENDS, at) for at in range(len(names))] if isinstance(value, list) else [(EXTENDS,)]
    return [(key, path.parent / str(name)) for key, name in zip(keys, names, strict=True)]


def merged(base: Written, over: Written) -> Written:
    """Both in one: what `over` says goes before what `base` says."""
    places = dict(base.places)
    value = _merged(base.value, over.value, (), places)
    return Written(value, {**places, **over.places})


def _merged(
    base: Mapping[str, Json], over: Mapping[str, Json], path: KeyPath, places: dict[KeyPath, Place]
) -> dict[str, Json]:
    found = dict(base)
    for key, new in over.items():
        old, inside = base.get(key), (*path, key)
        if isinstance(old, dict) and isinstance(new, dict) and _goes_on(old, new):
            found[key] = _merged(old, new, inside, places)
        else:
            found[key] = new
            for replaced in [place for place in places if place[: len(inside)] == inside]:
                del places[replaced]
    return found


def _goes_on(old: Mapping[str, Json], new: Mapping[str, Json]) -> bool:
    """Whether a mapping changes another, and is not one of its own."""
    other_source = ("path" in new and "dataset" in old) or ("dataset" in new and "path" in old)
    return new.get("use", old.get("use")) == old.get("use") and not other_source


def extendable(schema: dict[str, Json]) -> dict[str, Json]:
    """The JSON Schema of a config that may extend others: what is required may be in those."""
    properties, required = schema["properties"], schema.pop("required")
    assert isinstance(properties, dict)  # a config's schema has them
    description = "Config files that this one changes, relative to it; a later one goes before an earlier one."
    name: Json = {"type": "string"}
    extends: Json = {"description": description, "anyOf": [name, {"type": "array", "items": name}]}
    return {
        **schema,
        "properties": {EXTENDS: extends, **properties},
        "anyOf": [{"required": [EXTENDS]}, {"required": required}],
    }
