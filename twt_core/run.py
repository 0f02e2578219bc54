"""A run folder: one folder a step, a manifest written last, fingerprints, one lock.

A step is made again when its fingerprint changes: the hash of its name, of what its input steps *contain*, of all
options of its components, and of the versions of the distributions they come from. Content, not time, is what counts:
a changed scorer that gives the same scores makes nothing after it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel

from twt_core import plugins
from twt_core.errors import InputError, TwtError
from twt_core.progress import Progress
from twt_core.records import Record
from twt_core.settings import Json, Settings, file_digest

R = TypeVar("R", bound=Record)

MANIFEST = "manifest.json"
ROWS = "rows.jsonl"
#: What steps keep while they are made: checkpoints of a training.
SCRATCH = ".work"
#: A finished run's numbers (`twt_core.summary`).
SUMMARY = "summary.json"
#: A bench's numbers, in its folder, which is no run's (`twt_core.bench`).
BENCH = "bench.json"
VERSION = 1


class Manifest(BaseModel):
    """What says that a step is whole: its fingerprint, and the hash of every file in it."""

    version: int = VERSION
    step: str
    fingerprint: str
    files: dict[str, str]
    seconds: float
    #: False when a failure that may pass (a server that was down) is among the rows: the next run makes it again.
    whole: bool = True
    #: The run that made it, where it was taken from another one.
    taken_from: str | None = None

    def digest(self) -> str:
        """The hash of what the step contains."""
        return _hash([[name, sha] for name, sha in sorted(self.files.items())])


@dataclass(frozen=True)
class Artifact:
    """What a step made. `digest` is None where it is not made yet, which is so in a plan only."""

    path: Path
    digest: str | None


@dataclass(frozen=True)
class Rows(Artifact, Generic[R]):
    """A step's records."""

    record: type[R]

    def read(self) -> list[R]:
        """All records, in order."""
        with (self.path / ROWS).open(encoding="utf-8") as file:
            return [self.record.model_validate_json(line) for line in file]


class Steps(Protocol):
    """What the pipeline is written against: a run that makes its steps, or a plan that only looks."""

    def rows(
        self,
        name: str,
        record: type[R],
        inputs: Sequence[Artifact],
        settings: Sequence[Settings | Json],
        make: Callable[[], Iterable[R]],
    ) -> Rows[R]:
        """A step of records."""

    def folder(
        self, name: str, inputs: Sequence[Artifact], settings: Sequence[Settings | Json], make: Callable[[Path], None]
    ) -> Artifact:
        """A step that fills a folder."""  # fmt: skip

    def scratch(self, name: str) -> Path:
        """Where a step keeps what it goes on from after a crash. It goes when the step is whole."""

    def verify(self, artifact: Artifact) -> None:
        """Make sure that a step is as it was made.

        Raises:
            TwtError: a file of it is missing or was changed.
        """


@dataclass
class Run:
    """A locked run folder. Open it with `open_run`."""

    path: Path
    progress: Progress
    #: Told after each step was made whether all of it is there; see `Manifest.whole`.
    whole: Callable[[], bool] = field(default=lambda: True)
    made: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    #: The folders of the steps that are whole and current so far, by name.
    done: dict[str, Path] = field(default_factory=dict)
    #: Told the name of each step that is whole.
    after: Callable[[str], None] = field(default=lambda _: None)
    #: Other run folders: a step that one of them has is taken from there.
    beside: Sequence[Path] = ()

    def rows(
        self, name: str, record: type[R], inputs: Sequence[Artifact], settings: Sequence[Settings | Json],
        make: Callable[[], Iterable[R]],
    ) -> Rows[R]:  # fmt: skip
        """The step's records: those on disk when they are whole and current, else made now."""

        def write(folder: Path) -> None:
            write_whole(folder / ROWS, (row.model_dump_json(exclude_none=True) + "\n" for row in make()))

        made = self.folder(name, inputs, settings, write)
        return Rows(made.path, made.digest, record)

    def folder(
        self, name: str, inputs: Sequence[Artifact], settings: Sequence[Settings | Json], make: Callable[[Path], None]
    ) -> Artifact:
        """The step's folder: the one on disk when it is whole and current, else made now by ``make(folder)``."""
        self.seen.append(name)
        path = step_path(self.path, len(self.seen), name)
        fingerprint = step_fingerprint(name, inputs, settings)
        manifest = self._found(path, name, fingerprint)
        if manifest is not None and manifest.whole:
            self.progress.say(f"{path.name}: on disk")
        elif (taken := self._taken(path, name, fingerprint)) is not None:
            manifest = taken
            self.progress.say(f"{path.name}: as in {manifest.taken_from}")
        else:
            self.progress.step(path.name)
            manifest = self._make(path, name, fingerprint, make)
        self.done[name] = path
        self.after(name)
        return Artifact(path, manifest.digest())

    def _found(self, path: Path, name: str, fingerprint: str) -> Manifest | None:
        """The step's manifest. A step that had another number in an earlier config is moved to where it belongs."""
        there = find_step(self.path, path, name, fingerprint)
        if there is None:
            return None
        if there[0] != path:
            shutil.rmtree(path, ignore_errors=True)
            there[0].rename(path)
        return there[1]

    def _taken(self, path: Path, name: str, fingerprint: str) -> Manifest | None:
        """The manifest of a step that another run has made, once it is here, too: whole, or not at all."""
        for run in self.beside:
            if (there := find_whole(run, run / path.name, name, fingerprint)) is None:
                continue
            arriving = self.path / SCRATCH / f"{name}.taken"
            manifest = there[1].model_copy(update={"taken_from": there[1].taken_from or run.name})
            try:
                _link_files(there[0], manifest, arriving)
                if changed_files(arriving, manifest):
                    continue
            except FileNotFoundError:  # its own run made it anew meanwhile; a moment later, its files are others
                continue
            write_whole(arriving / MANIFEST, manifest.model_dump_json(indent=2))
            (self.path / SUMMARY).unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)
            arriving.rename(path)
            return manifest
        return None

    def _make(self, path: Path, name: str, fingerprint: str, make: Callable[[Path], None]) -> Manifest:
        began = time.perf_counter()
        (self.path / SUMMARY).unlink(missing_ok=True)  # its numbers are of steps that are no longer the run's
        _clear(path)
        make(path)
        manifest = Manifest(
            step=name,
            fingerprint=fingerprint,
            files={str(p.relative_to(path)): file_digest(p) for p in sorted(path.rglob("*")) if p.is_file()},
            seconds=round(time.perf_counter() - began, 3),
            whole=self.whole(),
        )
        write_whole(path / MANIFEST, manifest.model_dump_json(indent=2))
        shutil.rmtree(self.scratch(name), ignore_errors=True)
        self.made.append(name)
        return manifest

    def scratch(self, name: str) -> Path:
        """See `Steps.scratch`."""
        return self.path / SCRATCH / name

    def verify(self, artifact: Artifact) -> None:
        """See `Steps.verify`."""
        try:
            manifest = Manifest.model_validate_json((artifact.path / MANIFEST).read_text(encoding="utf-8"))
            bad = changed_files(artifact.path, manifest)
        except (OSError, ValueError):
            bad = [MANIFEST]
        if bad:
            raise TwtError(
                f"{artifact.path}: damaged since it was made: {', '.join(bad)}. Run again: the step is then made anew"
            )

    def finish(self) -> None:
        """Remove the folders of steps that the config no longer has, so that nothing stale is taken for a result."""
        current = {step_path(self.path, number, name).name for number, name in enumerate(self.seen, 1)}
        for path in self.path.glob("[0-9][0-9]*-*"):
            if path.is_dir() and path.name not in current:
                self.progress.say(f"{path.name}: no longer part of this run, removed")
                shutil.rmtree(path)
        shutil.rmtree(self.path / SCRATCH, ignore_errors=True)


