"""What a compression left of a text, word by word."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from twt_core.settings import Json

# A word, a character of a script without spaces, or a mark, each with the white space before it: joined they are the
# text. Blanks of their own would be the most frequent piece, and the search for what two texts share is slowest there.
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f"
_PIECE = re.compile(rf"\s*(?:[{_UNSPACED}]|(?:(?![{_UNSPACED}])\w)+|[^\w\s])|\s+")
#: With more pieces than this, frequent ones are no anchors, or a text of one word over and over takes forever.
_MOST_EXACT = 400


def difference(before: str, after: str) -> list[Json]:
    """How one text becomes the other.

    Returns:
        In order: a positive number n, the next n UTF-16 units of `before` stay; a negative one, they go; a text is put
        in. UTF-16 units are what a browser counts text in. The texts have no lone surrogates.
    """
    if before == after:
        return [_units(before)] if before else []
    old, new = _PIECE.findall(before), _PIECE.findall(after)
    matcher = SequenceMatcher(None, old, new, autojunk=max(len(old), len(new)) > _MOST_EXACT)
    found: list[Json] = []
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        kept, text = _units("".join(old[i:i_end])), "".join(new[j:j_end])
        if tag == "equal":
            found.append(kept)
        else:
            found += [-kept] if kept else []
            found += [text] if text else []
    return found


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
