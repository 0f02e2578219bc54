"""What a page is made of. Every text in it is shown as it is: the template escapes all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from twt_core.settings import Json


@dataclass(frozen=True)
class Table:
    """Rows of cells under a caption; the columns named in `numbers` are aligned to the right."""

    caption: str
    columns: tuple[str, ...]
    rows: list[list[str]]
    numbers: tuple[str, ...] = ()
    #: Rows to stand out, by place.
    strong: frozenset[int] = frozenset()

    def without_empty_columns(self) -> Table:
        """The same without the columns that no row has anything in; the first stays."""
        shown = [place for place in range(len(self.columns)) if place == 0 or any(row[place] for row in self.rows)]
        columns = tuple(self.columns[place] for place in shown)
        return replace(self, columns=columns, rows=[[row[place] for place in shown] for row in self.rows])

    @property
    def is_number(self) -> list[bool]:
        """Of each column."""
        return [name in self.numbers for name in self.columns]


@dataclass(frozen=True)
class Figure:
    """A plot for light pages and dark ones, its words for those who do not see it, and its numbers."""

    title: str
    alt: str
    svg: str
    table: Table
    note: str = ""
    #: Whether the numbers are unfolded.
    open: bool = False


@dataclass(frozen=True)
class Figures:
    """Plots side by side, where there is room."""

    figures: list[Figure]


@dataclass(frozen=True)
class Facts:
    """Terms with what is to be said of each."""

    rows: list[tuple[str, str]]


@dataclass(frozen=True)
class Text:
    """A paragraph; a `mark` is one that nobody may overlook."""

    text: str
    mark: bool = False


@dataclass(frozen=True)
class Code:
    """A longer text in a fixed pitch, folded."""

    title: str
    text: str


@dataclass(frozen=True)
class Link:
    """Another report, by a path relative to this one."""

    text: str
    path: str


@dataclass(frozen=True)
class Links:
    """Other reports."""

    links: list[Link]


@dataclass(frozen=True)
class Choice:
    """A filter of a list of examples: its options by value; the first value lets everything through."""

    name: str
    label: str
    options: list[tuple[str, str]]


@dataclass(frozen=True)
class Examples:
    """A list to search and filter. `kind` says how the page's script shows a row of `data`."""

    kind: str
    what: str
    hint: str
    choices: list[Choice]
    data: dict[str, Json]


Block: TypeAlias = Table | Figure | Figures | Facts | Text | Code | Links | Examples


@dataclass(frozen=True)
class Section:
    """A heading with what is under it."""

    id: str
    title: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """A whole page: what it is, title, a line below it, marks that stand before everything else, sections."""

    kind: str
    title: str
    subtitle: str
    marks: list[str]
    sections: list[Section]
    colophon: str
