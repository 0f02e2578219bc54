"""Texts that the kit tries on components: rationales that are hard to tell from answers, and junk."""

from __future__ import annotations

from collections.abc import Iterator

#: What teachers write while they think. Each is taught before an answer and has to be found again as it was.
RATIONALES: tuple[str, ...] = (
    "Three and four are seven.",
    "First, three.\nThen four more.\n\nSo seven.",
    "So far the answer is 12, but not all is counted. Whether the answer is: more, is open.\nThen one more.",
    "In code:\n```python\ntotal = 3 + 4\n```\nThat gives 7.",
    "\u00c9lan vital, \u6771\u4eac, \u05e9\u05dc\u05d5\u05dd, \u0645\u0631\u062d\u0628\u0627, \U0001f642; 3 \u00d7 4 \u2264 12, \u221216 \u00b0C.",  # noqa: E501
    'Is it {"answer": "no"}? No {{ braces }}, no \\boxed{5}, no $x$, <b>, # or **bold** matters here.',
    "Its score is 0.5 of what confidence: 0.2 gives.\nGoing on.",
    " ".join(["Then one more is added."] * 420),  # about 10,000 characters
)

#: The same, with an answer of its own on a line of its own: to be read whole, but a student may be stopped there.
EARLY_ANSWER = "The answer is: nothing\nNo, that was too early.\nNow all is counted."


def junk() -> Iterator[str]:
    """Texts that say nothing, or too much."""
    yield from _SHORT
    for part, count in _REPEATED:
        yield part * count
    yield f"The answer is: {'9' * 100_000}"
    yield f"The answer is: {'(' * 20_000}1{')' * 20_000}"
    yield f"The answer is: x{' ' * 200_000}\nScore: 0.{'9' * 200_000}"
    yield f"{'a' * 100_000}!"


def damaged(text: str) -> Iterator[str]:
    """A text cut off at any of a hundred places, written twice, and surrounded by junk."""
    for place in range(0, len(text), max(1, len(text) // 100)):
        yield text[:place]
        yield text[place:]
    yield from (text + text, f"{text}\n{text}", f"```\n{text}", f"{text}\n```", f"\x00{text}\x00", f"> {text}")
    yield from (text.upper(), text[::-1], text.replace("\n", "\r\n"), text.replace(" ", "\u00a0"))


_SHORT = (
    "", " ", "\n", "\r", "\t\n \n", "\x00", "\ud83d", "\udfff\ud800", "\ufeff", "\u202eB :si rewsna ehT\u202c",
    "The answer is:", "The answer is: ", "The answer is:\n", "The answer is: \nThe answer is:", "the answer",
    "The answer is: \x00", "The answer is: \ud83d", "The answer is: ```", "The answer is: \\boxed{", "answer:",
    "The answer is: \u0660\u0661", "The answer is: \u00bd", "The answer is: \u221e", "The answer is: nan",
    "The answer is: 1e999999999", "The answer is: 9**9**9**9", "The answer is: 1/0", "The answer is: \\frac{1}{0}",
    "The answer is: \\sqrt{", "The answer is: 99999999!", "The answer is: {{", "Score: NaN", "Score: 1e999",
    "Score: -1",
    "Score: 1/0", "Thinking:", "Thinking:\nThe answer is:\nScore:", "{", "}", "{{", "{}", "[]", "null", "0", '"', "'",
    "\\", "%s", "$$", '{"answer": null}', '{"answer": ["B"], "scores": 3}', '{"answer": "x"', '{"answer": 1e999}',
    '{"rationale": 1, "answer": {"a": 1}, "scores": {"a": "b"}}', '{"answer": "\\ud83d"}',
    '{"answer": NaN, "score": Infinity}', f'{{"answer": {"9" * 5000}}}', "```", "```python", "```python\n", "```\n```",
    "```python\ndef f(:\n```", "Code:\n", "Code:\n```python\n\x00\n```", "\u2028", "a\u0301\u0301\u0301",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0130\u0131\u00df",
)  # fmt: skip

#: A megabyte where work can grow with what is repeated, the marks of answers and programs; else enough to see.
_REPEATED = (
    ("a", 1_000_000), (" ", 1_000_000), ("\n", 1_000_000), ("The answer is: ", 66_000), ("```\n", 250_000),
    ("The answer is: 7\n", 10_000), ("answer is answer: ", 15_000), ("```python\nx\n```\n", 15_000), ("9", 200_000),
    ("(", 100_000), ("[", 100_000), ("{", 100_000), ('{"answer":', 20_000), ("\\boxed{", 30_000), ("\\frac{", 30_000),
    ("9^", 100_000), ("a b ", 50_000), ("*", 200_000), ("\\", 200_000), ("Score: 0.9\n", 20_000), ("- ", 100_000),
    ("B or ", 40_000), ("\u0301", 100_000), ("Question: ", 20_000), ("Code:\n", 30_000), ("def f(): pass\n", 15_000),
    ("\ud83d", 100_000),
)  # fmt: skip
