"""What a new plugin is called, in all places; checked before anything is written."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from twt_core import plugins
from twt_core.errors import InputError
from twt_core.suggest import did_you_mean

#: A distribution's name, as PyPA's name normalization specification has it.
_DISTRIBUTION = re.compile(r"[a-z0-9]|[a-z0-9][a-z0-9._-]*[a-z0-9]", re.IGNORECASE)
#: Longer ones make lines that no formatter can break.
_LONGEST = 40


class Start(NamedTuple):
    """A new plugin, under all its names.

    Attributes:
        distribution: what pip calls it.
        package: what Python imports.
        kind: the kind of its component.
        component: what a config calls the component.
        folder: where it is written.
    """

    distribution: str
    package: str
    kind: str
    component: str
    folder: Path

    @property
    def class_name(self) -> str:
        """The component's class."""
        return "".join(part[:1].upper() + part[1:] for part in self.component.split("_"))

    def next_steps(self) -> str:
        """What to type next."""
        options = " --set 'command=[cat]'" if self.kind == "teacher" else ""
        return (
            f"{self.folder} written. Next:\n\n"
            f"    cd {self.folder}\n"
            '    pip install -e ".[dev]"\n'
            "    pytest\n"
            f"    twt plugins {self.kind} {self.component}\n"
            f"    twt plugins check {self.distribution}{options}\n\n"
            f"Then make it yours: src/{self.package}/__init__.py"
        )


def checked_start(distribution: str, kind: str, parent: Path, component: str | None) -> Start:
    """A new plugin's names, derived and checked.

    Raises:
        InputError: a name that is not valid or taken, no such kind, no such folder, or one that is there already.
    """
    known = plugins.registry().components
    if kind not in known:
        raise InputError(f"--kind: no kind of component is called {kind!r}. {did_you_mean(kind, known)}")
    _check_distribution(distribution)
    package = _package(distribution)
    place, name = (distribution, package.removeprefix("twt_")) if component is None else ("--component", component)
    start = Start(distribution, package, kind, name, parent / distribution)
    _check_component(start, place)
    _check_folder(parent, start.folder)
    return start


def _check_distribution(name: str) -> None:
    if not _DISTRIBUTION.fullmatch(name) or len(name) > _LONGEST:
        raise InputError(
            f"{name!r} is no name for a distribution: letters, digits, and - between them, {_LONGEST} characters at "
            "most, e.g. twt-shortest"
        )
    try:
        raise InputError(f"{name}: there is a distribution of that name, version {version(name)}: choose another")
    except PackageNotFoundError:
        return


def _package(distribution: str) -> str:
    package = re.sub(r"[-_.]+", "_", distribution).lower()
    if not package.isidentifier() or keyword.iskeyword(package):
        raise InputError(f"{distribution}: Python cannot import {package!r}: begin it with twt-, say")
    if package in sys.stdlib_module_names or importlib.util.find_spec(package) is not None:
        raise InputError(f"{distribution}: there is a module {package!r} already: begin it with twt-, say")
    return package


def _check_component(start: Start, place: str) -> None:
    name = start.component
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or len(name) > _LONGEST:
        raise InputError(
            f"{place}: {name!r} is no component name: a small letter, then small letters, digits and underscores, "
            f"{_LONGEST} at most. --component gives another"
        )
    if taken := plugins.registry().components[start.kind].get(name):
        raise InputError(
            f"{place}: there is a {start.kind} {name!r} already, of {taken.distribution}: --component gives another"
        )


def _check_folder(parent: Path, folder: Path) -> None:
    if not parent.is_dir():
        raise InputError(f"--dir: {parent} is no folder")
    if folder.exists() or folder.is_symlink():
        raise InputError(f"{folder}: is there already; it is not overwritten. Choose another name, or --dir")
