"""Every hostile program, run for real, by each backend: by whoever runs the tests, and as root by an ordinary user."""

from __future__ import annotations

import os
import socket
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from evaluators import SECRET, Case, cases, evaluators, processes
from hostile_programs import PROGRAMS, Hostile

MEMORY = 32 * 2**20
#: Seconds: what does not end by itself is not waited for; what does has time, on a busy machine, too.
SHORT, LONG = 0.15, 5.0

HOLDING = [case for case, reason in cases().items() if reason is None]


class World(NamedTuple):
    """What lies around the sandbox, for programs to reach for."""

    folder: Path
    port: socket.socket
    datagrams: socket.socket
    abstract: socket.socket

    def source(self, hostile: Hostile, evaluator: int) -> str:
        known = {
            "port": self.port.getsockname()[1], "datagrams": self.datagrams.getsockname()[1],
            "socket": self.abstract.getsockname()[1:].decode(), "folder": self.folder, "home": Path.home(),
            "secret": SECRET, "evaluator": evaluator,
        }  # fmt: skip
        source = hostile.source
        for name, value in known.items():
            source = source.replace("{" + name + "}", str(value))
        return source.replace("{{", "{").replace("}}", "}")

    def untouched(self) -> bool:
        for listening in (self.port, self.abstract):
            with pytest.raises(BlockingIOError):
                listening.accept()
        with pytest.raises(BlockingIOError):
            self.datagrams.recv(1)
        kept = self.folder / "kept"
        return os.listdir(self.folder) == ["kept"] and kept.read_text() == "as it was"  # noqa: PTH208


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv(SECRET, "x")
    # Not pytest's own folder, which keeps other users out by itself.
    with (
        tempfile.TemporaryDirectory() as name,
        socket.create_server(("127.0.0.1", 0)) as port,
        socket.socket(type=socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "kept").write_text("as it was")
        (folder / "kept").chmod(0o666)
        datagrams.bind(("127.0.0.1", 0))
        abstract.bind(f"\0twt-test-{os.getpid()}")
        abstract.listen()
        for one in (port, datagrams, abstract):
            one.setblocking(False)
        yield World(folder, port, datagrams, abstract)


@pytest.mark.parametrize("case", HOLDING, ids=str)
@pytest.mark.parametrize("hostile", PROGRAMS, ids=lambda hostile: hostile.name)
def test_it_ends_as_it_must_and_nothing_is_left_of_it(hostile: Hostile, case: Case, world: World) -> None:
    evaluator = evaluators()[case.user]
    source = world.source(hostile, evaluator.process)
    seconds = SHORT if "timeout" in hostile.ends else LONG
    before = processes(evaluator.process)
    tracemalloc.start()
    began = time.monotonic()
    verdict = evaluator.ended(case.backend, case.depth, source, seconds)
    took, (_, grown) = time.monotonic() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verdict in (hostile.ends if case.depth else hostile.alone or hostile.ends)
    assert grown < MEMORY
    assert took < seconds + 10  # it was ended, and not left to end by itself
    assert before == processes(evaluator.process) != set()
    assert world.untouched()


def test_what_is_covered_on_this_machine_is_known() -> None:
    """What holds here, by its canaries, is what all programs were run by; `pytest -rP` shows it."""
    for case, reason in cases().items():
        print(f"{case}: {'holds' if reason is None else reason}")
    assert HOLDING
    assert all(reason for case, reason in cases().items() if case not in HOLDING)
