"""A filter on system calls (seccomp mode 2) as a classic BPF program. It cannot be taken off again."""

from __future__ import annotations

import ctypes
import os
import signal
from errno import EPERM

from twt_core.sandbox import syscalls

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW = _RETURN, 0, 0, 0x7FFF0000
_REFUSE = _RETURN, 0, 0, 0x00050000 | EPERM
_KILL = _RETURN, 0, 0, 0x80000000

_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_PR_SET_SECCOMP, _FILTER = 22, 2

# What makes or changes a file: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_TMPFILE; the same on both machines.
_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | 0o20000000
_IOCTLS = (0x5401, 0x5450, 0x5451)  # TCGETS (isatty), FIONCLEX, FIOCLEX
_FCNTLS = (0, 1, 2, 3, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC; F_SETOWN would send signals

_OWN = 0xFFFFFFFE  # stands for the number of the process that installs the filter: no process has it

_Step = tuple[int, int, int, int]


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("when", ctypes.c_ubyte),
        ("otherwise", ctypes.c_ubyte),
        ("value", ctypes.c_uint),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.POINTER(_Instruction)))


class Filter:
    """A filter that lets a process compute and read, and nothing else. Made once, installed by each of many.

    Raises:
        OSError: a machine whose system call numbers are not known here.
    """

    def __init__(self) -> None:
        steps = _steps()
        self._steps = (_Instruction * len(steps))(*[_Instruction(*step) for step in steps])
        self._own = [at for at, step in enumerate(steps) if step[3] == _OWN]

    def install(self) -> None:
        """Hold this process to the filter from now on. It must have given up gaining privileges.

        Raises:
            OSError: the kernel, or a filter around this process, does not allow filters.
        """
        for at in self._own:
            self._steps[at].value = os.getpid()
        program = _Program(len(self._steps), self._steps)
        syscalls.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program))


def _steps() -> list[_Step]:
    start: list[_Step] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, syscalls.architecture()),
        _KILL,
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    plain = [step for number in syscalls.plain() for step in _on(number, [_ALLOW])]
    checks = _checks()
    checked = [step for name, number in syscalls.checked().items() for step in _on(number, checks[name])]
    return [*start, *plain, *checked, _REFUSE]


def _on(number: int, block: list[_Step]) -> list[_Step]:
    return [(_EQUAL, 0, len(block), number), *block]


def _checks() -> dict[str, list[_Step]]:
    own = _one_of(0, (_OWN,))  # but not to kill itself: what is killed was killed from outside
    return {
        "open": _none_of(1, _CHANGES),
        "openat": _none_of(2, _CHANGES),
        "ioctl": _one_of(1, _IOCTLS),
        "fcntl": _one_of(1, _FCNTLS),
        "kill": [*_not(1, signal.SIGKILL), *own],
        "tgkill": [*_not(2, signal.SIGKILL), *own],
        "prlimit64": [*_zero(0), *_zero(2), *_zero(2, high=True), _ALLOW],
    }


def _load(argument: int, high: bool = False) -> _Step:
    return _LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument + 4 * high


def _one_of(argument: int, values: tuple[int, ...]) -> list[_Step]:
    return [_load(argument), *[step for value in values for step in _on(value, [_ALLOW])], _REFUSE]


def _not(argument: int, value: int) -> list[_Step]:
    return [_load(argument), (_EQUAL, 0, 1, value), _REFUSE]


def _none_of(argument: int, bits: int) -> list[_Step]:
    return [_load(argument), (_ANY_BIT, 0, 1, bits), _REFUSE, _ALLOW]


def _zero(argument: int, high: bool = False) -> list[_Step]:
    return [_load(argument, high), (_EQUAL, 1, 0, 0), _REFUSE]
