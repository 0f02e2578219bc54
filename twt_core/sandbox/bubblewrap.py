"""Bubblewrap (bwrap, 0.5 or later) as an ordinary user: namespaces made by a program that is there for it."""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes as long to import as Python takes to start
if TYPE_CHECKING:
    from collections.abc import Sequence

_ISOLATED = (
    "bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
    "--unshare-cgroup-try", "--die-with-parent", "--as-pid-1", "--cap-drop", "ALL",
)  # fmt: skip


def command(own: Sequence[str], readable: Sequence[str]) -> list[str]:
    """The command that runs another where nothing but some places is seen, and nothing can be written.

    Args:
        own: the command to run.
        readable: the places to see.
    """
    shown = [part for place in readable for part in (_how(place), place, place)]
    return [*_ISOLATED, *shown, "--remount-ro", "/", "--chdir", "/", "--", *own]


def _how(place: str) -> str:
    return "--dev-bind" if place.startswith("/dev/") else "--ro-bind"
