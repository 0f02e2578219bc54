"""Differences between a rationale and its compression, and how alike two rationales are."""

from __future__ import annotations

import pytest

from twt_core.report.differences import difference
from twt_core.report.similarity import shared_words


def applied(before: str, steps: list) -> tuple[str, str]:
    """What a page shows as the old text and as the new one, counted as a browser counts."""
    units, old, new, at = before.encode("utf-16-le"), "", "", 0
    for step in steps:
        if isinstance(step, str):
            new += step
            continue
        piece = units[2 * at : 2 * (at + abs(step))].decode("utf-16-le")
        old, new, at = old + piece, new + piece * (step > 0), at + abs(step)
    return old, new


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Three and four are seven.", "3 + 4 = 7."),
        ("First, add three and four. That is seven.", "Add three and four: seven."),
        ("same", "same"),
        ("", "all new"),
        ("all gone", ""),
        ("", ""),
        ("tears 😢 of 𝄞 key 😀 and joy", "tears of 𝄞 key 😀😀 joy"),
        ("一二三四五", "一三五"),
        ("a\n\nb\tc", "a\nb c"),
        ("word " * 3000, "word " * 1000),
    ],
)
def test_a_difference_leads_from_one_text_to_the_other(before, after):
    assert applied(before, difference(before, after)) == (before, after)


def test_words_are_kept_whole():
    assert difference("we add three and four", "we add 3 and 4") == [6, -6, " 3", 4, -5, " 4"]
    assert difference("same", "same") == [4]


def test_blanks_between_two_changes_are_part_of_the_change():
    assert difference("one two three", "1 2 three") == [-7, "1 2", 6]


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [("Ann has two.", "ann HAS three", 0.5), ("a b", "c", 0.0), ("a a a", "a", 1.0), ("", "a", 0.0), ("", "...", None)],
)
def test_the_words_that_two_rationales_share(one, other, share):
    assert shared_words(one, other) == share
