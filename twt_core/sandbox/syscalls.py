"""What a contained process may still ask the kernel for, by name and machine; all else is answered with EPERM."""

from __future__ import annotations

import ctypes
import os

#: Audit architectures (linux/audit.h) and the column of `_NUMBERS`.
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

# Reading, memory, clocks, its own signals, its own end. Nothing that writes to a file system, starts a process or a
# thread, opens a socket, maps another's memory, or makes a new way into the kernel (io_uring, bpf, keyctl, ...).
_NUMBERS: dict[str, tuple[int, int]] = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "stat": (4, -1),
    "fstat": (5, 80),
    "lstat": (6, -1),
    "poll": (7, -1),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "access": (21, -1),
    "select": (23, -1),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "dup": (32, 23),
    "nanosleep": (35, 101),
    "alarm": (37, -1),
    "setitimer": (38, 103),
    "getpid": (39, 172),
    "exit": (60, 93),
    "uname": (63, 160),
    "getcwd": (79, 17),
    "readlink": (89, -1),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "times": (100, 153),
    "getuid": (102, 174),
    "getgid": (104, 176),
    "geteuid": (107, 175),
    "getegid": (108, 177),
    "getppid": (110, 173),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "time": (201, -1),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "getdents64": (217, 61),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "newfstatat": (262, 79),
    "readlinkat": (267, 78),
    "faccessat": (269, 48),
    "pselect6": (270, 72),
    "ppoll": (271, 73),
    "getrandom": (318, 278),
    "statx": (332, 291),
    "faccessat2": (439, 439),
}
# Allowed by argument, see `twt_core.sandbox.seccomp`.
_CHECKED: dict[str, tuple[int, int]] = {
    "open": (2, -1),
    "ioctl": (16, 29),
    "kill": (62, 129),
    "fcntl": (72, 25),
    "tgkill": (234, 131),
    "openat": (257, 56),
    "prlimit64": (302, 261),
}


_PIVOT_ROOT = (155, 41)
_MOUNT_SETATTR, _FROM_HERE, _WHOLE_TREE = 442, -100, 0x8000


def architecture() -> int:
    """The audit architecture of this machine.

    Raises:
        OSError: a machine whose system call numbers are not known here.
    """
    return _machine()[0]


def plain() -> list[int]:
    """The numbers of the system calls that are allowed whatever their arguments."""
    column = _machine()[1]
    return [both[column] for both in _NUMBERS.values() if both[column] >= 0]


def checked() -> dict[str, int]:
    """The numbers of those that are allowed by their arguments, by name."""
    column = _machine()[1]
    return {name: both[column] for name, both in _CHECKED.items() if both[column] >= 0}


def _machine() -> tuple[int, int]:
    name = os.uname().machine
    if name not in MACHINES:
        raise OSError(f"the system calls of a machine of type {name} are not known here")
    return MACHINES[name]


def call(number: int, *arguments: object) -> int:
    """A system call by its number.

    Raises:
        OSError: what the kernel answered.
    """
    return _checked_result(_libc.syscall(number, *arguments))


def prctl(option: int, *arguments: object) -> None:
    """`prctl(2)`.

    Raises:
        OSError: what the kernel answered.
    """
    rest = [ctypes.c_ulong(0) if one == 0 else one for one in (*arguments, *[0] * (4 - len(arguments)))]
    _checked_result(_libc.prctl(option, *rest))


def capset(header: object, sets: object) -> None:
    """`capset(2)`.

    Raises:
        OSError: what the kernel answered.
    """
    _checked_result(_libc.capset(header, sets))


def unshare(flags: int) -> None:
    """`unshare(2)`.

    Raises:
        OSError: what the kernel answered.
    """
    _checked_result(_libc.unshare(flags))


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """`mount(2)`.

    Raises:
        OSError: what the kernel answered.
    """
    source_, target_, kind_, data_ = (None if one is None else one.encode() for one in (source, target, kind, data))
    _checked_result(_libc.mount(source_, target_, kind_, ctypes.c_ulong(flags), data_))


def set_mount_attributes(target: str, attributes: int) -> None:
    """`mount_setattr(2)`, of all mounts from one on downwards.

    Raises:
        OSError: what the kernel answered.
    """
    given = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    call(_MOUNT_SETATTR, _FROM_HERE, target.encode(), _WHOLE_TREE, ctypes.byref(given), ctypes.c_size_t(32))


def unmount(target: str, flags: int) -> None:
    """`umount2(2)`.

    Raises:
        OSError: what the kernel answered.
    """
    _checked_result(_libc.umount2(target.encode(), flags))


def pivot_root(new: str, old: str) -> None:
    """`pivot_root(2)`.

    Raises:
        OSError: what the kernel answered.
    """
    call(_PIVOT_ROOT[_machine()[1]], new.encode(), old.encode())


def _checked_result(answer: int) -> int:
    if answer == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer


_libc = ctypes.CDLL(None, use_errno=True)
