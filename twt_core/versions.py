"""What a result was made with."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from twt_core import plugins
from twt_core.run import engine_version
from twt_core.settings import Settings


def versions_of(settings: Settings, libraries: Sequence[str]) -> dict[str, str]:
    """The versions of TwT, of Python, of those `libraries` that are installed, and of the components' distributions."""
    found = {"twt-distill": engine_version(), "python": platform.python_version()}
    for library in libraries:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found | {name: number for name, _, number in (d.partition(" ") for d in plugins.distributions_in(settings))}
