"""Finding, checking and naming plugins. Every way that can fail has its own message, which names the distribution."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import pluggy

from twt_core import hookspecs
from twt_core.components import (
    Component,
    Compressor,
    ConfidenceScorer,
    DiversitySelector,
    QualityFilter,
    StageScheduler,
    TaskEvaluator,
    Teacher,
)
from twt_core.errors import InputError, PluginWarning
from twt_core.plugin_contract import contract_problem
from twt_core.settings import Settings
from twt_core.suggest import did_you_mean

#: Each kind's abstract class, by the hook that registers it.
KINDS: dict[str, type[Component]] = {
    "register_teachers": Teacher,
    "register_confidence_scorers": ConfidenceScorer,
    "register_quality_filters": QualityFilter,
    "register_diversity_selectors": DiversitySelector,
    "register_compressors": Compressor,
    "register_stage_schedulers": StageScheduler,
    "register_task_evaluators": TaskEvaluator,
}


@dataclass(frozen=True)
class Registered:
    """One component class, under the name a config calls it by."""

    kind: str
    name: str
    cls: type[Component]
    distribution: str


@dataclass
class Registry:
    """All that is installed: components by kind and name, and the plugins that could not be imported."""

    components: dict[str, dict[str, Registered]] = field(
        default_factory=lambda: {cls.kind: {} for cls in KINDS.values()}
    )
    broken: list[str] = field(default_factory=list)
    _warned: set[str] = field(default_factory=set)

    def warn(self, message: str) -> None:
        """Tell of a plugin that will not work for ever: once, however many entry points it has."""
        if message not in self._warned:
            self._warned.add(message)
            warnings.warn(PluginWarning(message), stacklevel=2)

    def add(self, base: type[Component], name: object, cls: object, distribution: str) -> None:
        """Register a class.

        Raises:
            InputError: the class is not of the hook's kind, still abstract, or its name is taken.
        """
        if not isinstance(name, str) or not name.isidentifier():
            raise InputError(f"{distribution}: {name!r} is no component name: use letters, digits and underscores")
        if not isinstance(cls, type) or not issubclass(cls, base):
            shown = cls.__name__ if isinstance(cls, type) else type(cls).__name__
            raise InputError(f"{distribution}: {base.kind} {name!r} is {shown}, which is no {base.__name__} subclass")
        if missing := sorted(getattr(cls, "__abstractmethods__", ())):
            raise InputError(
                f"{distribution}: {base.kind} {name!r} ({cls.__name__}) does not define {', '.join(missing)}"
            )
        if taken := self.components[base.kind].get(name):
            raise InputError(
                f"two plugins register {base.kind} {name!r}: {taken.distribution} and {distribution}. "
                "Uninstall one of them, or ask its author to rename it"
            )
        self.components[base.kind][name] = Registered(base.kind, name, cls, distribution)

    def __iter__(self) -> Iterator[Registered]:
        return (entry for kind in self.components.values() for entry in kind.values())


@lru_cache(maxsize=1)
def registry() -> Registry:
    """Everything installed, found once a process.

    Raises:
        InputError: a plugin breaks the contract. One that cannot be imported is only noted, in `Registry.broken`.
    """
    found = Registry()
    for entry_point in sorted(entry_points(group=hookspecs.PROJECT), key=lambda e: (e.name, e.value)):
        distribution = _distribution(entry_point)
        try:
            plugin = entry_point.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001  # what an import runs is the plugin's own
            found.broken.append(f"{distribution} ({entry_point.value}): {type(error).__name__}: {error}")
            continue
        join(found, plugin, distribution, entry_point.module)
    return found


def join(found: Registry, plugin: object, distribution: str, module: str | None = None) -> None:
    """Check one plugin's contract and hooks, and let it register. `module` is the one that its entry point names.

    Raises:
        InputError: no hook, a misspelled one, a wrong argument, another contract version, or a bad registration.
    """
    problem = contract_problem(plugin, distribution, module)
    if problem is not None and problem.refused:
        raise InputError(problem.message)
    if problem is not None:
        found.warn(problem.message)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    marked = [name for name in dir(plugin) if manager.parse_hookimpl_opts(plugin, name) is not None]
    for name in marked:
        if name not in KINDS:
            raise InputError(f"{distribution}: no hook is called {name!r}. {did_you_mean(name, KINDS)}")
    if not marked:
        raise InputError(f"{distribution}: {_shown(plugin)} has no function marked @hookimpl")
    for message in _add_hooks(manager, plugin, distribution):
        found.warn(f"{distribution}: {message}")
    for name in marked:
        _call_hook(manager, name, found, distribution)


def _add_hooks(manager: pluggy.PluginManager, plugin: object, distribution: str) -> list[str]:
    """Register the hooks; what pluggy warns of, which is hooks whose spec says `warn_on_impl`."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            manager.register(plugin)
        except pluggy.PluginValidationError as error:
            raise InputError(f"{distribution}: {' '.join(str(error).split())}") from error
    return [str(warning.message) for warning in told]


def _call_hook(manager: pluggy.PluginManager, hook: str, found: Registry, distribution: str) -> None:
    base = KINDS[hook]

    def register(name: str, cls: type[Component]) -> None:
        found.add(base, name, cls, distribution)

    try:
        getattr(manager.hook, hook)(register=register)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{distribution}: {hook} raised {type(error).__name__}: {error}") from error


def _distribution(entry_point: EntryPoint) -> str:
    return f"{entry_point.dist.name} {entry_point.dist.version}" if entry_point.dist else entry_point.value


def _shown(plugin: object) -> str:
    return plugin.__name__ if inspect.isclass(plugin) or isinstance(plugin, ModuleType) else type(plugin).__name__


def resolve(kind: str, mapping: dict[str, object]) -> Registered:
    """The class that a config's ``{use: NAME, ...}`` names.

    Raises:
        ValueError: no ``use``, or no such component; the message lists what there is.
    """
    known = registry().components[kind]
    name = mapping.get("use")
    if name is None:
        raise ValueError(f"a {kind} is written {{use: NAME, ...}}. There are: {', '.join(sorted(known))}.")
    if not isinstance(name, str) or name not in known:
        broken = registry().broken
        note = f" These plugins could not be imported: {'; '.join(broken)}." if broken else ""
        raise ValueError(f"no {kind} is called {name!r}. {did_you_mean(str(name), known)}{note}")
    return known[name]


def _entry(cls: type[Component]) -> Registered | None:
    return next((entry for entry in registry() if entry.cls is cls), None)


def name_of(cls: type[Component]) -> str:
    """The name a class is registered under; for one that no plugin registers, its import path."""
    entry = _entry(cls)
    return entry.name if entry else f"{cls.__module__}.{cls.__qualname__}"


def distribution_of(cls: type[Component]) -> str:
    """The distribution and version a class comes from; for one that no plugin registers, its module."""
    entry = _entry(cls)
    return entry.distribution if entry else cls.__module__


def distributions_in(settings: Settings) -> set[str]:
    """The distributions of a component and of all components inside it."""
    found = {distribution_of(type(settings))} if isinstance(settings, Component) else set()
    for name in type(settings).model_fields:
        found |= _distributions_among(getattr(settings, name))
    return found


def _distributions_among(value: object) -> set[str]:
    if isinstance(value, Settings):
        return distributions_in(value)
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else []
    return set().union(*map(_distributions_among, inner))
