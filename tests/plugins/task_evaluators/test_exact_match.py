"""What does not matter in a short answer, and what does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from twt_core.components import TaskEvaluator
from twt_core.records import Answered, Query
from twt_core.rows import read_queries
from twt_plugins.task_evaluators.exact_match import USUAL, ExactMatch, normal_form

QUERY = Query(id="q", query="Where?")

#: Two answers that are the same only where the option is among the ignored.
ONLY = [
    ("width", "\uff2e\uff39\uff23", "NYC"),
    ("width", "H\u2082O", "H2O"),
    ("case", "the garden", "The Garden"),
    ("accents", "Besan\u00e7on", "Besancon"),
    ("accents", "\u00c5ngstr\u00f6m", "Angstrom"),
    ("punctuation", "U.S.", "US"),
    ("punctuation", "1,000", "1000"),
    ("punctuation", "don\u2019t", "don't"),
    ("punctuation", "face-up", "face up"),
    ("articles", "The garden", "garden"),
    ("articles", "an apple", "apple"),
    ("number_words", "seven", "7"),
    ("number_words", "Ten apples", "10 apples"),
]


def same(label, other, *ignored):
    return ExactMatch(ignore=ignored).same(label, other, QUERY)


@pytest.mark.parametrize(("option", "label", "other"), ONLY)
def test_each_option_ignores_one_thing(option, label, other):
    others = [name for name in (*USUAL, "accents", "number_words") if name != option]
    assert same(label, other, option) and same(other, label, option)
    assert same(label, other, option, *others)
    assert not same(label, other, *others)
    assert not same(label, other)


@pytest.mark.parametrize(
    ("label", "other"),
    [
        ("3.5", "35"),
        ("-5", "5"),
        ("50%", "50"),
        ("10:30", "1030"),
        ("C++", "C"),
        ("!", "?"),
        ("the", "a"),
        ("eleven", "11"),
        ("", "a"),
        ("10\u00b2", "102"),
        ("101\u2082", "1012"),
        ("1\u00bd", "11/2"),
        ("\u221a2", "2"),
        ("\u00b15", "5"),
    ],
)
def test_what_is_left_of_an_answer_always_matters(label, other):
    everything = (*USUAL, "accents", "number_words")
    assert not same(label, other, *everything)


@pytest.mark.parametrize(
    ("label", "other"),
    [
        ("\u0926\u093f\u0928", "\u0926\u0940\u0928"),  # Hindi: day, poor
        ("\u0e44\u0e21\u0e49", "\u0e44\u0e21\u0e48"),  # Thai: wood, not
        ("\u0643\u064e\u062a\u064e\u0628", "\u0643\u064f\u062a\u0650\u0628"),  # Arabic: he wrote, it was written
    ],
)
def test_marks_on_letters_are_a_part_of_the_word(label, other):
    assert not same(label, other, *USUAL)
    assert same(f"\u00ab{label}\u00bb.", label, *USUAL)
    assert len(normal_form(label).split()) == 1


def test_spacing_and_the_way_a_letter_is_composed_never_matter():
    assert same(" New\u00a0 York\n", "New York")
    assert same("caf\u00e9", "cafe\u0301")


def test_a_sign_before_a_full_width_number_is_kept():
    assert same("\u2212\uff15", "-5", *USUAL)
    assert not same("\u2212\uff15", "5", *USUAL)


def test_articles_alone_are_an_answer():
    assert same("A", "a", "case", "articles") and not same("A", "the", "case", "articles")


@given(st.text(), st.sets(st.sampled_from([*USUAL, "accents", "number_words"])))
def test_any_text_has_a_form_and_space_around_it_does_not_matter(text, ignored):
    assert normal_form(f" {text}\n", ignored) == normal_form(text, ignored)


def test_the_order_of_the_options_is_none_of_the_identity():
    one, other = ExactMatch(ignore=("articles", "case")), ExactMatch(ignore=("case", "articles", "case"))
    assert one == other and one.identity() == other.identity()
    assert one.identity() != ExactMatch().identity()


def test_an_unknown_option_is_named_with_those_there_are():
    with pytest.raises(ValidationError, match="'width', 'case', 'accents', 'punctuation', 'articles' or"):
        ExactMatch(ignore=("casing",))
    with pytest.raises(ValidationError):
        ExactMatch(ignore="case")


def test_a_config_gives_it_back_whole():
    task = ExactMatch(ignore=("case", "accents"))
    assert TaskEvaluator.model_validate({"use": "exact_match", "ignore": ["accents", "case"]}) == task
    assert TaskEvaluator.model_validate(task.model_dump(mode="json")) == task


def test_each_of_several_accepted_answers_is_right(tmp_path: Path):
    row = {"id": "q", "query": "Which city never sleeps?", "answer": ["NYC", "New York", "New York City"]}
    (tmp_path / "queries.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    task = ExactMatch()
    [query] = read_queries(tmp_path / "queries.jsonl", task)
    said = ["new york", "The N.Y.C.", "New York City!", "York", "NYC or LA", None]
    graded = task.grade([Answered(query=query, text="", label=label) for label in said], samples.context(task))
    assert [one.correct for one in graded] == [True, True, True, False, False, False]
    assert [one.verdict for one in graded] == ["right"] * 3 + ["wrong"] * 2 + ["no_answer"]
    assert {one.by for one in graded} == {None}
