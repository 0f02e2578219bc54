"""Landlock (Linux 5.13 and later): a process gives up all file access but reading beneath named places."""

from __future__ import annotations

import ctypes
import os
import stat

from twt_core.sandbox import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every machine
_VERSION = 1
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
# The access rights that each version of the interface knows: what is named here is forbidden unless a rule allows it.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP = 0b11  # bind, connect: from version 4 on
_SCOPES = 0b11  # abstract sockets, signals: from version 6 on


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def ruleset(readable: Iterable[str]) -> int:
    """A file descriptor of rules that allow to read beneath the places that are there, and nothing else.

    Raises:
        OSError: this kernel has no Landlock, or it is switched off.
    """
    version = syscalls.call(_CREATE, None, ctypes.c_size_t(0), _VERSION)
    rules = _Ruleset(
        files=(1 << _FILE_RIGHTS.get(version, 16)) - 1,
        network=_TCP if version >= 4 else 0,
        scopes=_SCOPES if version >= 6 else 0,
    )
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    made = syscalls.call(_CREATE, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    for place in readable:
        _allow(made, place)
    return made


def _allow(rules: int, place: str) -> None:
    try:
        parent = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not there: nothing to allow
        return
    rights = _READ_FILE | (_READ_FOLDER if stat.S_ISDIR(os.fstat(parent).st_mode) else 0)
    rule = _Beneath(rights, parent)
    try:
        syscalls.call(_ADD, rules, 1, ctypes.byref(rule), 0)
    finally:
        os.close(parent)


def restrict(rules: int) -> None:
    """Hold this process to rules from now on. It must have given up gaining privileges.

    Raises:
        OSError: what the kernel answered.
    """
    syscalls.call(_RESTRICT, rules, 0)
    os.close(rules)
