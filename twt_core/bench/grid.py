"""From a config with a grid to its runs, each a checked config of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path

from pydantic import ValidationError

from twt_core import contract
from twt_core.bench.axes import Axis, Value, inside, read_axes, refused
from twt_core.bench.settings import (
    BENCH,
    EACH,
    LAST,
    RECOMMENDED,
    REDUCED,
    SEED,
    STAGE,
    BenchFile,
    BenchSettings,
)
from twt_core.config import DEFAULTS, GRID, RunConfig, checked, safe_folder_name
from twt_core.config_bases import Written, merged
from twt_core.config_errors import describe
from twt_core.config_source import ConfigSource
from twt_core.errors import InputError
from twt_core.metrics import UNTOUCHED
from twt_core.suggest import did_you_mean

#: What the files that a value extends do not change where the config says it: they are of the bench as a whole.
_OF_THE_BENCH = ("name", "budget_usd")
#: A folder's name may have 255 bytes in most file systems, and a step's partial file stands in it.
_LONGEST_RUN = 200


@dataclass(frozen=True)
class GridRun:
    """One run of a grid.

    Attributes:
        name: its labels and, where the grid has seeds, its seed.
        folder: its folder's name, among all runs.
        values: its label on each axis.
        config: its own.
    """

    name: str
    folder: str
    values: dict[str, str]
    config: RunConfig


@dataclass(frozen=True)
class Grid:
    """A config with a grid, checked.

    Attributes:
        name: the bench's.
        axes: the labels of each axis. Where each stage is an arm, the stages are the last one.
        runs: every combination of values and seeds, the seeds of a combination one after the other.
        stage: whose student stands for a run.
        baseline: the labels that make an arm a baseline, by axis; None: none is named.
        baseline_place: where it is said.
        reduced: whether it is at its reduced size.
    """

    name: str
    axes: dict[str, list[str]]
    runs: list[GridRun]
    stage: str
    baseline: dict[str, str] | None
    baseline_place: str
    reduced: bool


def has_grid(path: Path) -> bool:
    """Whether a config is one of many runs.

    Raises:
        InputError: it cannot be read.
    """
    return GRID in ConfigSource.read(path, RunConfig).value


def read_grid(
    path: Path, overrides: Sequence[str] = (), name: str | None = None, baseline: str | None = None, *,
    reduced: bool = False,
) -> Grid:  # fmt: skip
    """Read and check a config with a grid, and the config of each of its runs.

    Args:
        path: the file.
        overrides: ``KEY=VALUE`` texts, which are applied to every run, last.
        name: the bench's, in place of the config's.
        baseline: what the others are compared against, in place of the config's.
        reduced: whether to make the changes of its section ``reduced`` first.

    Raises:
        InputError: whatever is wrong with it, with its place.
    """
    source = ConfigSource.read(path, RunConfig)
    if reduced:
        source = _reduced(source)
    if GRID not in source.value:
        raise InputError(f"{path}: has no grid, so it is a single run: use `twt run {path}`")
    settings, axes = _settings(source), read_axes(source)
    _check_overrides(source, overrides, has_seeds=bool(axes[1]))
    runs = _runs(source, *axes, overrides, name)
    labels = {axis.name: axis.labels for axis in axes[0]}
    stages = list(dict.fromkeys(stage for run in runs for stage in stages_of(run)))
    if settings.stage == EACH:
        labels[STAGE] = stages
    elif settings.stage not in (LAST, RECOMMENDED, *stages):
        hint = did_you_mean(settings.stage, [LAST, RECOMMENDED, EACH, *stages])
        raise refused(source, (BENCH, "stage"), f"no run has a stage {settings.stage!r}. {hint}")
    asked = settings.baseline if baseline is None else baseline
    place = "--baseline" if baseline is not None else f"{source.position((BENCH, 'baseline'))[1]} bench.baseline"
    return Grid(
        name=name or runs[0].config.name,
        axes=labels,
        runs=runs,
        stage=settings.stage,
        baseline=None if asked is None else _baseline(asked, labels, place),
        baseline_place=place,
        reduced=reduced,
    )


def _reduced(source: ConfigSource) -> ConfigSource:
    """The config with the changes of its section ``reduced``, and a name of its own."""
    if REDUCED not in source.value:
        raise InputError(f"{source.path}: has no section {REDUCED}, which says what --reduced is to change")
    changes = inside(source, (REDUCED,))
    value, places = merged(Written(source.value, source.places), changes)
    own = source.value[REDUCED]
    if "name" in source.value and isinstance(own, dict) and "name" not in own:  # that of a file that it extends is none
        value["name"] = f"{source.value['name']}-{REDUCED}"
    return ConfigSource(source.path, RunConfig, value, places)


def _settings(source: ConfigSource) -> BenchSettings:
    own = ConfigSource(source.path, BenchFile, {BENCH: source.value.get(BENCH, {})}, source.places)
    try:
        return BenchFile.model_validate(own.value).bench
    except ValidationError as error:
        raise InputError(describe(error, own)) from None


def _check_overrides(source: ConfigSource, overrides: Sequence[str], *, has_seeds: bool) -> None:
    """Refuse what `--set` cannot change in every run."""
    for text in overrides:
        key = re.split(r"[.=]", text, maxsplit=1)[0].strip()
        if key in (GRID, BENCH, REDUCED) or (key == SEED and has_seeds):
            what = "the grid's seeds" if key == SEED else f"its {key}"
            raise InputError(
                f"--set {text.partition('=')[0]}: --set sets an option of every run. To change {what}, write a config "
                f"that `extends` {source.path}"
            )


def _runs(
    source: ConfigSource, axes: Sequence[Axis], seeds: Sequence[int], overrides: Sequence[str], name: str | None
) -> list[GridRun]:
    """Every combination, checked; all that is wrong with them is told together."""
    each: list[int | None] = [*seeds] or [None]
    count = prod(len(axis.values) for axis in axes) * len(each)
    plain = {key: value for key, value in source.value.items() if key not in (GRID, BENCH, REDUCED)}
    runs: list[GridRun] = []
    problems: dict[str, list[str]] = {}
    for values in product(*(axis.values for axis in axes)):
        for seed in each:
            labels = {axis.name: value.label for axis, value in zip(axes, values, strict=True)}
            own = ConfigSource(source.path, RunConfig, deepcopy(plain), dict(source.places))
            try:
                config = _config(own, values, seed, str(source.position((GRID, SEED))[1]), overrides)
            except InputError as error:
                for line in str(error).splitlines():
                    problems.setdefault(line, []).append(_run_name(labels, seed))
                continue
            runs.append(_grid_run(name or config.name, labels, seed, config))
    if problems:
        raise InputError("\n".join(_told(line, names, count) for line, names in problems.items()))
    _refuse_alike(source, runs)
    return runs


def _refuse_alike(source: ConfigSource, runs: Sequence[GridRun]) -> None:
    """Two budgets; two runs in one folder, on a disk that takes A and a for the same; two runs of one config."""
    first, folders, configs = runs[0], dict[str, str](), dict[str, str]()
    for run in runs:
        mine, others = run.config.budget_usd, first.config.budget_usd
        if mine != others:
            raise refused(
                source, (GRID,), f"budget_usd is {others} in {first.name} and {mine} in {run.name}: set it beside the "
                "grid, for all of them together"
            )  # fmt: skip
        if (other := folders.setdefault(run.folder.casefold(), run.name)) != run.name:
            raise refused(source, (GRID,), f"{other} and {run.name} differ in capitals alone: give them other names")
        identity = json.dumps(run.config.identity(), sort_keys=True)
        if (other := configs.setdefault(identity, run.name)) != run.name:
            raise refused(
                source, (GRID,), f"{other} and {run.name} are the same run, so that there is nothing to compare: a "
                "value changes nothing that a result depends on, or a later axis or --set changes it back. Take one "
                "away"
            )  # fmt: skip


def _config(
    own: ConfigSource, values: Sequence[Value], seed: int | None, seed_place: str, overrides: Sequence[str]
) -> RunConfig:
    kept = {key: own.value[key] for key in _OF_THE_BENCH if key in own.value}
    for value in values:
        value.change.apply(own)
    own.value = {**own.value, **kept}
    own.override(overrides, DEFAULTS)
    if seed is not None:
        own.put((SEED,), seed, seed_place, DEFAULTS)
    return checked(own)


def _told(line: str, names: Sequence[str], runs: int) -> str:
    if len(names) == runs:
        return line
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{line} (in {names[0]}{others})"


def _grid_run(bench: str, labels: dict[str, str], seed: int | None, config: RunConfig) -> GridRun:
    name = _run_name(labels, seed)
    folder = f"{bench}.{name}"
    try:
        safe_folder_name(bench)
    except ValueError as error:
        raise InputError(f"--name {bench}: {error}") from None
    if len(folder.encode()) > _LONGEST_RUN:
        raise InputError(f"{folder}: longer than {_LONGEST_RUN} bytes, for a folder: give the values shorter names")
    return GridRun(name, folder, labels, config)


def _run_name(labels: Mapping[str, str], seed: int | None) -> str:
    return arm_name([*labels.values(), *([] if seed is None else [f"{SEED}-{seed}"])])


def arm_name(labels: Sequence[str]) -> str:
    """What those are called together."""
    return "+".join(labels)


def stages_of(run: GridRun) -> list[str]:
    """The stages that a run may have, the untouched student first."""
    return [UNTOUCHED, *(stage.name for stage in contract.stages(run.config.stage_scheduler))]


def _baseline(asked: str | Mapping[str, str], axes: Mapping[str, Sequence[str]], place: str) -> dict[str, str]:
    """The labels that make an arm a baseline, by axis."""
    found: dict[str, str] = {}
    pairs = asked.items() if isinstance(asked, Mapping) else [_one_label(part, axes, place) for part in _parts(asked)]
    for axis, label in pairs:
        if axis not in axes:
            raise InputError(f"{place}: no axis is called {axis!r}. {did_you_mean(axis, axes)}")
        if label not in axes[axis]:
            raise InputError(f"{place}: {axis} has no value {label!r}. {did_you_mean(label, axes[axis])}")
        if found.setdefault(axis, label) != label:
            raise InputError(f"{place}: gives {axis} twice, {found[axis]} and {label}")
    return found


def _parts(asked: str) -> list[str]:
    return [part.strip() for part in re.split(r"[+,]", asked)]


def _one_label(part: str, axes: Mapping[str, Sequence[str]], place: str) -> tuple[str, str]:
    axis, equals, label = part.partition("=")
    if equals:
        return axis.strip(), label.strip()
    having = [axis for axis, labels in axes.items() if part in labels]
    if len(having) > 1:
        raise InputError(f"{place}: {' and '.join(having)} have a value {part!r}: write AXIS=LABEL")
    if not having:
        known = [label for labels in axes.values() for label in labels]
        raise InputError(f"{place}: no value is called {part!r}. {did_you_mean(part, known)}")
    return having[0], part
