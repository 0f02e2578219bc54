"""Where a run's queries come from: a file, or a data set on the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from twt_core.input_files import problem_with_file
from twt_core.settings import ConfigPath, Json, Settings

#: A name without an owner may be one of the library's own readers (json, text), which take what lies where it runs.
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def _readable_file(path: Path) -> Path:
    if problem := problem_with_file(path):
        raise ValueError(f"{path}: {problem}")
    return path


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, a folder above that may not be read
        return False


def _or_text(schema: dict[str, Any]) -> None:
    mapping = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string", "minLength": 1}, mapping]


class Column(Settings):
    """Where a part of a query is in the rows of a data set. A text alone is the column."""

    model_config = ConfigDict(json_schema_extra=_or_text)

    column: str = Field(min_length=1, description="The column's name; dots lead inside it, as in choices.text.")
    pattern: str | None = Field(
        default=None,
        description="Regular expression with one group, the part of the text to take; of several matches the last. "
        "Where nothing matches, the row is unusable.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    @field_validator("pattern")
    @classmethod
    def _one_group(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        if groups != 1:
            raise ValueError(f"has {groups} groups: write one ( ) around the part to take, and (?: ) for others")
        return pattern


class Columns(Settings):
    """Which columns of a data set make a query."""

    id: Column | None = Field(default=None, description="Names the row; without, its split and number do.")
    query: Column = Field(description="The question.")
    answer: Column | None = Field(
        default=None, description="Its answer, or a list of those that count as right, as in answer.aliases."
    )
    choices: Column | None = Field(default=None, description="What may be answered, as a list of texts.")
    tests: Column | None = Field(default=None, description="Python tests, as a list of texts.")
    task: Column | None = Field(default=None, description="Which of a mixture's tasks the row is.")

    def identity(self) -> dict[str, Json]:
        """The columns that are named; `task` only then, since it came later and changes no other rows."""
        return {name: part for name, part in super().identity().items() if name != "task" or part is not None}


class DataFile(Settings):
    """Queries: a file, or a split of a data set on the Hugging Face hub.

    All options but `path`, `task` and `id_prefix` are a data set's.
    Of the split's rows, shuffled if asked for, those from `skip` on are taken, at most `limit`; then those are left out
    that `leave_out` names.
    """

    #: What bounds and counts the rows says nothing of what is in them.
    not_identity = frozenset({"rows", "max_bytes"})

    path: Annotated[ConfigPath, AfterValidator(_readable_file)] | None = Field(
        default=None,
        description="JSON lines, plain or gzipped, relative to the config file: id, query, and what the task needs.",
    )
    task: str | None = Field(
        default=None, min_length=1, description="Which of a mixture's tasks all its rows are; null: each row says so."
    )
    id_prefix: str | None = Field(
        default=None,
        max_length=100,
        pattern=r"^(?:[\w:@+-][\w.:@+-]*/?)*$",
        description="Put before each row's id, as in gsm8k/: for sources with the same ids. Null: the task and a / "
        "where rows are called by split and number, else nothing.",
    )
    dataset: str | None = Field(
        default=None, description="A data set's hub id, owner/name; or a folder beside the config, ./NAME."
    )
    config: str | None = Field(default=None, description="The data set's configuration, if it has several.")
    split: str = Field(default="train", min_length=1, description="The split to read.")
    revision: str | None = Field(
        default=None, description="A commit, tag or branch of the data set; its newest if null."
    )
    columns: Columns | None = Field(
        default=None,
        description="Which columns hold the id, query, answer, choices, tests and task. Required with dataset.",
    )
    shuffle: int | None = Field(
        default=None, ge=0, description="Seed of a shuffle of the rows; null keeps their order."
    )
    skip: int = Field(default=0, ge=0, description="Rows to pass over at the beginning.")
    limit: int | None = Field(default=None, ge=1, description="Most rows to take; null takes all.")
    leave_out: tuple[Literal["unusable", "repeated", "held_out"], ...] = Field(
        default=(),
        description="Rows to leave out and count, where they would end the run: unusable ones, those that ask the same "
        "as one before (which end nothing), and those that ask the same as a test or dev query.",
    )
    rows: int | None = Field(
        default=None,
        ge=1,
        description="How many rows the split has: checked, and what a plan counts before a download.",
    )
    max_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Most bytes of a row's question, choices and tests; more is unusable. Before a download a plan's "
        "prices are for rows of this size.",
    )

    @field_validator("dataset")
    @classmethod
    def _folder_beside_config(cls, dataset: str | None, info: ValidationInfo) -> str | None:
        if dataset is None or _HUB_ID.fullmatch(dataset):
            return dataset
        if not dataset.startswith((".", "/", "~")):
            raise ValueError("must be a hub id, owner/name, or a folder, ./NAME")
        folder = (Path((info.context or {}).get("folder", ".")) / Path(dataset).expanduser()).resolve()
        if not _is_folder(folder):
            raise ValueError(f"no such folder: {folder}")
        return str(folder)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.path is None) == (self.dataset is None):
            raise ValueError("give one of the two: path, a file; or dataset, on the hub")
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        if self.path is not None and (others := sorted(given - {"path", "task", "id_prefix"})):
            raise ValueError(f"{', '.join(others)}: for a dataset, not for a path")
        if self.dataset is not None and self.columns is None:
            raise ValueError("columns is missing: name the column of the question, as in columns: {query: question}")
        return self

    def identity(self) -> dict[str, Json]:
        """The file by its bytes, or what says which rows of a data set are taken; what the rows are named, if given."""
        found = super().identity()
        names = {name: found.pop(name) for name in ("id_prefix", "task")}
        path = found.pop("path")
        rows = {"path": path} if self.path is not None else found
        return rows | {name: given for name, given in names.items() if given is not None}

    @property
    def folder(self) -> Path | None:
        """The folder of a data set that is not on the hub."""
        return Path(self.dataset) if self.dataset is not None and Path(self.dataset).is_absolute() else None

    @property
    def place(self) -> str:
        """What errors call it: the file, or dataset/config/split."""
        if self.path is not None:
            return str(self.path)
        return "/".join(part for part in (self.dataset, self.config, self.split) if part)

    @property
    def prefix(self) -> str:
        """What stands before the ids of its rows."""
        numbered = self.columns is not None and self.columns.id is None
        return f"{self.task}/" if self.id_prefix is None and self.task and numbered else self.id_prefix or ""

    @property
    def declared(self) -> int | None:
        """How many rows it has, at most, as far as the config says."""
        if self.rows is None:
            return self.limit
        left = max(0, self.rows - self.skip)
        return left if self.limit is None else min(left, self.limit)


def _written_as(value: object) -> str:
    return "several" if isinstance(value, (list, tuple)) else "one"


#: One source, or several: their rows follow each other.
Sources: TypeAlias = Annotated[
    Annotated[DataFile, Tag("one")] | Annotated[tuple[DataFile, ...], Field(min_length=1), Tag("several")],
    Discriminator(_written_as),
]


def each_of(sources: Sources | None) -> tuple[DataFile, ...]:
    """The sources, however they are written; none for None."""
    if sources is None:
        return ()
    return (sources,) if isinstance(sources, DataFile) else sources
