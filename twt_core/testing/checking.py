"""Checking what is installed: for `twt plugins check`, and for pytest's `--twt-plugin`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from twt_core import plugins
from twt_core.components import Component, Teacher
from twt_core.config_errors import describe
from twt_core.config_source import ConfigSource
from twt_core.errors import InputError
from twt_core.plugins import Registered
from twt_core.suggest import did_you_mean
from twt_core.testing.checks import Check, CheckResult, NotTried, try_all
from twt_core.testing.kinds import TAKES, checks_of

#: What a teacher is called in a check, if not given.
TEACHER = "kit"


class CheckedComponent(BaseModel):
    """What came of the checks of one component."""

    kind: str
    name: str
    distribution: str
    checks: list[CheckResult]

    @property
    def passed(self) -> bool:
        """Whether no check failed. One that was not tried has not."""
        return all(check.passed is not False for check in self.checks)


class Checked(BaseModel):
    """What came of all checks that were asked for."""

    components: list[CheckedComponent]

    @property
    def passed(self) -> bool:
        """Whether no check of any component failed."""
        return all(component.passed for component in self.components)


@dataclass(frozen=True)
class Made:
    """An installed component, with options."""

    entry: Registered
    component: Component

    def checks(self) -> list[Check]:
        """Its checks; where none can be tried, one that says why."""
        try:
            return checks_of(self.component)
        except NotTried as error:
            reason = str(error)

        def untried(_: object) -> None:
            raise NotTried(reason)

        return [Check("samples", "The kit has samples that it takes.", untried)]


def check_installed(name: str, kind: str | None = None, overrides: Sequence[str] = ()) -> Checked:
    """Try what is installed under a name.

    Args:
        name: a component's, KIND/NAME, or a distribution's, which stands for all of its components.
        kind: of the component, where several kinds have one of that name.
        overrides: `KEY=VALUE` texts: options of the components that have them.

    Raises:
        InputError: nothing is installed under that name, an option is unknown, wrong or missing.
    """
    return Checked(components=[_checked(made) for made in made_of([name], kind, overrides)])


def _checked(made: Made) -> CheckedComponent:
    entry = made.entry
    return CheckedComponent(
        kind=entry.kind,
        name=entry.name,
        distribution=entry.distribution,
        checks=list(try_all(made.component, made.checks())),
    )


def made_of(names: Sequence[str], kind: str | None = None, overrides: Sequence[str] = ()) -> list[Made]:
    """The components that names stand for, with their options. Otherwise as `check_installed`."""
    entries = list(dict.fromkeys(entry for name in names for entry in _found(name, kind)))
    for override in overrides:
        option = _option(override)
        if not any(option in entry.cls.model_fields for entry in entries):
            options = {option for entry in entries for option in entry.cls.model_fields}
            raise InputError(f"--set {option}: {', '.join(names)} has no such option. {did_you_mean(option, options)}")
    missing = {entry: _missing(entry, overrides) for entry in entries}
    if needed := [f"{entry.kind}/{entry.name} needs {', '.join(names)}" for entry, names in missing.items() if names]:
        raise InputError(f"{'; '.join(needed)}: give each as --set OPTION=VALUE, as a config would, or check one alone")
    return [Made(entry, _made(entry, overrides)) for entry in entries]


def _found(name: str, kind: str | None) -> list[Registered]:
    of_kind, slash, rest = name.partition("/")
    if slash and kind is None and of_kind in TAKES:
        name, kind = rest, of_kind
    if kind is not None and kind not in TAKES:
        raise InputError(f"no kind of component is called {kind!r}. {did_you_mean(kind, TAKES)}")
    registry = plugins.registry()
    entries = [entry for entry in registry if kind in (None, entry.kind)]
    named = [entry for entry in entries if entry.name == name]
    if len(named) > 1:
        kinds = ", ".join(f"{entry.kind}/{entry.name}" for entry in named)
        raise InputError(f"{name!r} is the name of several components: say which, {kinds}")
    found = named or [entry for entry in entries if _distribution(entry) == _normal(name)]
    if found:
        return found
    known = {entry.name for entry in entries} | {entry.distribution.rpartition(" ")[0] for entry in entries}
    broken = "".join(f" This plugin could not be imported: {plugin}." for plugin in registry.broken)
    raise InputError(
        f"no {kind or 'component'} and no distribution is called {name!r}. {did_you_mean(name, known)}{broken}"
    )


def _distribution(entry: Registered) -> str:
    return _normal(entry.distribution.rpartition(" ")[0])


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _option(override: str) -> str:
    return override.partition("=")[0].strip().partition(".")[0].partition("[")[0]


def _own(entry: Registered, overrides: Sequence[str]) -> list[str]:
    return [override for override in overrides if _option(override) in entry.cls.model_fields]


def _missing(entry: Registered, overrides: Sequence[str]) -> list[str]:
    given = {_option(override) for override in overrides} | set(_always(entry))
    return [name for name, option in entry.cls.model_fields.items() if option.is_required() and name not in given]


def _always(entry: Registered) -> dict[str, str]:
    return {"name": TEACHER} if issubclass(entry.cls, Teacher) else {}


def _made(entry: Registered, overrides: Sequence[str]) -> Component:
    source = ConfigSource(Path(f"{entry.kind}/{entry.name}"), entry.cls, dict(_always(entry)), {})
    source.override(_own(entry, overrides), {})
    try:
        return entry.cls.model_validate(source.value, context={"folder": Path.cwd()})
    except ValidationError as error:
        raise InputError(describe(error, source)) from None  # pydantic's own text would show values
