from dataclasses import replace

import pytest

from twt_core.exporting.model_card import model_card
from twt_core.exporting.source import Source


@pytest.fixture
def card(finished):
    """The card of a stage whose score is changed."""

    def made(**changes):
        source = Source.of(finished.folder, "full")
        stages = [s.model_copy(update=changes) if s.name == "full" else s for s in source.summary.stages]
        return model_card(replace(source, summary=source.summary.model_copy(update={"stages": stages})), adapter=True)

    return made


def test_a_card_without_anything_special_says_nothing_special(card):
    text = card()
    for word in ("graded", "opinion", "unsandboxed"):
        assert word not in text


def test_what_could_not_be_graded_is_on_the_card(card):
    text = card(accuracy=None, accuracy_ci=None, questions=0, graded=0)
    assert "| **`full`** | **nothing graded** |" in text
    assert "6 of its 6 answers could not be graded." in text


def test_a_judge_is_on_the_card(card):
    assert "the opinion of another model: `gpt`." in card(judged_by=["gpt"])


def test_code_without_walls_is_on_the_card(card):
    assert "ran unsandboxed" in card(unsandboxed=True)
