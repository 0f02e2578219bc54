"""How far apart two ways of writing are."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import log2, sqrt

from twt_core.rationale_steps import steps

#: The words that hold sentences together, and say little about their subject (as in Burrows 2002).
FUNCTION_WORDS = frozenset(
    """
    a an the this that these those some any all each every no both either neither other another such same
    i you he she it we they me him her us them my your his its our their one ones who whom whose which what there here
    is am are was were be been being has have had having do does did done doing
    will would shall should can could may might must let need
    and or but nor so yet for if then else because since as although though while when where whereas whether unless
    until before after once than
    of in on at by to from with without into onto over under between among through during about against per up down out
    off
    not only also just even very too more most less least much many few how why again still already always never
    first second next last finally therefore thus hence however instead now
    """.split()  # noqa: SIM905 - a list of so many quoted words is no easier to read
)
#: Sentence lengths in words are counted up to and including each of these.
LENGTHS = (2, 4, 7, 11, 16, 22, 30, 45)

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d[\d.,]*")  # noqa: RUF001 - the apostrophe of typeset text


def style_distance(texts: Sequence[str], others: Sequence[str]) -> float | None:
    """The Jensen-Shannon distance between the styles of two sets of texts, from 0, the same, to 1, nothing in common.

    A style is three distributions of equal weight, over all texts of the set: which function words stand among the
    words (every other word counts as one and the same); which punctuation marks, symbols and line breaks there are; how
    many words the steps have (`rationale_steps`, in the buckets of `LENGTHS`). The distance is the square root of their
    mean Jensen-Shannon divergence to base 2 (Lin 1991; a metric: Endres and Schindelin 2003). A few short texts are
    apart by chance alone, so distances are to be compared over equally many. The function words are English: in another
    language the words tell nothing apart, and marks and lengths still do.

    Args:
        texts: one set. Texts of white space alone count as none.
        others: the other set.

    Returns:
        None when either set is empty.
    """
    if not any(map(str.strip, texts)) or not any(map(str.strip, others)):
        return None
    pairs = zip(_profiles(texts), _profiles(others), strict=True)
    divergences = [_divergence(one, other) for one, other in pairs]
    return sqrt(sum(divergences) / len(divergences))


def _profiles(texts: Sequence[str]) -> list[dict[str, float]]:
    words = Counter(_word(word) for text in texts for word in _WORD.findall(text.lower()))
    marks = Counter(character for text in texts for character in text.strip() if _is_mark(character))
    lengths = Counter(_length(step) for text in texts for step in steps(text) if step.strip())
    return [_shares(counts) for counts in (words, marks, lengths)]


def _word(word: str) -> str:
    return word if word in FUNCTION_WORDS else ""


def _is_mark(character: str) -> bool:
    return character == "\n" or unicodedata.category(character)[0] in "PS"


def _length(step: str) -> str:
    words = len(step.split())
    return str(next((most for most in LENGTHS if words <= most), "more"))


def _shares(counts: Counter[str]) -> dict[str, float]:
    # Texts without any mark have all of that distribution on none.
    total = counts.total()
    return {name: count / total for name, count in counts.items()} if total else {"none": 1.0}


def _divergence(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    names = sorted({*one, *other})
    middle = [(one.get(name, 0.0) + other.get(name, 0.0)) / 2 for name in names]
    found = _entropy(middle) - (_entropy(one.values()) + _entropy(other.values())) / 2
    return min(1.0, max(0.0, found))


def _entropy(shares: Iterable[float]) -> float:
    return -sum(share * log2(share) for share in shares if share)
