"""What a contained process can read: the interpreter, its standard library, what these need. Nothing else is there."""

from __future__ import annotations

import os
import stat
import sys

from twt_core.sandbox import syscalls

TYPE_CHECKING = False  # typing takes as long to import as Python takes to start
if TYPE_CHECKING:
    from collections.abc import Iterable

#: What extension modules, time zones and hashing read, besides the standard library itself.
_SHARED = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo", "/dev/null", "/dev/urandom",
)  # fmt: skip

NO_SUID, NO_DEVICES, BIND, RECURSIVE, PRIVATE = 2, 4, 4096, 16384, 1 << 18
NEW_MOUNTS = 0x00020000
_READ_ONLY_ATTRIBUTE, _NO_SUID_ATTRIBUTE = 1, 2


def readable(package: str) -> list[str]:
    """The files and folders that are there, outermost only.

    Args:
        package: the folder that holds this package's `sandbox`.
    """
    own = (*sys.path, f"{sys.base_prefix}/lib", os.path.realpath(sys.executable), f"{package}/sandbox")
    found: list[str] = []
    for place in sorted({os.path.normpath(one) for one in (*own, *_SHARED) if one and os.path.exists(one)}):  # noqa: PTH110
        if not any(place.startswith(f"{outer}/") for outer in found):
            found.append(place)
    return found


def open_all(places: Iterable[str]) -> dict[str, int]:
    """A file descriptor of each place, good for binding it elsewhere once its path is gone."""
    return {place: os.open(place, os.O_PATH | os.O_CLOEXEC) for place in places}


def bind_all(opened: dict[str, int], root: str) -> None:
    """Show opened places beneath a new root, and close them.

    Raises:
        OSError: what the kernel answered.
    """
    for place, source in opened.items():
        _bind(source, root + place)
        os.close(source)


def _bind(source: int, target: str) -> None:
    if stat.S_ISDIR(os.fstat(source).st_mode):
        os.makedirs(target, exist_ok=True)  # noqa: PTH103 - pathlib takes long to import
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(target, os.O_CREAT | os.O_RDONLY, 0o444))
    syscalls.mount(f"/proc/self/fd/{source}", target, None, BIND | RECURSIVE)


def make_read_only(root: str) -> None:
    """Let nobody write beneath a mount point, nor gain anything by a set-user-id file there (Linux 5.12).

    Raises:
        OSError: what the kernel answered.
    """
    syscalls.set_mount_attributes(root, _READ_ONLY_ATTRIBUTE | _NO_SUID_ATTRIBUTE)
