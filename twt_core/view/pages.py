"""The viewer's pages. All that is shown of a run is text: the templates escape every value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from twt_core.progress_file import duration
from twt_core.report.texts import cut, visible
from twt_core.view.folders import BenchCard, Card, Folders, RunCard
from twt_core.view.steps import share_done, shown_steps

if TYPE_CHECKING:
    from jinja2 import Environment

#: Milliseconds between two looks at a page, by how much happens on it; 0: there is nothing to look for.
BUSY, IDLE, ENDED, NEVER = 1000, 2000, 5000, 0
_LONGEST = 2000


def index_page(folders: Folders) -> str:
    """All runs of the folder."""
    cards = folders.cards()
    runs = [run for card in cards for run in (card.runs if isinstance(card, BenchCard) else [card])]
    return _render("index.html", cards=cards, root=str(folders.root), every=_pace(runs))


def bench_page(card: BenchCard) -> str:
    """The runs of one bench."""
    return _render("bench.html", card=card, every=_pace(card.runs))


def run_page(card: RunCard) -> str:
    """How far one run is."""
    steps = shown_steps(card)
    return _render(
        "run.html", card=card, steps=steps, share=share_done(steps), every=BUSY if card.state == "working" else ENDED
    )


def error_page(title: str, why: str) -> str:
    """What went wrong."""
    return _render("error.html", title=title, why=why, every=NEVER)


def address(card: Card) -> str:
    """Where a card's page is. Its report is ``report.html`` in it."""
    return f"/runs/{quote(card.name, safe='')}/"


def _pace(runs: Sequence[RunCard]) -> int:
    return BUSY if any(run.state == "working" for run in runs) else IDLE


def _render(template: str, **values: object) -> str:
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {
        "address": address,
        "ago": _ago,
        "duration": duration,
        "percent": "{:.1%}".format,
        "tokens": "{:,.1f}".format,
        "usd": _usd,
        "utc": _utc,
    }
    environment.tests["bench"] = lambda card: isinstance(card, BenchCard)
    return environment


def _shown(value: object) -> object:
    """A value as a page shows it: whatever somebody wrote, without characters that act on what is around it."""
    return cut(visible(value), _LONGEST) if type(value) is str else value  # markup of our own is no plain str


def _utc(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _ago(when: datetime) -> str:
    return f"{duration(max(0.0, (datetime.now(UTC) - when).total_seconds()))} ago"


def _usd(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 1 or not amount else f"${amount:.4f}"
