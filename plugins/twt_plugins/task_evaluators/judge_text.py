"""What a judge is shown of an answer, and what is read out of its opinion. Neither trusts the answer's author."""

from __future__ import annotations

import hashlib
import re
from typing import Literal

# What chat templates give a meaning to: it could end the judge's prompt and begin another. A space after the bracket
# takes the meaning away.
_OPENS_CONTROL = re.compile(
    r"<(?=[|\uff5c]|/?s>|/?SYS>>|</?SYS>>|bos>|eos>|pad>|unk>|(?:start|end)_of_turn>)|\[(?=/?INST\])"
)
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONGEST_LINE = 100
_MARKUP = r"[\s>*_#`\"'(\[-]*"
_VERDICT = re.compile(
    rf"{_MARKUP}(?:verdict[*_`\"' ]*[:\uff1a=][*_`\"' (\[]*)?(right|correct|wrong|incorrect)[\s*_`\"'.!)\]]*",
    re.IGNORECASE,
)


def one_line(text: str) -> str:
    """A text that stays within its line of a prompt, whatever it holds."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return _OPENS_CONTROL.sub(r"\g<0> ", " ".join(_CONTROL_CHARACTER.sub(" ", text).split()))


def fenced(answer: str, longest: int) -> str:
    """An answer between two lines of marks that it does not hold, since they are made of its hash.

    Args:
        answer: any text.
        longest: characters that are shown of it; what is cut off is said to be.
    """
    shown = one_line(answer)
    if len(shown) > longest:
        shown = f"{shown[:longest]} [... cut off here]"
    mark = hashlib.sha256(shown.encode()).hexdigest()[:16]
    while mark in shown:
        mark = hashlib.sha256(mark.encode()).hexdigest()[:16]
    return f"[answer {mark}]\n{shown}\n[end of answer {mark}]"


def verdict(opinion: str) -> Literal["right", "wrong"] | None:
    """What a judge's last line says; None if it is neither "Verdict: right" nor "Verdict: wrong".

    Only the last line counts: before it a judge may repeat the answer, and what that claims of itself.
    """
    last = opinion.rstrip().rpartition("\n")[2]
    found = _VERDICT.fullmatch(last) if len(last) <= _LONGEST_LINE else None
    if found is None:
        return None
    return "right" if found[1].casefold() in ("right", "correct") else "wrong"
