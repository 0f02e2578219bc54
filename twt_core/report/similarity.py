"""How alike two rationales are: by the sentence vectors that selection kept, and by their words."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from twt_core.rationale_steps import words
from twt_core.recipe import Recipe
from twt_core.session import EMBEDDINGS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Marks at the ends of a word: "two." is "two".
_MARKS = re.compile(r"^\W+|\W+$")


class Vectors:
    """The kept vectors of a run's rationales.

    Args:
        run: the run folder; the file of vectors lies beside it.
        recipe: says which embedder the selector used.
        texts: the rationales to look up.
    """

    def __init__(self, run: Path, recipe: Recipe | None, texts: Iterable[str]) -> None:
        selector = recipe.identity.get("diversity_selector") if recipe else None
        embedder = selector.get("embedder") if isinstance(selector, dict) else None
        file = run.resolve().parent / EMBEDDINGS
        known = isinstance(embedder, str) and file.is_file()
        self._found = _read(file, str(embedder), set(texts)) if known else {}

    def cosine(self, one: str, other: str) -> float | None:
        """The cosine of two rationales' unit vectors; None where one is not kept."""
        first, second = self._found.get(one), self._found.get(other)
        if first is None or second is None or first.shape != second.shape:
            return None
        return round(float(first @ second), 4)


def shared_words(one: str, other: str) -> float | None:
    """The share of two texts' different words that both have (Jaccard's index); None where neither has any."""
    first, second = _vocabulary(one), _vocabulary(other)
    return round(len(first & second) / len(first | second), 4) if first or second else None


def _vocabulary(text: str) -> set[str]:
    return {bare for word in words(text) if (bare := _MARKS.sub("", word).casefold())}


def _read(file: Path, embedder: str, texts: set[str]) -> dict[str, NDArray[np.float32]]:
    import numpy as np

    found = {}
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=5)) as db:
            for text in texts:
                digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
                row = db.execute(
                    "SELECT vector, checksum FROM vectors WHERE embedder = ? AND text = ?", (embedder, digest)
                ).fetchone()
                if row and zlib.crc32(row[0]) == row[1]:
                    found[text] = np.frombuffer(row[0], dtype="<f4")
    except sqlite3.DatabaseError:  # damaged, or locked: the similarities are then not known
        return {}
    return found