def step_path(run: Path, number: int, name: str) -> Path:
    """``run/NN-name``."""
    return run / f"{number:02d}-{name}"


def step_fingerprint(name: str, inputs: Sequence[Artifact], settings: Sequence[Settings | Json]) -> str:
    """The hash of everything that a step's result depends on."""
    return _hash(
        {
            "step": name,
            "inputs": [artifact.digest for artifact in inputs],
            "settings": [s.identity() if isinstance(s, Settings) else s for s in settings],
            "from": sorted({d for s in settings if isinstance(s, Settings) for d in plugins.distributions_in(s)}),
            "engine": engine_version(),
        }
    )


def find_step(run: Path, path: Path, name: str, fingerprint: str) -> tuple[Path, Manifest] | None:
    """Where a whole step with this fingerprint is, and its manifest: at `path`, or under another number."""
    for place in [path, *sorted(run.glob(f"[0-9][0-9]*-{name}"))]:
        if (manifest := current_manifest(place, fingerprint)) is not None:
            return place, manifest
    return None


def find_whole(run: Path, path: Path, name: str, fingerprint: str) -> tuple[Path, Manifest] | None:
    """`find_step`, of a step without failures that may pass."""
    found = find_step(run, path, name, fingerprint)
    return found if found is not None and found[1].whole else None


def current_manifest(path: Path, fingerprint: str) -> Manifest | None:
    """The manifest of a step that has this fingerprint and whose files are all as it says; else None."""
    try:
        manifest = Manifest.model_validate_json((path / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):  # none, or damaged: the step is not whole
        return None
    if manifest.version != VERSION or manifest.fingerprint != fingerprint:
        return None
    return None if changed_files(path, manifest) else manifest


def changed_files(path: Path, manifest: Manifest) -> list[str]:
    """The files of a step that are missing or not as its manifest says."""
    return [n for n, sha in manifest.files.items() if not (path / n).is_file() or file_digest(path / n) != sha]


def engine_version() -> str:
    """The installed version of TwT."""
    try:
        return version("twt-distill")
    except PackageNotFoundError:
        return "not installed"


def write_whole(path: Path, text: str | Iterable[str]) -> None:
    """Write a file, given whole or in parts, so that it is there whole or not at all, whenever the process ends.

    Raises:
        TwtError: the disk is full or the folder is not writable.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines([text] if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise TwtError(f"{path}: cannot write: {error.strerror or error}") from error


def _link_files(step: Path, manifest: Manifest, target: Path) -> None:
    # A step's files are never written to again, so that two runs can hold the same ones.
    shutil.rmtree(target, ignore_errors=True)
    for name in manifest.files:
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            file.hardlink_to(step / name)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without hard links
            shutil.copyfile(step / name, file)
    target.mkdir(parents=True, exist_ok=True)


def _clear(path: Path) -> None:
    # The manifest goes first: a folder without one is not whole, whatever else is left in it.
    (path / MANIFEST).unlink(missing_ok=True)
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True)


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@contextmanager
def open_run(path: Path, progress: Progress) -> Iterator[Run]:
    """Make or open a run folder and hold its lock. The lock is the process's: a dead one leaves none behind.

    Raises:
        InputError: another process works on the run, or the folder cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / ".lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"{path}: another process works on this run. Wait for it, or give another --name") from error
    except OSError as error:
        raise InputError(f"{path}: cannot write there: {error.strerror or error}") from error
    try:
        yield Run(path, progress)
    finally:
        lock.release()
