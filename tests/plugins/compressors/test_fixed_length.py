import pytest
import samples
from pydantic import ValidationError

from twt_core.records import Draft
from twt_plugins.compressors.fixed_length import FixedLength, shorten


def compressed(rationale, **options):
    draft = Draft(query=samples.QUERY, annotation=samples.annotation(rationale=rationale))
    [made] = FixedLength(**options).compress([draft], samples.context())
    assert made.label == "7"
    return made.rationale


@pytest.mark.parametrize(
    ("rationale", "ratio", "short"),
    [
        ("One two. Three four. Five six.", 0.7, "One two. Three four."),
        ("One two. Three four. Five six.", 0.5, "One two."),
        ("One two\nThree four\n\nFive six", 0.7, "One two\nThree four"),
        ("One two three four five six seven eight.", 0.5, "One two three four"),
        ("It is 3.5 metres. So it fits. Yes.", 0.6, "It is 3.5 metres."),
        ("So:\n```\nx = 1\ny = 2\n```\nDone.", 0.5, "So:\n```\nx = 1"),
        ("Go. " * 100, 0.07, "Go. Go. Go. Go. Go. Go. Go."),
        ("Go. " * 100, 0.29, " ".join(["Go."] * 29)),
        ("One two.", 0.4, None),
        ("", 0.5, None),
    ],
)
def test_whole_steps_within_the_share(rationale, ratio, short):
    assert compressed(rationale, ratio=ratio) == short


@pytest.mark.parametrize(
    ("words", "short"),
    [(1, "One"), (2, "One two."), (3, "One two."), (4, "One two. Three four."), (9, "One two. Three four.")],
)
def test_whole_steps_within_a_number_of_words(words, short):
    assert compressed("One two. Three four.", ratio=None, words=words) == short


@pytest.mark.parametrize("options", [{"words": 5}, {"ratio": 0.5, "words": 5}, {"ratio": None}])
def test_two_budgets_or_none(options):
    with pytest.raises(ValidationError, match="give one, and null for the other"):
        FixedLength(**options)


@pytest.mark.parametrize("options", [{"ratio": 0}, {"ratio": 1}, {"ratio": None, "words": 0}])
def test_budgets_that_mean_nothing(options):
    with pytest.raises(ValidationError):
        FixedLength(**options)


def test_no_teacher_and_no_student_is_asked():
    assert not FixedLength.reads_student
    assert not FixedLength.asks_teachers


def test_it_is_within_the_budget():
    text = "One. Two three. Four five six. Seven."
    for words in range(1, 7):
        assert len((shorten(text, words) or "").split()) <= words
