from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twt_core.style import style_distance

TERSE = ["3 + 4 = 7.", "2 * 5 = 10; 10 - 1 = 9."]
WORDY = [
    "First, we have to find out how many apples there are. Since she has three and he has four, it must be seven!",
    "Let us see what the question is about, because that is not at all clear from the text, however often we read it.",
]


def test_the_same_texts_are_no_distance_apart():
    assert style_distance(WORDY, WORDY) == 0
    assert style_distance(WORDY, WORDY[::-1] * 3) == pytest.approx(0, abs=1e-7)


def test_texts_with_nothing_in_common_are_one_apart():
    assert style_distance(["the the"], ["and and and and and?!"]) == pytest.approx(1)


def test_a_known_distance():
    # One mark in two differs (half a bit less), words and lengths do not: the mean of (0, 0.3113, 0).
    near = style_distance(["x, x."], ["x. x."])
    assert near == pytest.approx(sqrt(0.311278 / 3), abs=1e-5)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("He went to town", "He ran to town"),  # what it is about
        ("I ate 3 pears.", "I ate 17 plums."),
        ("THE END", "the end"),
        ("He went, so", "\nHe went, so\n\n"),
    ],
)
def test_the_subject_makes_no_difference(text, other):
    assert style_distance([text], [other]) == 0


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("He went to town", "They went from town"),  # function words
        ("He went, so", "He went: so"),  # punctuation
        ("Go on\nfor ever", "Go on for ever"),  # line breaks and lengths
        ("three plus four", "three + four x"),  # symbols
    ],
)
def test_the_writing_does(text, other):
    assert style_distance([text], [other]) > 0.1


def test_terse_is_nearer_to_terse():
    assert style_distance(TERSE[:1], TERSE[1:]) < style_distance(TERSE, WORDY)


@pytest.mark.parametrize("nothing", [[], [""], [" \n", ""]])
def test_of_nothing_there_is_no_style(nothing):
    assert style_distance(nothing, WORDY) is None
    assert style_distance(WORDY, nothing) is None


texts = st.lists(st.text(), min_size=1, max_size=4)


@settings(deadline=None)
@given(texts, texts, texts)
def test_it_is_a_distance(one, two, three):
    there, back = style_distance(one, two), style_distance(two, one)
    assert there == back
    if there is not None:
        assert 0 <= there <= 1
    ways = style_distance(one, three), style_distance(three, two)
    if there is not None and None not in ways:
        assert there <= sum(ways) + 1e-9
