"""Which of a question's options a text names, by letter or by text. One that names several names none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

from twt_plugins.task_evaluators.exact_match import normal_form

#: How much of a text without an announced answer is looked at, from its end; and the longest label.
_TAIL = 20_000

_LETTER_ALONE = re.compile(r"(?:(?:option|choice|answer)\b)?[\W_]*([A-Za-z])[\W_]*", re.IGNORECASE)
_LETTER_FIRST = re.compile(r"[\W_]*([A-Za-z])(?:[ *_]*[).:\]}]| +-)")
# "A" opens sentences as an article: it is an option's letter only before a mark, an "and" or the end.
_LETTERS_NAMED = re.compile(r"\b(?:[B-Z]|A(?=\W*$|[).,:;/\]*]|\s+(?:and|or|&)\s))\b")
_LETTERS_MARKED = re.compile(
    r"[({\[]([A-Z])[)}\]]|(?<![\w'])([A-Z])\)"
    r"|\b(?:option|choice|answer)[ \t]+[\"'*(]{0,3}([B-Z]\b|A\b(?![ \t]+\w))",
    re.IGNORECASE,
)
#: Options of these words are named by the start of a text, not by their being in it: "there is no record".
_OPENING = re.compile(r"\W*(\w+)[,.;:!]")
_EVERYDAY = frozenset(
    {"yes", "no", "true", "false", "none", "all", "both", "neither", "not", "it", "he", "she", "they"}
)
_CALLED_RIGHT = re.compile(
    r"(?:[({\[]|\b(?:choice|option)[ \t]+)([A-Z])\b[^.\n]{0,60}\bis (?:the )?(?:correct|right|best)\b", re.IGNORECASE
)
_CLAUSE_END = re.compile(r"[.,;:!?]\s+|[()\[\]\n]")
_SENTENCE_END = re.compile(r"[.!?]\s+")
_LATEX_WORDS = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf|it)|mbox)\b")
_REASON = re.compile(
    r"[,;.]? (?:because|since|which|not|rather than|instead of)\b|[,;] (?:as|while|although|but|unless|given)\b"
    r"|(?<=\w\w)\. (?=[A-Z])"
)
_CHOICE = re.compile(
    r"\b(?:choice|option)s?[ \t]+(?:(?:here|for this question|among these)[ \t]+)?(?:is|would be)\b[ \t:]*"
    r"([^\n]{1,300})",
    re.IGNORECASE,
)


def letter_of(text: str, options: Sequence[str]) -> str | None:
    """The letter of the one option that a text names: "B", "(b)", "B) river", "river". None: no option, or several.

    What is said after "because", "not" and the like is about other options, and counts for nothing.
    """
    letters = ascii_uppercase[: len(options)]
    if len(text) > _TAIL:
        return None
    text = " ".join(_LATEX_WORDS.sub(" ", text).split())
    if (alone := _LETTER_ALONE.fullmatch(text)) and alone[1].upper() in letters:
        return alone[1].upper()
    if text in options:
        return letters[options.index(text)]
    if text.casefold().startswith("not "):
        return None
    if (opening := _OPENING.match(text)) and opening[1].casefold() in _EVERYDAY:
        return _alone(opening[1], options)
    claim = text[: reason.start()] if (reason := _REASON.search(text)) else text
    named = _named(claim, options) or _named(text, options)
    return named.pop() if len(named) == 1 and not named & _everyday(claim, options, at_end=True) else None


def concluded(text: str, options: Sequence[str]) -> str | None:
    """The letter of the one option that a text without an announced answer comes to.

    What it calls its choice, or correct; else a first or last line, or a last sentence, that is an option and nothing
    else; else the only option that is named at all.
    """
    text = text[-_TAIL:]
    if said := _CHOICE.findall(text):
        return letter_of(said[-1], options)
    letters = set(ascii_uppercase[: len(options)])
    called = {found.upper() for found in _CALLED_RIGHT.findall(text)} & letters
    named = called or _at_the_ends(text, options) or _mentioned(text, options)
    return named.pop() if len(named) == 1 else None


def _at_the_ends(text: str, options: Sequence[str]) -> set[str]:
    """The options that the first and the last line consist of; lines of a list are none."""
    lines = [line for line in text.splitlines() if line.strip()]
    first, last = ([_alone(line, options) for line in part] for part in (lines[:2], lines[-2:]))
    found = {first[0]} if first and (len(first) == 1 or not first[1]) else set()
    if last and (len(last) == 1 or not last[0]):
        found |= {last[-1] or _alone(_SENTENCE_END.split(lines[-1])[-1], options)}
    return {letter for letter in found if letter}


def _alone(line: str, options: Sequence[str]) -> str | None:
    """The option that a line consists of: "B", "(b) river", "River."."""
    letters = ascii_uppercase[: len(options)]
    if (letter := _LETTER_ALONE.fullmatch(line)) and letter[1].upper() in letters:
        return letter[1].upper()
    normal, forms = normal_form(line), [normal_form(option) for option in options]
    return next((x for x, form in zip(letters, forms, strict=True) if normal in (form, f"{x.lower()} {form}")), None)


def _named(text: str, options: Sequence[str]) -> set[str]:
    letters = ascii_uppercase[: len(options)]
    named = {letter for letter in _LETTERS_NAMED.findall(text) if letter in letters} | _marked(text) & set(letters)
    if (first := _LETTER_FIRST.match(text)) and (letter := first[1].upper()) in letters:
        named.add(letter)
        if normal_form(text[first.end() :]) == normal_form(options[letters.index(letter)]):
            return {letter}  # "(c) Washington D.C." names no D
    elif not first and (only := _alone(text, options)):
        return {only}
    return _with_texts(named, text, options)


def _marked(text: str) -> set[str]:
    return {"".join(found.groups("")).upper() for found in _LETTERS_MARKED.finditer(text)}


def _mentioned(text: str, options: Sequence[str]) -> set[str]:
    """Those named in prose, where a bare letter is an article, an initial, a vitamin."""
    letters = ascii_uppercase[: len(options)]
    marked = _marked(text)
    loose = _everyday(text, options) - marked
    return _with_texts(marked & set(letters), text, options) - loose


def _everyday(text: str, options: Sequence[str], at_end: bool = False) -> set[str]:
    """The options that are everyday words, but for one that the text starts with, or ends with where that counts."""
    forms = zip(ascii_uppercase, map(normal_form, options), strict=False)
    words = normal_form(text).split()
    said = {*words[:1], *(words[-1:] if at_end else ())}
    return {x for x, form in forms if form in _EVERYDAY and form not in said}


def _by_clause(text: str) -> str:
    """The normal form, in which "the river. A bank" is no river bank."""
    return " | ".join(form for clause in _CLAUSE_END.split(text) if (form := normal_form(clause)))


def _with_texts(named: set[str], text: str, options: Sequence[str]) -> set[str]:
    """Letters, and those of the options whose texts are there: of the first, where options have the same text."""
    normal, forms = _by_clause(text), [_by_clause(option) for option in options]
    there = [form for form in forms if f" {form} " in f" {normal} "]
    # "river bank" names that option and not the option "river".
    part = {form for form in there for other in there if form != other and f" {form} " in f" {other} "}
    by_text = {x: form for x, form in zip(ascii_uppercase, forms, strict=False) if form in there and form not in part}
    known = {by_text[x] for x in named if x in by_text}
    first = {form: x for x, form in reversed(by_text.items())}
    return named | {x for form, x in first.items() if form not in known}
