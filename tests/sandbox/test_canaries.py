"""The canaries: each sings where nothing contains it, and where a wall is missing."""

from __future__ import annotations

import os

import pytest
from evaluators import Case, cases

from twt_core.sandbox import canaries, worker
from twt_core.sandbox.canaries import escape
from twt_core.sandbox.pool import Pool

_WITHOUT = "from twt_core.sandbox import bubblewrap as b; b._ISOLATED = tuple(o for o in b._ISOLATED if o not in {!r})"


@pytest.mark.parametrize("attempt", canaries.ATTEMPTS)
def test_a_canary_sings_where_nothing_contains_it(attempt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt succeeds without containment, so that its failure within means something."""
    monkeypatch.setattr(canaries, "ATTEMPTS", {attempt: canaries.ATTEMPTS[attempt]})
    reason = _escape("none", True)
    ends = "early_exit" if attempt == "run a program" else attempt
    assert reason is not None and ends in reason


@pytest.mark.parametrize(
    ("backend", "depth", "missing", "sings"),
    [
        ("landlock", True, "from twt_core.sandbox import landlock; landlock.restrict = lambda *_: None", "read a file"),
        ("landlock", True, "from twt_core.sandbox import seccomp; seccomp.Filter.install = lambda *_: None", "send to"),
        ("namespaces", False, "from twt_core.sandbox import namespaces as n; n._NEW &= ~0x40000000", "connect to a"),
        ("namespaces", False, "from twt_core.sandbox import namespaces as n; n._NEW &= ~0x20000000", "signal every"),
        # The next runs /bin/true, and so ends.
        ("namespaces", False, "from twt_core.sandbox import namespaces as n; n._change_root = print", "early_exit"),
        ("bubblewrap", False, _WITHOUT.format(["--unshare-net"]), "connect to a"),
        ("bubblewrap", False, _WITHOUT.format(["--unshare-pid", "--as-pid-1"]), "signal every"),
    ],
)
def test_a_wall_that_is_missing_is_noticed(
    backend: worker.Backend, depth: bool, missing: str, sings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cases()[Case("own", backend, depth)]:  # it does not hold here in the first place
        return
    launch = "from twt_core.sandbox.launch"
    monkeypatch.setattr(worker, "_START", worker._START.replace(launch, f"{missing}; {launch}"))
    reason = _escape(backend, depth)
    assert reason is not None and sings in reason


def test_a_umask_that_keeps_others_out_keeps_no_worker_from_its_python() -> None:
    before = os.umask(0o077)
    try:
        reasons = {case: _escape(case.backend, case.depth) for case in cases() if case.user == "own"}
    finally:
        os.umask(before)
    assert reasons == {case: reason for case, reason in cases().items() if case.user == "own"}


def test_why_a_worker_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_START", "import sys; sys.exit('OSError: no Landlock in this kernel')")
    assert _escape("landlock", True) == "OSError: no Landlock in this kernel"
    monkeypatch.setattr(worker.sys, "_base_executable", "/no/such/python")
    assert "No such file" in str(_escape("landlock", True))


def test_bubblewrap_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.shutil, "which", lambda name: None)
    assert _escape("bubblewrap", True) == "FileNotFoundError: bwrap is not installed"


def test_a_machine_that_is_not_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    without = "import twt_core.sandbox.syscalls as s; s.MACHINES.clear(); from twt_core.sandbox.launch"
    monkeypatch.setattr(worker, "_START", worker._START.replace("from twt_core.sandbox.launch", without))
    assert "not known here" in str(_escape("landlock", True))


def _escape(backend: worker.Backend, depth: bool) -> str | None:
    pool = Pool(backend, depth, size=1)
    try:
        return escape(pool)
    finally:
        pool.close()
