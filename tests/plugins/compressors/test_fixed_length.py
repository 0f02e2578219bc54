import pytest
import samples

from twt_core.records import Draft
from twt_plugins.compressors.fixed_length import FixedLength, shorten


@pytest.mark.parametrize(
    ("rationale", "ratio", "short"),
    [
        ("One two. Three four. Five six.", 0.7, "One two. Three four."),
        ("One two. Three four. Five six.", 0.5, "One two."),
        ("One two\nThree four\n\nFive six", 0.7, "One two Three four"),
        ("One two three four five six seven eight.", 0.5, "One two three four"),
        ("It is 3.5 metres. So it fits. Yes.", 0.6, "It is 3.5 metres."),
        ("One two.", 0.4, None),
        ("", 0.5, None),
    ],
)
def test_whole_sentences_within_the_share(rationale, ratio, short):
    assert shorten(rationale, ratio) == short


def test_the_label_stays_and_no_teacher_is_asked():
    draft = Draft(query=samples.QUERY, annotation=samples.annotation(rationale="One two. Three four."))
    [made] = FixedLength().compress([draft], samples.context())
    assert (made.rationale, made.label) == ("One two.", "7")
    assert not FixedLength.reads_student
    assert not FixedLength.asks_teachers


def test_it_is_always_shorter():
    text = "One. Two three. Four five six. Seven."
    for percent in range(1, 100):
        assert len((shorten(text, percent / 100) or "").split()) <= 7 * percent / 100
