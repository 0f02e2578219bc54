"""Every teacher's answer, durable before anything reads it: SQLite, one file for all runs of a project folder.

A call is keyed by the hash of its whole canonical request, so what one run paid for no run pays for again. Before a
call its worst-case price is reserved, in the transaction that checks the budget; the answer's commit turns the
reservation into its real cost. A reservation that outlives its call is one that may have been billed: it stays counted
and listed for good, since asking the same again is another call.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from twt_core.entries import CloseBatch, Commit, Entry, InBatch, NameBatch, OpenBatch, Release, Reserve, Unanswered
from twt_core.errors import BudgetExceeded, InputError, TwtError
from twt_core.records import Completion, Request
from twt_core.settings import Json

VERSION = 2

_TRIES, _BETWEEN_TRIES = 200, 0.05
_PATIENCE_MS = 60_000

_NOW = "TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS calls (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, teacher TEXT NOT NULL, query_id TEXT NOT NULL, purpose TEXT NOT NULL,
    request TEXT NOT NULL, completion TEXT NOT NULL, cost_usd REAL NOT NULL, made_at {_NOW}, checksum INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS reservations (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, run TEXT NOT NULL, teacher TEXT NOT NULL, query_id TEXT NOT NULL,
    usd REAL NOT NULL, batch TEXT, request TEXT, made_at {_NOW}
) STRICT;
CREATE TABLE IF NOT EXISTS batches (
    tag TEXT PRIMARY KEY, run TEXT NOT NULL, teacher TEXT NOT NULL, batch TEXT, made_at {_NOW}
) STRICT;
CREATE INDEX IF NOT EXISTS calls_of_run ON calls (run, teacher);
CREATE INDEX IF NOT EXISTS reservations_of_run ON reservations (run, teacher);
CREATE INDEX IF NOT EXISTS reservations_of_batch ON reservations (batch);
CREATE INDEX IF NOT EXISTS reservations_of_key ON reservations (key);
"""
# In version 1 a key had one reservation, which the next try of the same request replaced, and answers no checksum.
_FROM_VERSION_1 = """
ALTER TABLE calls ADD COLUMN checksum INTEGER;
ALTER TABLE reservations RENAME TO reservations_1;
{schema}
INSERT INTO reservations (key, run, teacher, query_id, usd, made_at)
    SELECT key, run, teacher, query_id, usd, made_at FROM reservations_1;
DROP TABLE reservations_1;
"""


