"""Everything that a process gives up, in order, before it runs a program that nobody has read."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress

from twt_core.sandbox import landlock, seccomp, syscalls

#: What extension modules, time zones and hashing read, besides the standard library itself.
_SHARED = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo",
    "/dev/null", "/dev/urandom",
)  # fmt: skip
_NOBODY = 65534
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_NO_NEW_PRIVS = 1, 4, 8, 38
_CAPABILITIES_3 = 0x20080522
_READ_ANY = 1 << 2  # CAP_DAC_READ_SEARCH


def limit(seconds: float, memory_mb: int, file_mb: int) -> None:
    """Resource limits of the kernel: address space, processor time, files. The wall clock is the parent's to watch."""
    most = {
        resource.RLIMIT_AS: memory_mb * 2**20,
        resource.RLIMIT_CPU: int(seconds) + 2,
        resource.RLIMIT_FSIZE: file_mb * 2**20,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in most.items():
        _lower(kind, value)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    least = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (least, least))


def contain() -> None:
    """Give up privileges, files but the standard library's, processes, threads, sockets and others' signals.

    Raises:
        OSError: this machine does not offer what it takes.
    """
    rules = landlock.ruleset([*sys.path, f"{sys.base_prefix}/lib", *_SHARED])
    _lower(resource.RLIMIT_NPROC, 0)
    _drop_user()
    syscalls.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    syscalls.prctl(_PR_SET_DUMPABLE, 0)
    die_with_parent()
    landlock.restrict(rules)
    seccomp.install()


def die_with_parent() -> None:
    """End this process when the one that started it ends. To be set after a change of user, which unsets it."""
    if sys.platform == "linux":
        syscalls.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def _drop_user() -> None:
    if os.geteuid() == 0:
        syscalls.prctl(_PR_SET_KEEPCAPS, 1)
        with suppress(OSError):  # a container without the capability, or the user: the other walls hold root, too
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        # Root's own Python may lie where nobody may go. Landlock still says which files can be read.
        _keep_capabilities(0 if _reaches_library() else _READ_ANY)
    else:
        _keep_capabilities(0)


def _reaches_library() -> bool:
    return os.access(os.__file__, os.R_OK)


def _keep_capabilities(kept: int) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    sets = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)
    syscalls.capset(header, sets)
