"""Root becomes an ordinary user, and what the interpreter needs stays within that user's reach."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

from twt_core.sandbox import places, syscalls

TYPE_CHECKING = False  # typing takes as long to import as Python takes to start
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NOBODY = 65534
_PR_SET_KEEPCAPS, _PR_SET_DUMPABLE = 8, 4
_CAPABILITIES_3 = 0x20080522
_READ_ANY = 1 << 2  # CAP_DAC_READ_SEARCH


def become_ordinary(readable: Sequence[str]) -> None:
    """Drop all privileges.

    Args:
        readable: what has to be readable afterwards. Root's own Python may lie where nobody else may go. Where root may
            mount, a mount namespace of its own shows these places and nothing else of the folder that hid them;
            elsewhere the right to read anything is kept, for other walls to take.
    """
    if os.geteuid() != 0:
        keep_capabilities(0)
        return
    with suppress(OSError):  # a container without the capability
        _show(readable)
    syscalls.prctl(_PR_SET_KEEPCAPS, 1)
    with suppress(OSError):  # a container without the capability, or the user: the other walls hold root, too
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    keep_capabilities(0 if all(os.access(place, os.R_OK) for place in readable) else _READ_ANY)
    # A change of user unset it, and without it a process may not write its own /proc/self/uid_map.
    syscalls.prctl(_PR_SET_DUMPABLE, 1)


def keep_capabilities(kept: int) -> None:
    """Give up all capabilities but those of a bit mask."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    sets = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)
    syscalls.capset(header, sets)


def _show(readable: Iterable[str]) -> None:
    hidden = {os.path.realpath(place): top for place in readable if (top := _hidden_by(place))}
    if not hidden:
        return
    syscalls.unshare(places.NEW_MOUNTS)
    syscalls.mount("none", "/", None, places.PRIVATE | places.RECURSIVE)
    opened = places.open_all(hidden)
    for top in sorted(set(hidden.values())):
        syscalls.mount("tmpfs", top, "tmpfs", places.NO_SUID | places.NO_DEVICES, "size=256k,mode=755")
    places.bind_all(opened, "")
    for top in set(hidden.values()):
        places.make_read_only(top)


def _hidden_by(place: str) -> str | None:
    """The topmost folder on the way to a place that keeps others out."""
    path = ""
    for part in os.path.realpath(place).split("/")[1:-1]:
        path += f"/{part}"
        if not os.stat(path).st_mode & 0o001:  # noqa: PTH116
            return path
    return None
