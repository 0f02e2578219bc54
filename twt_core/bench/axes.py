"""The axes of a grid: what a config file says of them, as labelled changes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import reduce
from math import prod
from typing import NamedTuple

from twt_core.bench.settings import BENCH, MOST_RUNS, REDUCED, SEED, STAGE
from twt_core.config import DEFAULTS, GRID, RunConfig
from twt_core.config_bases import EXTENDS, Written, merged, with_bases
from twt_core.config_source import ConfigSource, key_path
from twt_core.errors import InputError
from twt_core.settings import Json
from twt_core.suggest import did_you_mean
from twt_core.yaml_reader import KeyPath, show_path

_LONGEST_LABEL = 40
_LABEL = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{_LONGEST_LABEL - 1}}}")
#: What cannot be an axis, and why.
_FIXED = {
    "name": "it names the bench, and its runs after their labels",
    "budget_usd": "one budget bounds the whole bench: set it outside the grid",
    EXTENDS: "name the axis, and its values, each with the files that it extends",
    STAGE: "the stages are found in the runs: see bench.stage",
}


class Change(NamedTuple):
    """What a value changes in the config.

    Attributes:
        path: where its key is; empty for a mapping of changes to the whole config.
        written: the value and where it is written; for a path, under the key ``value``.
    """

    path: KeyPath
    written: Written

    def apply(self, source: ConfigSource) -> None:
        """Change a config. A mapping changes what it names in one that is there, as in a file that extends others."""
        if not self.path:
            source.value, source.places = merged(Written(source.value, source.places), self.written)
            return
        if self.path[0] in DEFAULTS and len(self.path) > 1:
            source.value = {
                **source.value,
                str(self.path[0]): source.value.get(str(self.path[0]), DEFAULTS[str(self.path[0])]),
            }
        if any(isinstance(key, int) for key in self.path):
            source.value = deepcopy(source.value)
            source.put(self.path, self.written.value["value"], str(self.written.places["value",]), DEFAULTS)
            return
        value: Json = self.written.value["value"]
        for key in reversed(self.path):
            value = {str(key): value}
        assert isinstance(value, dict)  # a path is not empty
        places = {(*self.path, *inside[1:]): place for inside, place in self.written.places.items()}
        source.value, source.places = merged(Written(source.value, source.places), Written(value, places))


class Value(NamedTuple):
    """One value of an axis."""

    label: str
    change: Change


class Axis(NamedTuple):
    """An axis with its values, in order."""

    name: str
    values: list[Value]

    @property
    def labels(self) -> list[str]:
        """Of its values."""
        return [value.label for value in self.values]


def inside(source: ConfigSource, path: KeyPath) -> Written:
    """What a mapping in a config says, by itself, after the files that it extends.

    Raises:
        InputError: it is no mapping, or a file of its cannot be read.
    """
    value: Json = source.value
    for key in path:
        assert isinstance(value, dict)  # the path was followed before
        value = value[str(key)]
    if not isinstance(value, dict):
        raise refused(source, path, "must be a mapping of changes, as in a config file")
    places = {key[len(path) :]: place for key, place in source.places.items() if key[: len(path)] == path}
    own = Written(value, places)
    if EXTENDS not in value:
        return own
    files = with_bases(own, places[EXTENDS,].file)
    for file in files:
        ConfigSource(source.path, RunConfig, *file).refuse_secrets()
    return reduce(merged, files)


def read_axes(source: ConfigSource) -> tuple[list[Axis], list[int]]:
    """The axes of a config's grid, and its seeds; no seeds where the grid has none.

    Raises:
        InputError: what is wrong with it, with its place.
    """
    grid = source.value.get(GRID)
    if not isinstance(grid, dict):
        raise refused(source, (GRID,), "must be a mapping: an axis, and its values")
    kept = {name: values for name, values in grid.items() if values is not None}
    if not kept:
        raise refused(source, (GRID,), "has no axis: give a key of the config, and a list of its values")
    _refuse_many(source, kept)
    axes = [_axis(source, name, values) for name, values in kept.items() if name != SEED]
    return axes, _seeds(source, kept[SEED]) if SEED in kept else []


def _refuse_many(source: ConfigSource, axes: Mapping[str, Json]) -> None:
    """Refuse what nobody means, before anything is done with each of its values."""
    counts = {name: len(values) for name, values in axes.items() if isinstance(values, (list, Mapping)) and values}
    if (count := prod(counts.values())) > MOST_RUNS:
        shown = ", ".join(f"{name} has {many}" for name, many in counts.items())
        raise refused(
            source, (GRID,), f"makes {count} runs ({shown}): at most {MOST_RUNS}. Take values away, or make several "
            "benches of it"
        )  # fmt: skip


def refused(source: ConfigSource, path: KeyPath, problem: str) -> InputError:
    """What is wrong, with its place."""
    return InputError(f"{source.position(path)[1]} {show_path(path)}: {problem}")


def _seeds(source: ConfigSource, seeds: Json) -> list[int]:
    found = seeds if isinstance(seeds, list) else []
    numbers = [seed for seed in found if isinstance(seed, int) and not isinstance(seed, bool)]
    if not numbers or len(numbers) != len(found):
        raise refused(source, (GRID, SEED), "must be a list of whole numbers: each is a run of every combination")
    for place, seed in enumerate(numbers):
        if seed in numbers[:place]:
            raise refused(source, (GRID, SEED, place), "this seed is there twice")
    return numbers


def _axis(source: ConfigSource, name: str, values: Json) -> Axis:
    path = key_path(name)
    if name in _FIXED:
        raise refused(source, (GRID, name), f"this cannot be an axis: {_FIXED[name]}")
    own = path is None or path[0] not in RunConfig.model_fields
    if isinstance(values, list) and values:
        if own:
            raise refused(source, (GRID, name), _no_key(name))
        return Axis(name, _listed(source, name, path or (), values))
    named = {label: value for label, value in values.items() if value is not None} if isinstance(values, dict) else {}
    if not named:
        raise refused(source, (GRID, name), "has no value: give a list of them, or a mapping of names to values")
    path = () if own else path or ()
    return Axis(name, [_named(source, name, path, label, value) for label, value in named.items()])


def _no_key(name: str) -> str:
    return (
        f"no key of a config. {did_you_mean(name, RunConfig.model_fields)} An axis of your own gives each of its "
        "values a name: NAME: {KEY: VALUE, ...}"
    )


def _listed(source: ConfigSource, axis: str, path: KeyPath, values: Sequence[Json]) -> list[Value]:
    for place, value in enumerate(values):
        if value in [other for other in values[:place] if type(other) is type(value)]:
            raise refused(source, (GRID, axis, place), "this value is there twice")
    labels = _distinct([_label(value) for value in values])
    if twice := [label for label, count in Counter(labels).items() if count > 1]:
        raise refused(source, (GRID, axis), f"two values would be called {twice[0]}: give them names, NAME: VALUE")
    return [
        Value(label, Change(path, _as_value(source, (GRID, axis, place), value)))
        for place, (label, value) in enumerate(zip(labels, values, strict=True))
    ]


def _named(source: ConfigSource, axis: str, path: KeyPath, label: str, value: Json) -> Value:
    where = (GRID, axis, label)
    if not _LABEL.fullmatch(label):
        raise refused(source, where, f"a name here has 1 to {_LONGEST_LABEL} letters, digits and . _ -")
    if path:
        return Value(label, Change(path, _as_value(source, where, value)))
    changes = inside(source, where)
    for key in (GRID, BENCH, REDUCED):
        if key in changes.value:
            raise refused(source, where, f"changes {key}, which is no part of a single run")
    return Value(label, Change((), changes))


def _as_value(source: ConfigSource, where: KeyPath, value: Json) -> Written:
    places = {("value", *key[len(where) :]): at for key, at in source.places.items() if key[: len(where)] == where}
    return Written({"value": value}, places)


def _label(value: Json) -> str:
    if isinstance(value, Mapping):
        value = value.get("use", "value")
    text = value if isinstance(value, str) else "none" if value is None else json.dumps(value)
    label = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")
    return "value" if isinstance(value, (list, Mapping)) or not label else label[:_LONGEST_LABEL].rstrip("-._")


def _distinct(labels: Sequence[str]) -> list[str]:
    """The labels, those of several values numbered."""
    counts, seen = Counter(labels), Counter[str]()
    found = []
    for label in labels:
        seen[label] += 1
        found.append(f"{label}-{seen[label]}" if counts[label] > 1 else label)
    return found
