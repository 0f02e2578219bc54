"""Determinantal point processes as a diversity selector for TwT."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl

from twt_dpp.selector import DeterminantalPointProcess

__all__ = ["DeterminantalPointProcess"]

#: The version of TwT's plugin contract that this package was built for.
TWT_CONTRACT = 1


@hookimpl
def register_diversity_selectors(register: Register) -> None:
    """See `twt_core.hookspecs`."""
    register("dpp", DeterminantalPointProcess)
