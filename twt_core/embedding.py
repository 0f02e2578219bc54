"""Sentence vectors, each computed once and kept on disk for all runs of a project folder.

A vector is keyed by its embedder's identity and the SHA-256 of its text, and carries a checksum: one that does not
match is computed again. Vectors are committed a chunk at a time, so that a kill loses the chunk under way.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twt_core.errors import InputError, TwtError
from twt_core.models import find_model, model_identity
from twt_core.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = 1

#: Texts embedded between two commits.
CHUNK = 256
#: Texts that the model reads at once.
BATCH = 32

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    embedder TEXT NOT NULL, text BLOB NOT NULL, vector BLOB NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (embedder, text)
) STRICT
"""


class Embeddings:
    """Embeds texts, each once for every embedder. Use it from one thread; other processes may have the file open too.

    Args:
        path: the SQLite file; opened, or made with its folder, at the first use.
        progress: told of the texts that are embedded anew.
    """

    def __init__(self, path: Path, progress: Progress) -> None:
        self.path = path
        self._progress = progress
        self._open: sqlite3.Connection | None = None

    def __call__(self, embedder: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of shape (texts, dimensions), in the order of `texts`; (0, 0) for no texts.

        The model is loaded if a vector is missing. A text's vector may differ in its last bits with the texts that it
        is embedded together with; once kept it stays.

        Raises:
            InputError: no such embedder, one that cannot be loaded, or a file that cannot be opened.
            TwtError: the file is damaged, or the embedder gave what is no vector.
        """
        import numpy as np

        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        identity = model_identity(embedder)
        vectors = self._kept(identity, dict.fromkeys(texts))
        missing = {text for text in texts if text not in vectors}
        if missing:
            vectors |= self._embed(embedder, identity, missing)
        if len({len(vector) for vector in vectors.values()}) > 1:
            raise TwtError(
                f"{self.path}: {embedder} now gives vectors of another size than the ones kept from it. "
                "Delete the file: they are computed again"
            )
        joined = np.frombuffer(b"".join(vectors[text] for text in texts), dtype="<f4")
        return joined.reshape(len(texts), -1).astype(np.float32)

    def close(self) -> None:
        """Close the file, if it was opened."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _kept(self, identity: str, texts: dict[str, None]) -> dict[str, bytes]:
        kept = {}
        with self._database() as db:
            for text in texts:
                row = db.execute(
                    "SELECT vector, checksum FROM vectors WHERE embedder = ? AND text = ?", (identity, _digest(text))
                ).fetchone()
                if row and zlib.crc32(row[0]) == row[1]:
                    kept[text] = row[0]
        return kept

    def _embed(self, embedder: str, identity: str, texts: set[str]) -> dict[str, bytes]:
        model = _load(embedder)
        # By length: little padding. The longest first: what does not fit into memory fails at once.
        ordered = sorted(texts, key=lambda text: (-len(text), text))
        made: dict[str, bytes] = {}
        with self._progress.task("embedding", {"rationales": len(ordered)}) as task:
            for start in range(0, len(ordered), CHUNK):
                chunk = ordered[start : start + CHUNK]
                vectors = dict(zip(chunk, _encode(model, embedder, chunk), strict=True))
                self._keep(identity, vectors)
                made |= vectors
                task.advance("rationales", len(chunk))
        return made

    def _keep(self, identity: str, vectors: dict[str, bytes]) -> None:
        rows = [(identity, _digest(text), vector, zlib.crc32(vector)) for text, vector in vectors.items()]
        with self._database() as db, db:  # the second one commits, or rolls back
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._open is None:
                self._open = self._opened()
            yield self._open
        except sqlite3.DatabaseError as error:
            self.close()
            raise TwtError(
                f"{self.path}: the kept sentence vectors: {error}. If the file is damaged, delete it: they are "
                "computed again"
            ) from error

    def _opened(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise InputError(f"{self.path}: written by a newer TwT (version {version}). Upgrade TwT, or delete it")
            # No write-ahead log: two processes that turn it on at once may find the file locked, whatever the timeout.
            db.execute(_SCHEMA)
            db.execute(f"PRAGMA user_version={VERSION}")
        except (OSError, sqlite3.OperationalError) as error:
            raise InputError(f"{self.path}: cannot open the file of kept sentence vectors: {error}") from error
        return db


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _load(embedder: str) -> Any:  # a SentenceTransformer, which has no types
    found = str(find_model(embedder))
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(found, device="cpu")
    except Exception as error:  # its libraries raise errors of many kinds
        raise InputError(
            f"{embedder}: cannot load this sentence embedder: {type(error).__name__}: {error}. "
            "Give a folder, a hub id (owner/name) or package:NAME/PATH of a sentence-transformers model"
        ) from error


def _encode(model: Any, embedder: str, texts: list[str]) -> list[bytes]:
    import numpy as np

    # Normalized here: a model in half precision would do it in half precision.
    vectors = np.asarray(model.encode(texts, batch_size=BATCH, show_progress_bar=False), dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
        raise TwtError(f"{embedder}: the embedder gave NaN, infinity or no vectors: its files may be damaged")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return [row.tobytes() for row in units.astype("<f4")]
