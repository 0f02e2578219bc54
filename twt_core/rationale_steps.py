"""The steps of a rationale: its sentences, its lines, and the lines of its code."""

from __future__ import annotations

import re
from collections.abc import Iterator

# A line with the blank ones that follow it.
_LINE = re.compile(r"[^\n]*\n(?:[^\S\n]*+\n)*+(?:[^\S\n]*+\Z)?+|[^\n]+")
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_INDENTED = re.compile(r"(?: {4}|\t)")
# The marks that end a sentence with what closes after them. Possessive, and begun only at a first mark: a long row of
# marks or quotes takes no more time than other text.
_END = re.compile(r"(?<![.!?])[.!?]++[\"'”’)\]*_`]*+\s++|[。！？]++[\"'”’」』）]*+\s*+")  # noqa: RUF001 - CJK's own
_NUMBER = re.compile(r"\s*[#>*-]*\s*(?:step |case |part |option )?(?:\d+|[a-z])\.[*_]*\s+", re.IGNORECASE)
_SHORT = re.compile(r"(?<!\w)(?:e\.g|i\.e|cf|vs|viz|approx|resp|mr|mrs|ms|dr|prof)\.\Z", re.IGNORECASE)
_SHORT_BEFORE_NUMBER = re.compile(r"(?<!\w)(?:fig|eq|no|sec|ch|vol|pp?)\.\Z", re.IGNORECASE)
_LONGEST_SHORT = 8
# Scripts that put no space between words: each character counts as one.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


def words(text: str) -> list[str]:
    """The words of a text, as its length is counted; characters, where a script has no spaces."""
    return _WORD.findall(text)


def steps(text: str) -> list[str]:
    """The text cut into its steps. Joined, they are the text: each has the white space that follows it.

    A step is a sentence, or what there is of one on a line. Decimals ("3.5"), list numbers ("2. ") and common
    abbreviations ("e.g. ") end none. A line of code, fenced or indented by four spaces or a tab, is a step of its own.
    """
    pieces = list(_pieces(text))
    if len(pieces) > 1 and not pieces[0].strip():
        pieces[:2] = [pieces[0] + pieces[1]]
    return pieces


def _pieces(text: str) -> Iterator[str]:
    fenced = False
    for line in _LINE.findall(text):
        fence = _FENCE.match(line) is not None
        if fence or fenced or _INDENTED.match(line):
            yield line
        else:
            yield from _sentences(line)
        fenced ^= fence


def _sentences(line: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(line):
        if not _NUMBER.fullmatch(line, start, end.end()) and not _abbreviation(line, end):
            yield line[start : end.end()]
            start = end.end()
    if start < len(line):
        yield line[start:]


def _abbreviation(line: str, end: re.Match[str]) -> bool:
    dot = end.start() + 1
    kinds = [_SHORT, _SHORT_BEFORE_NUMBER] if line[end.end() : end.end() + 1].isdigit() else [_SHORT]
    return any(kind.search(line, max(0, dot - _LONGEST_SHORT), dot) for kind in kinds)
