"""Which option a text names: credited only where it is one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twt_core.records import Query
from twt_plugins.task_evaluators.multiple_choice import MultipleChoice
from twt_plugins.task_evaluators.options import concluded, letter_of

CHOICES = ("bank", "river", "river bank", "the sea", "Washington D.C.")
QUERY = Query(id="1", query="Where do boats sail?", choices=CHOICES)
TASK = MultipleChoice()


@pytest.mark.parametrize(
    ("label", "letter"),
    [
        ("(B) river", "B"),
        ("\\text{B}", "B"),
        ("(B) \\text{ river}", "B"),
        ("option (B)", "B"),
        ("{d}", "D"),
        ("choice (b) rivers", "B"),
        ("(e) Washington D.C.", "E"),
        ("E) Washington D.C", "E"),
        ("Washington D.C", "E"),
        ("(B) river, because banks are dry", "B"),
        ("(B) river, as the sea is too far", "B"),
        ("B rather than C", "B"),
        ("B, not C", "B"),
        ("the river. A bank is dry", "B"),
        ("(B) river or (D) the sea", None),
        ("either (b) or (d)", None),
        ("B and D, because both are wet", None),
        ("(A) river", None),
        ("A. River", None),
        ("none of the above", None),
        ("not B", None),
        ("F", None),
    ],
)
def test_a_label(label, letter):
    assert letter_of(label, CHOICES) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("River", "B"),
        ("river\n\nA bank is dry, and the sea is far.", "B"),
        ("(b) river\nIt is wet, unlike a bank.", "B"),
        ("A bank is dry, and the sea is far.\n\nB", "B"),
        ("Boats sail on a river.", "B"),
        ("Banks are dry. Boats sail on the river bank.", "C"),
        ("A bank is dry. So the best choice is (B) river.", "B"),
        ("A bank is dry. The correct option would be B.", "B"),
        ("A bank is dry. Choice (c) is the correct answer.", "C"),
        ("A bank is dry. Choice (b)", "B"),
        ("A bank is dry. So the most likely answer is (B) river, as the sea is far.", "B"),
        ("The answer is:\n\n\\[\n\\boxed{B}\n\\]\n\nA bank is dry.", "B"),
        ("\\boxed{(B) \\text{river}}", "B"),
        ("The answer is \\boxed{B} river or \\boxed{D} the sea.", None),
        ("\\boxed{B}, \\boxed{D}", None),
        ("Boats sail on a river or on the sea.", None),
        ("(B) is the correct answer. (D) is the right answer, too.", None),
        ("(a) bank\n(b) river\n(c) river bank", None),
        ("Where do boats sail?\n(a) bank\n(b) river", None),
        ("The best choice is to wait.", None),
        ("Vitamin C is healthy. I like B.", None),
        ("The answer is B. The answer is not C.", "B"),
        ("Boats sail on a river.\nThe answer is: ", None),
        ("Boats sail on a river.\nThe answer is: lake", None),
        ("", None),
    ],
)
def test_an_answer_in_a_text(text, letter):
    assert TASK.read(text, QUERY).label == letter


def test_only_announced_answers_if_so_wanted():
    strict = MultipleChoice(unannounced=False)
    assert strict.read("Boats sail on a river.", QUERY).label is None
    assert strict.read("Boats sail.\nThe answer is: river", QUERY).label == "B"


@pytest.mark.parametrize(
    ("text", "letter"),
    [("Yes, they do.", "A"), ("No.", "B"), ("There is no record of it.", None), ("It is neither yes nor no.", None)],
)
def test_everyday_words_are_options_at_the_start_only(text, letter):
    assert concluded(text, ("yes", "no")) == letter


@pytest.mark.parametrize(
    ("label", "letter"),
    [
        ("yes", "A"),
        ("yes, as there is no other", "A"),
        ("likely yes, as there is no other", "A"),
        ("unknown, as there is no record", None),
        ("There is no way to say", None),
        ("generally no, but not always", "B"),
        ("yes and no", None),
        ("neither yes nor no", None),
    ],
)
def test_everyday_words_as_labels(label, letter):
    assert letter_of(label, ("yes", "no")) == letter


def test_of_options_with_one_text_the_first_is_named_unless_its_letter_says_otherwise():
    options = ("town", "bar", "bar")
    assert letter_of("(B) bar", options) == "B"
    assert letter_of("C) bar", options) == "C"
    assert letter_of("bar", options) == concluded("They play in the bar.", options) == "B"


_PIECES = [
    "A",
    "(b)",
    "B) ",
    "river",
    "bank ",
    " or ",
    "and ",
    "because ",
    "choice ",
    "is ",
    "\n",
    ". ",
    "the answer is ",
    "\\boxed{",
]


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=3), max_size=15).map("".join))
@settings(deadline=None)
def test_junk_names_an_option_or_none(text):
    assert TASK.read(text, QUERY).label in {*"ABCDE", None}
    assert letter_of(text, CHOICES) in {*"ABCDE", None}
    assert not TASK.same(text, "lake", QUERY)


@given(st.sets(st.sampled_from("ABCDE"), min_size=2), st.sampled_from([", ", " or ", " and ", "; ", "/", " & "]))
def test_several_letters_are_never_credited(letters, between):
    several = between.join(sorted(letters))
    assert letter_of(several, CHOICES) is None
    assert TASK.read(f"The answer is: {several}", QUERY).label is None


@pytest.mark.parametrize(
    "piece", ["A ", "(a) ", "river ", "\n", " ", "because ", "choice ", "option B is ", ". ", "\\text{"]
)
def test_a_megabyte_is_read_at_once(piece):
    text = piece * (1_000_000 // len(piece))
    assert TASK.read(text, QUERY).label in {*"ABCDE", None}
    assert letter_of(text, CHOICES) in {*"ABCDE", None}
