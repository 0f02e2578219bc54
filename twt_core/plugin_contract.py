"""Which plugin contracts this engine takes, and what it says of the others."""

from __future__ import annotations

import sys
from typing import NamedTuple

from twt_core import hookspecs

#: What a plugin that states no contract was built for.
UNSTATED = 1


class ContractProblem(NamedTuple):
    """What is wrong with the contract that a plugin was built for, and whether it is refused or only warned of."""

    message: str
    refused: bool


def contract_problem(plugin: object, distribution: str, module: str | None = None) -> ContractProblem | None:
    """What to say of the contract that a plugin was built for; None: it is this engine's.

    Args:
        plugin: what the entry point names: a module, a class or an object.
        distribution: its distribution's name and version.
        module: the module that the entry point names, or names a member of; by default where `plugin` was defined.
    """
    version = _stated(plugin, module or str(getattr(plugin, "__module__", None)))
    current, oldest = hookspecs.CONTRACT_VERSION, hookspecs.OLDEST_CONTRACT
    if type(version) is not int or version < 1:  # True is an int, too
        return ContractProblem(
            f"{distribution}: TWT_CONTRACT is {version!r}, which is no contract: write the number of the one that it "
            f"is built for, TWT_CONTRACT = {current}",
            refused=True,
        )
    if version == current:
        return None
    if version > current:
        return ContractProblem(_too_new(distribution, version), refused=True)
    if version < oldest:
        return ContractProblem(_too_old(distribution, version), refused=True)
    return ContractProblem(
        f"{distribution}: built for plugin contract {version}; this is contract {current}, which still takes it. "
        f"Contract {current + 1} will not: upgrade {_name(distribution)}, or ask its author to move to contract "
        f"{current}",
        refused=False,
    )


def _stated(plugin: object, module: str) -> object:
    around = getattr(sys.modules.get(module), "TWT_CONTRACT", UNSTATED)
    return getattr(plugin, "TWT_CONTRACT", around)


def _too_new(distribution: str, version: int) -> str:
    return (
        f"{distribution}: built for plugin contract {version}; this is contract {hookspecs.CONTRACT_VERSION}, of "
        f"{_engine()}. Upgrade twt-distill to a release that has contract {version} "
        f"(pip install --upgrade twt-distill), or install an older release of {_name(distribution)}"
    )


def _too_old(distribution: str, version: int) -> str:
    last = hookspecs.LAST_RELEASES.get(version)
    return (
        f"{distribution}: built for plugin contract {version}; this is contract {hookspecs.CONTRACT_VERSION}, of "
        f"{_engine()}, and the oldest that it takes is {hookspecs.OLDEST_CONTRACT}. Install a newer release of "
        f"{_name(distribution)}, or an older twt-distill{f' ({last} is the last that takes it)' if last else ''}"
    )


def _engine() -> str:
    from twt_core.run import engine_version  # at call time: run.py needs the plugins

    return f"twt-distill {engine_version()}"


def _name(distribution: str) -> str:
    return distribution.partition(" ")[0]
