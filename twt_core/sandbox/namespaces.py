"""Namespaces of its own for a process (Linux 5.12 and later): of users, mounts, processes, network and IPC."""

from __future__ import annotations

import os

from twt_core.sandbox import places, syscalls
from twt_core.sandbox.user import keep_capabilities

TYPE_CHECKING = False  # typing takes as long to import as Python takes to start
if TYPE_CHECKING:
    from collections.abc import Sequence

_NEW = 0x10000000 | places.NEW_MOUNTS | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000  # user, pid, net, ipc, uts
_DETACH = 2
_ROOT = "/tmp"  # only a name to mount on: nothing of it is seen, nothing is written to it


def enter(readable: Sequence[str], control: int) -> None:
    """Go on as process 1 of new namespaces, with a root folder that shows the places named and cannot be written to.

    The calling process stays behind to wait for this one.

    Args:
        readable: what can be read.
        control: a file descriptor that only the new process is to hold.

    Raises:
        OSError: this machine does not let ordinary users make namespaces.
    """
    user, group = os.geteuid(), os.getegid()
    syscalls.unshare(_NEW)
    _write("setgroups", "deny")
    _write("uid_map", f"{user} {user} 1")
    _write("gid_map", f"{group} {group} 1")
    _change_root(readable)
    if child := os.fork():
        os.close(control)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    keep_capabilities(0)


def _write(name: str, text: str) -> None:
    file = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def _change_root(readable: Sequence[str]) -> None:
    syscalls.mount("none", "/", None, places.PRIVATE | places.RECURSIVE)
    opened = places.open_all(readable)
    syscalls.mount("tmpfs", _ROOT, "tmpfs", places.NO_SUID | places.NO_DEVICES, "size=256k,mode=755")
    places.bind_all(opened, _ROOT)
    os.chdir(_ROOT)
    syscalls.pivot_root(".", ".")
    syscalls.unmount(".", _DETACH)
    os.chdir("/")
    places.make_read_only("/")
