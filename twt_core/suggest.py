"""'Did you mean': one wording for every misspelled name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known name, or all of them when none is near."""
    names = sorted(known)
    if close := get_close_matches(name.lower(), [n.lower() for n in names], n=1, cutoff=0.6):
        return f'Did you mean "{next(n for n in names if n.lower() == close[0])}"?'
    return f"There are: {', '.join(names)}." if names else "There are none."