class Busy(Exception):
    """Another process is writing to the ledger."""


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
    """The open ledger. One thread at a time writes; `get` and `has` may be called meanwhile, by other processes too.

    Args:
        path: the SQLite file; made, with its folder, when it is not there.

    Raises:
        InputError: the file cannot be written, or is of a newer version.
        TwtError: the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._spent: dict[str, float] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = _connect(path)
            with self._storage_errors():
                self._open()
            self._reader = _connect(path)  # its own, so that reading does not wait for a commit on its way to disk
        except (OSError, sqlite3.OperationalError) as error:
            raise InputError(f"{path}: cannot open the ledger: {error}") from error

    def _open(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise InputError(f"{self.path}: a ledger of version {version}; this TwT reads up to {VERSION}. Upgrade TwT")
        self._write_ahead()
        self._db.execute("PRAGMA synchronous=FULL")
        schema = _FROM_VERSION_1.format(schema=_SCHEMA) if version == 1 else _SCHEMA
        self._db.executescript(f"BEGIN IMMEDIATE; {schema} PRAGMA user_version={VERSION}; COMMIT;")

    def _write_ahead(self) -> None:
        # The one statement that SQLite does not wait for a lock with: another process may be opening the file, too.
        for left in reversed(range(_TRIES)):
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or not left:
                    raise
                time.sleep(_BETWEEN_TRIES)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._db.close()

    def get(self, key: str) -> Completion | None:
        """The committed answer to a request."""
        with self._storage_errors():
            row = self._reader.execute("SELECT completion, checksum FROM calls WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        completion, checksum = row
        if checksum is not None and checksum != _checksum(key, completion):  # SQLite itself notices no changed byte
            raise TwtError(
                f"{self.path}: a kept answer is damaged. Restore the file, or have this one asked again: "
                f"sqlite3 {self.path} \"DELETE FROM calls WHERE key = '{key}'\""
            )
        return Completion.model_validate_json(completion)

    def has(self, key: str) -> bool:
        """Whether there is a committed answer to a request."""
        with self._storage_errors():
            return self._reader.execute("SELECT 1 FROM calls WHERE key = ?", (key,)).fetchone() is not None

    def apply(self, entries: Sequence[Entry]) -> list[int | BudgetExceeded | None]:
        """Write entries in one transaction. When this returns, they survive a power cut.

        Returns:
            For each, in order: a reservation's id, None, or the error of a reservation that would pass the budget.
        """
        outcomes = self.begin(entries)
        self.commit()
        return outcomes

    def begin(self, entries: Sequence[Entry], *, wait: bool = True) -> list[int | BudgetExceeded | None]:
        """The first half of `apply`: nothing of it is durable before `commit`, which waits for the disk.

        Raises:
            Busy: another process is writing, and it is not to be waited for.
        """
        with self._storage_errors():
            self._lock(wait)
            try:
                return [self._write(entry) for entry in entries]
            except BaseException:
                self._roll_back()
                raise

    def _lock(self, wait: bool) -> None:
        self._db.execute(f"PRAGMA busy_timeout={_PATIENCE_MS if wait else 0}")
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if wait or "locked" not in str(error):
                raise
            raise Busy from None

    def commit(self) -> None:
        """The second half of `apply`."""
        with self._storage_errors():
            try:
                self._db.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        self._spent.clear()  # it may hold what is rolled back
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def reserve(self, entry: Reserve) -> int:
        """One reservation.

        Raises:
            BudgetExceeded: the run's cost, its other reservations and this one would pass the budget.
        """
        [outcome] = self.apply([entry])
        if isinstance(outcome, BudgetExceeded):
            raise outcome
        assert outcome is not None  # a reservation has an id
        return outcome

    def _write(self, entry: Entry) -> int | BudgetExceeded | None:
        if isinstance(entry, Reserve):
            return self._reserve(entry)
        if isinstance(entry, Commit):
            self._commit(entry)
        elif isinstance(entry, Release):
            self._release(entry.reservation)
        elif isinstance(entry, Unanswered):
            self._db.execute("UPDATE reservations SET batch = NULL WHERE id = ?", (entry.reservation,))
        else:
            self._note_batch(entry)
        return None

    def _reserve(self, entry: Reserve) -> int | BudgetExceeded:
        spent = self._spent_by(entry.run)
        if entry.budget_usd is not None and spent + entry.usd > entry.budget_usd:
            return BudgetExceeded(
                f"the next call to {entry.request.teacher} may cost ${entry.usd:.4f}; ${spent:.4f} of the "
                f"${entry.budget_usd:.2f} budget is spent or reserved. Raise budget_usd and run the same command "
                "again: it goes on from here"
            )
        request = entry.request
        whole = request.model_dump_json() if entry.batch is not None else None
        cursor = self._db.execute(
            "INSERT INTO reservations (key, run, teacher, query_id, usd, batch, request) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (entry.key, entry.run, request.teacher, request.query_id, entry.usd, entry.batch, whole),
        )
        self._spent[entry.run] += entry.usd
        return cursor.lastrowid or 0

    def _release(self, reservation: int) -> None:
        rows = self._db.execute("DELETE FROM reservations WHERE id = ? RETURNING run, usd", (reservation,))
        for run, usd in rows.fetchall():
            self._spent[run] = self._spent_by(run) - usd

    def _commit(self, entry: Commit) -> None:
        request, spent = entry.request, self._spent_by(entry.run)
        completion = entry.completion.model_dump_json()
        made = self._db.execute(
            "INSERT OR IGNORE INTO calls"
            " (key, run, teacher, query_id, purpose, request, completion, cost_usd, checksum)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.key, entry.run, request.teacher, request.query_id, request.purpose,
                request.model_dump_json(), completion, entry.usd, _checksum(entry.key, completion),
            ),
        )  # fmt: skip
        self._spent[entry.run] = spent + entry.usd * made.rowcount
        if entry.reservation is None:
            return
        if made.rowcount:
            self._release(entry.reservation)
        else:  # another run was answered the same meanwhile; this answer was paid for all the same
            self._keep_as_paid(entry.reservation, entry.run, entry.usd)

    def _keep_as_paid(self, reservation: int, run: str, usd: float) -> None:
        before = self._db.execute("SELECT usd FROM reservations WHERE id = ?", (reservation,)).fetchone()
        self._db.execute("UPDATE reservations SET usd = ?, batch = NULL WHERE id = ?", (usd, reservation))
        self._spent[run] += usd - (before[0] if before else usd)

    def _note_batch(self, entry: OpenBatch | NameBatch | CloseBatch) -> None:
        if isinstance(entry, OpenBatch):
            self._db.execute("INSERT INTO batches (tag, run, teacher) VALUES (?, ?, ?)", entry)
        elif isinstance(entry, NameBatch):
            self._db.execute("UPDATE batches SET batch = ? WHERE tag = ?", (entry.batch, entry.tag))
        else:
            held = self._db.execute("SELECT id FROM reservations WHERE batch = ?", (entry.tag,)).fetchall()
            for (reservation,) in held:
                self._release(reservation)
            self._db.execute("DELETE FROM batches WHERE tag = ?", (entry.tag,))

    def batch_with(self, key: str) -> str | None:
        """The tag of the open batch that holds a request."""
        with self._storage_errors():
            row = self._reader.execute(
                "SELECT batch FROM reservations WHERE key = ? AND batch IS NOT NULL", (key,)
            ).fetchone()
        return row[0] if row else None

    def open_batches(self, teacher: str, run: str | None = None) -> list[str]:
        """The tags of a teacher's open batches, in one run or in all."""
        with self._storage_errors():
            rows = self._reader.execute(
                "SELECT tag FROM batches WHERE teacher = ? AND ? IN (run, '') ORDER BY made_at, tag",
                (teacher, run or ""),
            )
            return [tag for (tag,) in rows]

    def batch_id(self, tag: str) -> str | None:
        """The provider's id of an open batch; None if the process that handed it in ended before it knew."""
        with self._storage_errors():
            row = self._reader.execute("SELECT batch FROM batches WHERE tag = ?", (tag,)).fetchone()
        return row[0] if row else None

    def held_by(self, tag: str) -> list[InBatch]:
        """The requests of an open batch."""
        with self._storage_errors():
            rows = self._reader.execute(
                "SELECT id, key, run, usd, request FROM reservations WHERE batch = ? ORDER BY id", (tag,)
            )
            return [
                InBatch(reservation, key, run, usd, Request.model_validate_json(request))
                for reservation, key, run, usd, request in rows
            ]

    def _spent_by(self, run: str) -> float:
        # Kept as a running sum, since adding up every call before each call would grow with the square of their number.
        if run not in self._spent:
            self._spent[run] = sum(row.cost_usd + row.reserved_usd for row in self.spending(run))
        return self._spent[run]

    def spent_so_far(self, run: str) -> float | None:
        """What a run's calls cost and may yet cost, from any thread; None before the first is entered here."""
        return self._spent.get(run)

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
        """(teacher, query id) of the run's calls whose reply never came: one for each such try.

        What is in a batch that is under way is not among them.
        """
        with self._storage_errors():
            rows = self._db.execute(
                "SELECT teacher, query_id FROM reservations WHERE run = ? AND batch IS NULL ORDER BY 1, 2, id", (run,)
            )
            return [(teacher, query) for teacher, query in rows]

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise TwtError(
                f"{self.path}: the ledger failed: {error}. Nothing that was committed is lost: "
                "mend it, and run the same command again"
            ) from error


def _checksum(key: str, completion: str) -> int:
    return zlib.crc32(f"{key}{completion}".encode())


def _connect(path: Path) -> sqlite3.Connection:
    # The engine writes from a thread of its own (`twt_core.clerk`), never from two at a time.
    return sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
