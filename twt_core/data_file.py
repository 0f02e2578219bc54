"""Where a run's queries come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from twt_core.input_files import problem_with_file
from twt_core.settings import ConfigPath, Settings


def _readable_file(path: Path) -> Path:
    if problem := problem_with_file(path):
        raise ValueError(f"{path}: {problem}")
    return path


class DataFile(Settings):
    """A file of queries, one JSON object a line."""

    path: Annotated[ConfigPath, AfterValidator(_readable_file)] = Field(
        description="JSON lines, plain or gzipped, relative to the config file: id, query, and what the task needs."
    )
