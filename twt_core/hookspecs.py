"""The contract with plugins: seven hooks, each called once with a function to register classes with.

A distribution joins by an entry point in the group ``twt`` that names a module or object with ``@hookimpl`` functions
of these names. Each registers any number of classes; components of one kind stand side by side, and a config picks by
name.
"""

from __future__ import annotations

from typing import Protocol

import pluggy

from twt_core.components import Component

#: The entry-point group, and pluggy's project name.
PROJECT = "twt"

#: Raised when a hook or a kind changes so that old plugins break: docs/plugins.md, "When the contract changes".
#: A plugin states the one it was built for as ``TWT_CONTRACT``, in what its entry point names or the module of that.
CONTRACT_VERSION = 1

#: The oldest contract whose plugins still work, with a warning: this one, or the one before it.
OLDEST_CONTRACT = 1

#: The contracts that are no longer taken, each with the last release of twt-distill that took it.
LAST_RELEASES: dict[int, str] = {}

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Register(Protocol):
    """Registers one component class under a name, unique within its kind."""

    def __call__(self, name: str, cls: type[Component]) -> None:
        """Register `cls`, a component of the hook's kind, as `name`."""


@hookspec
def register_teachers(register: Register) -> None:
    """Call ``register(name, Teacher subclass)`` for each."""


@hookspec
def register_confidence_scorers(register: Register) -> None:
    """Call ``register(name, ConfidenceScorer subclass)`` for each."""


@hookspec
def register_quality_filters(register: Register) -> None:
    """Call ``register(name, QualityFilter subclass)`` for each."""


@hookspec
def register_diversity_selectors(register: Register) -> None:
    """Call ``register(name, DiversitySelector subclass)`` for each."""


@hookspec
def register_compressors(register: Register) -> None:
    """Call ``register(name, Compressor subclass)`` for each."""


@hookspec
def register_stage_schedulers(register: Register) -> None:
    """Call ``register(name, StageScheduler subclass)`` for each."""


@hookspec
def register_task_evaluators(register: Register) -> None:
    """Call ``register(name, TaskEvaluator subclass)`` for each."""
