"""Programs in texts: fenced blocks, as models really write them, and back."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from twt_plugins.task_evaluators.assertions import defined

_FENCE = re.compile(r"([ \t]{0,8})(`{3,})[ \t]*([A-Za-z0-9_+.-]{0,20})[ \t]*\Z")
_MARK = re.compile(
    r"[ \t#>*_-]*(?:(?:the|final|my|python)[ \t]+){0,3}code(?:[ \t]+is)?[ \t*_]*[:\uff1a][ \t*_]*\Z", re.I
)
_FIRST_LINE = re.compile(r"(?:async[ \t]+def|def|class|import|from)[ \t]+\w|@\w")
_PROGRAMS = frozenset({"", "python", "py", "python3", "python2", "py3"})
#: Without a fence, this many last lines may be prose about the program.
_MOST_PROSE = 40
_LONGEST_UNFENCED = 20_000


class Block(NamedTuple):
    """A program in a text.

    Attributes:
        start: where what belongs to the program begins: its fence, or the "Code:" before it.
        end: where the text after it begins.
        code: the program.
        fence: how many backticks; 0 for a program without a fence.
        marked: whether it is announced as the answer, by "Code:" or by being the first thing in the text.
        closed: whether its last fence is there.
        language: what the fence names, in lower case.
    """

    start: int
    end: int
    code: str
    fence: int
    marked: bool
    closed: bool
    language: str = ""


def fenced(code: str, beside: str = "") -> str:
    """A program as the answer of a text in which `beside` stands before it. `answer` finds it, whatever it contains."""
    longest = max((len(run) for run in re.findall("`{3,}", f"{code}\n{beside}")), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}python\n{code}\n{fence}"


def blocks(text: str) -> list[Block]:
    """The fenced programs of a text, in order. A fence that names a language opens one, wherever it stands."""
    found: list[Block] = []
    opened: _Opened | None = None
    at, mark = 0, len(text) - len(text.lstrip())
    for line in text.splitlines(keepends=True):
        end, bare = at + len(line), line.rstrip("\r\n")
        fence = _FENCE.match(bare)
        if opened and fence and not fence[3] and len(fence[2]) >= opened.fence:
            found.append(_block(text, opened, at, end))
            opened, mark = None, -1
        elif fence and (opened is None or (fence[3] and len(fence[2]) >= opened.fence)):
            opened = _Opened(mark if mark >= 0 else at, end, len(fence[2]), mark >= 0, fence[3].lower(), len(fence[1]))
            mark = -1
        elif bare.strip():
            mark = at if _MARK.match(bare) else -1
        at = end
    if opened:
        found.append(_block(text, opened, at, None))
    return [block for block in found if block.language in _PROGRAMS]


class _Opened(NamedTuple):
    start: int
    inside: int
    fence: int
    marked: bool
    language: str
    indent: int


def _block(text: str, opened: _Opened, closing: int, end: int | None) -> Block:
    lines = text[opened.inside : closing].split("\n")
    code = "\n".join(_outdented(line, opened.indent) for line in lines).strip("\n").rstrip()
    return Block(opened.start, end or closing, code, opened.fence, opened.marked, end is not None, opened.language)


def _outdented(line: str, indent: int) -> str:
    return line[min(indent, len(line) - len(line.lstrip(" \t"))) :]


def answer(text: str, names: Collection[str] = ()) -> Block | None:
    """The program that a text gives as its answer; None: there is none.

    The first one that is announced; of several, the one with the longest fence. Else the last fenced one that defines
    one of `names`, else the last that defines anything, else the last. Else the lines that are a program by themselves.
    """
    found = [block for block in blocks(text) if block.code]
    if announced := [block for block in found if block.marked and block.closed]:
        return max(announced, key=lambda block: block.fence)
    if not found:
        return _unfenced(text)
    given = [(block, defined(block.code)) for block in found]
    wanted = [block for block, its in given if its & set(names)] or [block for block, its in given if its]
    return (wanted or found)[-1]


def complete(text: str) -> bool:
    """Whether a text has an announced program with the whole line of its last fence: `answer` then finds it.

    More text changes that only if it announces another one with a longer fence.
    """
    found = [block for block in blocks(text) if block.marked and block.closed and block.code]
    return any(text[block.end - 1] == "\n" for block in found)


def _unfenced(text: str) -> Block | None:
    lines = text[:_LONGEST_UNFENCED].splitlines(keepends=True)
    first = next((at for at, line in enumerate(lines) if _FIRST_LINE.match(line)), None)
    if first is None:
        return None
    for last in range(len(lines), max(first, len(lines) - _MOST_PROSE), -1):
        code = "".join(lines[first:last])
        if defined(code):
            start = len("".join(lines[:first]))
            return Block(start, start + len(code), code.strip("\n").rstrip(), 0, False, True)
    return None
