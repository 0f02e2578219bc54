"""Every teacher's answer, durable before anything reads it: SQLite, one file for all runs of a project folder.

A call is keyed by the hash of its whole canonical request, so what one run paid for no run pays for again. Before a
priced call its worst-case price is reserved, in the same transaction that checks the budget; the answer's commit turns
the reservation into its real cost. A reservation that outlives its process is a call that may have been billed: it
stays counted, and is listed, until the same request is answered.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from twt_core.errors import BudgetExceeded, InputError, TwtError
from twt_core.records import Completion, Request
from twt_core.settings import Json

VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, teacher TEXT NOT NULL, query_id TEXT NOT NULL, purpose TEXT NOT NULL,
    request TEXT NOT NULL, completion TEXT NOT NULL, cost_usd REAL NOT NULL,
    made_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE TABLE IF NOT EXISTS reservations (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, teacher TEXT NOT NULL, query_id TEXT NOT NULL, usd REAL NOT NULL,
    made_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE INDEX IF NOT EXISTS calls_of_run ON calls (run, teacher);
"""


class Spending(NamedTuple):
    """What one run asked of one teacher. Reservations whose call never came back count in `reserved_usd`."""

    teacher: str
    calls: int
    cost_usd: float
    reserved_usd: float


def request_key(canonical: dict[str, Json]) -> str:
    """SHA-256 of a canonical request as sorted JSON, in hex."""
    return hashlib.sha256(json.dumps(canonical, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


class Ledger:
    """The open ledger. Use it from one thread; other processes may have it open too.

    Args:
        path: the SQLite file; made, with its folder, when it is not there.

    Raises:
        InputError: the file cannot be written, or is of a newer version.
        TwtError: the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            with self._storage_errors():
                self._open()
        except (OSError, sqlite3.OperationalError) as error:
            raise InputError(f"{path}: cannot open the ledger: {error}") from error

    def _open(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise InputError(f"{self.path}: a ledger of version {version}; this TwT reads up to {VERSION}. Upgrade TwT")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        self._db.execute(f"PRAGMA user_version={VERSION}")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def get(self, key: str) -> Completion | None:
        """The committed answer to a request."""
        with self._storage_errors():
            row = self._db.execute("SELECT completion FROM calls WHERE key = ?", (key,)).fetchone()
        return Completion.model_validate_json(row[0]) if row else None

    def reserve(self, key: str, request: Request, run: str, usd: float, budget_usd: float | None) -> None:
        """Set the worst-case price of a call aside.

        Raises:
            BudgetExceeded: the run's cost, its other reservations and this one would pass the budget.
        """
        with self._transaction():
            self._db.execute("DELETE FROM reservations WHERE key = ?", (key,))
            spent = sum(row.cost_usd + row.reserved_usd for row in self.spending(run))
            if budget_usd is not None and spent + usd > budget_usd:
                raise BudgetExceeded(
                    f"the next call to {request.teacher} may cost ${usd:.4f}; ${spent:.4f} of the ${budget_usd:.2f} "
                    "budget is spent or reserved. Raise budget_usd and run the same command again: it goes on from here"
                )
            self._db.execute(
                "INSERT INTO reservations (key, run, teacher, query_id, usd) VALUES (?, ?, ?, ?, ?)",
                (key, run, request.teacher, request.query_id, usd),
            )

    def release(self, key: str) -> None:
        """Give a reservation back: the call is known not to have been billed."""
        with self._transaction():
            self._db.execute("DELETE FROM reservations WHERE key = ?", (key,))

    def commit(self, key: str, request: Request, run: str, completion: Completion, usd: float) -> None:
        """Make an answer durable with its cost. When this returns, it survives a power cut."""
        with self._transaction():
            self._db.execute(
                "INSERT OR IGNORE INTO calls (key, run, teacher, query_id, purpose, request, completion, cost_usd) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key, run, request.teacher, request.query_id, request.purpose,
                    request.model_dump_json(), completion.model_dump_json(), usd,
                ),
            )  # fmt: skip
            self._db.execute("DELETE FROM reservations WHERE key = ?", (key,))

    def spending(self, run: str) -> list[Spending]:
        """Calls and cost of a run, by teacher."""
        with self._storage_errors():
            rows = self._db.execute(
                "SELECT teacher, SUM(calls), SUM(cost), SUM(reserved) FROM ("
                " SELECT teacher, 1 AS calls, cost_usd AS cost, 0.0 AS reserved FROM calls WHERE run = :run"
                " UNION ALL SELECT teacher, 0, 0.0, usd FROM reservations WHERE run = :run"
                ") GROUP BY teacher ORDER BY teacher",
                {"run": run},
            )
            return [Spending(*row) for row in rows]

    def maybe_billed(self, run: str) -> list[tuple[str, str]]:
        """(teacher, query id) of the run's calls that were under way when their process ended."""
        with self._storage_errors():
            rows = self._db.execute("SELECT teacher, query_id FROM reservations WHERE run = ? ORDER BY 1, 2", (run,))
            return [(teacher, query) for teacher, query in rows]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._storage_errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise TwtError(f"{self.path}: the ledger failed: {error}. Nothing that was committed is lost") from error
