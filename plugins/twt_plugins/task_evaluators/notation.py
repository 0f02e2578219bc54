"""One way to write a number for the many that people and models use: 1,000; \\frac{1}{2}; 1.5e3; twenty-five."""

from __future__ import annotations

import re
import unicodedata

#: Longer texts are no answers.
LONGEST = 1000

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_VULGAR = re.compile(r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215e])")
_SIGNS = str.maketrans(
    {
        '"': "",
        "\u201c": "",
        "\u201d": "",
        "\u2212": "-",
        "\u2044": "/",
        "\u00a0": " ",
        "\u2009": " ",
        "\u202f": " ",
        "\u2019": "'",
    }
)
_IN_WORDS = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf|it)|mbox)\s?\{([^{}]*)\}")
_SPACES = re.compile(r"\\(?:[,;:! ]|quad\b|qquad\b|displaystyle\b|left\b(?!\\)|right\b)|~(?!\s?[\d.])")
_DEGREES = re.compile(r"\^?\{?\\circ\b\}?|\\degree\b|\u00b0")
_FRACTION = re.compile(
    r"(?<![\w})^])(-?\d{0,12})\s?\\[dtc]?frac\s?(?:\{\s?(\d{1,12})\s?\}\s?\{\s?(\d{1,12})\s?\}|(\d)(\d))"
    r"(?![\w\\({^])"
)
_TIMES_TEN = re.compile(
    r"(?<=\d)\s?(?:\\times|\\cdot|[x*\u00d7\u00b7])\s?10\s?(?:\^|\*\*)\s?\{?([+-]?\d{1,2})\}?(?!\d)"
)
_GROUPS = r"\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d{1,3}(?: \d{3})+|\d{1,3}(?:['_]\d{3})+"
_THOUSANDS = re.compile(rf"(?<![\d,.(\[{{\w])(?:{_GROUPS})(?![\d'_]|[,\s]\d)")
_TO_THE_HOUR = re.compile(r"(?<!\d)(\d{1,2}):00(?=\s?(?:[ap]\.?m\b|o'clock))", re.IGNORECASE)
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b")
_AND_A_HALF = re.compile(r"(?<=\d) and (?:an? |one )?half\b")
_ONE_PART = re.compile(r"(?:one|an?|1)[ -](half|third|quarter|fourth|fifth|sixth|eighth|tenth)\b", re.IGNORECASE)
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
_AND_PART = re.compile(r"(?<=\d) and (?=\d+/\d)")
_ABOUT = re.compile(r"(?:(?:approximately|about|around|roughly|nearly|almost|exactly|\\approx|[~\u2248#])\s?)+", re.I)
_WRAPPERS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ("`", "`"))

_ONES = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen",
)
_TENS = re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety")
_SPELLED = re.compile(
    rf"(?:({'|'.join(_TENS)})(?:[- ]({'|'.join(_ONES[1:10])}))?|({'|'.join(_ONES)}))(?![\w'-])", re.IGNORECASE
)


def tidy(label: str) -> str:
    """An answer without what does not matter to its value: LaTeX's layout, thousands separators, wrappers."""
    if len(label) > LONGEST:
        return label.strip()
    text = _RAISED.sub(lambda found: f"^{{{found[0].translate(_SUPERSCRIPTS)}}}", _VULGAR.sub(" ", label))
    text = unicodedata.normalize("NFKC", text).translate(_SIGNS)
    text = _SPACES.sub(" ", _IN_WORDS.sub(r" \1 ", text)).replace("{,}", ",").replace("\\$", "$").replace("\\%", "%")
    text = _DEGREES.sub("", _FRACTION.sub(_as_fraction, text))
    text = _TIMES_TEN.sub(r"e\1", _unwrapped(" ".join(text.split())))
    text = _THOUSANDS.sub(lambda found: re.sub(r"[, '_]", "", found[0]), text)
    text = _AND_PART.sub(" ", _AND_A_HALF.sub(" 1/2", _ORDINAL.sub("", _TO_THE_HOUR.sub(r"\1", text))))
    text = text[found.end() :] if (found := _ABOUT.match(text)) else text
    if part := _ONE_PART.match(text):
        return f"1/{_PARTS[part[1].casefold()]}{text[part.end() :]}"
    return _in_digits(text)


def _as_fraction(found: re.Match[str]) -> str:
    top, bottom = (found[2], found[3]) if found[2] else (found[4], found[5])
    whole = found[1]
    return f"{whole}{'' if whole in ('', '-') else ' '}{top}/{bottom}"


def _unwrapped(text: str) -> str:
    while True:
        bare = text.strip().rstrip(".,;:").rstrip()
        for left, right in _WRAPPERS:
            inside = bare[len(left) : -len(right)]
            if bare.startswith(left) and bare.endswith(right) and inside and left not in inside:
                bare = inside
        if bare == text:
            return bare
        text = bare


def _in_digits(text: str) -> str:
    found = _SPELLED.match(text)
    if not found:
        return text
    tens, ones, alone = (part and part.casefold() for part in found.groups())
    value = _ONES.index(alone) if alone else 10 * (_TENS.index(tens) + 2) + (_ONES.index(ones) if ones else 0)
    return f"{value}{text[found.end() :]}"
