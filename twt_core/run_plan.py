"""A plan of a run folder: what `twt_core.run.Run` would do, step by step, having changed nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from twt_core.run import SCRATCH, Artifact, R, Rows, find_whole, step_fingerprint, step_path
from twt_core.settings import Json, Settings


class Place(NamedTuple):
    """A step in a plan: whether it is on disk, and the other run that has it or is to make it; None: neither."""

    name: str
    on_disk: bool
    of: str | None = None


@dataclass
class Plan:
    """Looks at a run folder and says of each step whether it is on disk, changing nothing.

    Attributes:
        path: the run folder.
        steps: those that were looked for so far.
        beside: other run folders, whose steps it would take.
        planned: steps that runs planned before this one are to make, by what takes their fingerprint's place, with the
            run. Those that this one is to make are added.
    """

    path: Path
    steps: list[Place] = field(default_factory=list)
    beside: Sequence[Path] = ()
    planned: dict[str, str] = field(default_factory=dict)
    _to_make: dict[Path, str] = field(default_factory=dict)

    def rows(
        self, name: str, record: type[R], inputs: Sequence[Artifact], settings: Sequence[Settings | Json],
        make: Callable[[], Iterable[R]],
    ) -> Rows[R]:  # fmt: skip
        """The step's records, if they are on disk."""
        found = self.folder(name, inputs, settings, lambda _: None)
        return Rows(found.path, found.digest, record)

    def folder(
        self, name: str, inputs: Sequence[Artifact], settings: Sequence[Settings | Json],
        make: Callable[[Path], None],
    ) -> Artifact:  # fmt: skip
        """The step's folder, if it is whole and current."""
        path = step_path(self.path, len(self.steps) + 1, name)
        # What a step will contain is not known: what it will be made from stands for it.
        inputs_to_be = [a if a.digest is not None else replace(a, digest=self._to_make[a.path]) for a in inputs]
        fingerprint = step_fingerprint(name, inputs_to_be, settings)
        for run in [self.path, *self.beside]:
            if (there := find_whole(run, run / path.name, name, fingerprint)) is not None:
                own = run == self.path
                self.steps.append(Place(name, own, None if own else there[1].taken_from or run.name))
                return Artifact(there[0], there[1].digest())
        self._to_make[path] = f"to be made: {fingerprint}"
        maker = self.planned.setdefault(fingerprint, self.path.name)
        self.steps.append(Place(name, False, None if maker == self.path.name else maker))
        return Artifact(path, None)

    def scratch(self, name: str) -> Path:
        """See `Steps.scratch`. A plan makes nothing."""
        return self.path / SCRATCH / name

    def verify(self, artifact: Artifact) -> None:
        """See `Steps.verify`. A plan makes nothing."""
