"""What is written to the ledger, one entry at a time, and what is read of an open batch."""

from __future__ import annotations

from typing import NamedTuple

from twt_core.records import Completion, Request


class Reserve(NamedTuple):
    """Set the worst-case price of a call aside, within the budget. Gives the reservation's id."""

    key: str
    request: Request
    run: str
    usd: float
    budget_usd: float | None
    batch: str | None = None


class Release(NamedTuple):
    """Give a reservation back: the call is known not to have been billed."""

    reservation: int


class Unanswered(NamedTuple):
    """Let a batch go without one of its reservations: the request may have been billed."""

    reservation: int


class Commit(NamedTuple):
    """Make an answer durable with its cost, in place of its reservation."""

    key: str
    request: Request
    run: str
    completion: Completion
    usd: float
    reservation: int | None = None


class OpenBatch(NamedTuple):
    """Note that a batch is about to be handed in under `tag`; its requests are reserved with the same tag."""

    tag: str
    run: str
    teacher: str


class NameBatch(NamedTuple):
    """Note the provider's id of a batch that was handed in."""

    tag: str
    batch: str


class CloseBatch(NamedTuple):
    """Note that nothing more comes of a batch: what it still has reserved is given back."""

    tag: str


#: What is written to the ledger.
Entry = Reserve | Release | Unanswered | Commit | OpenBatch | NameBatch | CloseBatch


class InBatch(NamedTuple):
    """A request that a batch holds."""

    reservation: int
    key: str
    run: str
    usd: float
    request: Request
