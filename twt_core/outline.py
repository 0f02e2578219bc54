"""What steps a run is to have, without a look at any disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from twt_core import pipeline
from twt_core.asking import Desk
from twt_core.components import Embed
from twt_core.config import RunConfig
from twt_core.data import Data
from twt_core.records import Record
from twt_core.run import Artifact, Rows
from twt_core.settings import Json, Settings
from twt_core.student.student import Student

R = TypeVar("R", bound=Record)


def step_names(config: RunConfig, data: Data, desk: Desk, student: Student, embed: Embed) -> list[str]:
    """The names of a run's steps, in order; of a schedule that is steered by scores, those that it has without any."""
    outline = _Outline()
    pipeline.follow(config, data, outline, desk, student, embed)
    return outline.names


class _Outline:
    """`Steps` that are only named."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def rows(
        self, name: str, record: type[R], inputs: Sequence[Artifact], settings: Sequence[Settings | Json],
        make: Callable[[], Iterable[R]],
    ) -> Rows[R]:  # fmt: skip
        """A step of records, not made."""
        self.names.append(name)
        return Rows(Path(name), None, record)

    def folder(
        self, name: str, inputs: Sequence[Artifact], settings: Sequence[Settings | Json], make: Callable[[Path], None]
    ) -> Artifact:
        """A step that fills a folder, not made."""
        self.names.append(name)
        return Artifact(Path(name), None)

    def scratch(self, name: str) -> Path:
        """A place where nothing is."""
        return Path(name)

    def verify(self, artifact: Artifact) -> None:
        """There is nothing to look at."""
