"""How far a run is, as its process told last: ``progress.json`` in the run folder, for `twt status` and `twt view`.

Whether a run still works is not asked of its lock: to try a lock is to hold it for a moment, in which a run that begins
would be refused. The file names the process that wrote it, which is looked up where it can be seen; elsewhere (another
machine, another container, no ``/proc``) the file counts as long as it is written anew.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, FiniteFloat

PROGRESS = "progress.json"
#: A run that works writes at least this often, in seconds, moved or not.
HEARTBEAT = 10.0
#: Seconds without a word after which a process that cannot be looked up counts as ended.
SILENCE = 60.0
#: More bytes than a progress file ever has.
_MOST_BYTES = 4_000_000
_PROC = Path("/proc")

State: TypeAlias = Literal["working", "done", "stopped", "failed"]
Count: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]
Instant: TypeAlias = Annotated[AwareDatetime, AfterValidator(lambda when: when.astimezone(UTC))]


class LivePart(BaseModel):
    """One part of some work: a teacher's requests, a stage's optimizer steps.

    Attributes:
        name: what is counted.
        done: how many of them are done with.
        total: how many there are.
        rate: how many a second, of late; None where that is not known yet.
        seconds_left: at this rate.
        note: how it goes: a loss, failures.
    """

    name: str
    done: Count
    total: Count
    rate: Annotated[FiniteFloat, Field(gt=0)] | None
    seconds_left: Annotated[FiniteFloat, Field(ge=0)] | None
    note: str

    @property
    def figures(self) -> str:
        """How far it is, in words."""
        rate = "" if self.rate is None else f"{self.rate:.1f}/s" if self.rate >= 1 else f"{1 / self.rate:.1f} s each"
        left = "" if self.seconds_left is None or self.done >= self.total else f"{duration(self.seconds_left)} left"
        return ", ".join(filter(None, [f"{self.done}/{self.total}", rate, left, self.note]))


class LiveTask(BaseModel):
    """Work under way: asking, training, answering."""

    label: str
    parts: list[LivePart]


class Writer(BaseModel):
    """The process that works on the run.

    Attributes:
        pid: its id, which later processes may have again.
        started: when it began, in clock ticks since the machine did, which tells it from those; None without ``/proc``.
        machine: what its id means anything in: this start of the machine, and the container. None likewise.
    """

    pid: int
    started: int | None
    machine: str | None


class LiveProgress(BaseModel):
    """What the process that works on a run, or was the last to, told of it. Times are UTC.

    Attributes:
        state: ``working``; ``done``; ``stopped`` (by Ctrl-C, by the budget, for batches that are under way, or because
            its process is gone); ``failed``.
        why: why it stopped or failed, in a sentence.
        writer: the process.
        began: when this process began to work on the run.
        updated: when it told this.
        step: the step that it makes, or was the last to; None before the first.
        step_began: when it began to make it.
        expected: the steps that the run is to have, in order, as far as that is known.
        tasks: the work under way, the outermost first.
        lines: what was said last, oldest first.
        spent_usd: what the run has paid or reserved so far, in US dollars; None where that is not known.
    """

    state: State
    why: str
    writer: Writer
    began: Instant
    updated: Instant
    step: str | None
    step_began: Instant | None
    expected: list[str]
    tasks: list[LiveTask]
    lines: list[str]
    spent_usd: FiniteFloat | None


def duration(seconds: float) -> str:
    """Seconds as people say them: ``0.4 s``, ``42 s``, ``3 min 05 s``, ``2 h 07 min``, ``3 d 04 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, part, of in ((86_400, "d", "h", 3600), (3600, "h", "min", 60), (60, "min", "s", 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // of:02d} {part}"
    return f"{whole} s"


def this_process() -> Writer:
    """The process that asks."""
    return Writer(pid=os.getpid(), started=_started(os.getpid()), machine=_machine())


def read_progress(run: Path) -> LiveProgress | None:
    """What was told last of a run; ``stopped`` where its process is gone. None: nothing was, or it is damaged."""
    file = run / PROGRESS
    try:
        if not file.is_file() or file.stat().st_size > _MOST_BYTES:
            return None
        told = LiveProgress.model_validate_json(file.read_bytes())
    except (OSError, ValueError, OverflowError):
        return None
    if told.state == "working" and not _works(told):
        return told.model_copy(update={"state": "stopped", "why": "its process is gone"})
    return told


def _works(told: LiveProgress) -> bool:
    writer = told.writer
    if writer.started is not None and writer.machine is not None and writer.machine == _machine():
        return _started(writer.pid) == writer.started
    return abs((datetime.now(UTC) - told.updated).total_seconds()) < SILENCE


def _machine() -> str | None:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return None


def _started(pid: int) -> int | None:
    """When a process began, in clock ticks since the machine did; None if it has ended or cannot be seen."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    ended = fields[0] in {"Z", "X", "x"}  # nobody has asked for its exit code yet
    return None if ended else int(fields[19])
