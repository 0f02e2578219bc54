"""llama.cpp inside the process as a teacher for TwT."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl

from twt_xllamacpp.teacher import XLlamaCpp

__all__ = ["XLlamaCpp"]

#: The version of TwT's plugin contract that this package was built for.
TWT_CONTRACT = 1


@hookimpl
def register_teachers(register: Register) -> None:
    """See `twt_core.hookspecs`."""
    register("xllamacpp", XLlamaCpp)
