"""What holds of each compressor that leaves out parts of the rationale, whatever the text."""

from dataclasses import replace

import pytest
import samples
from hypothesis import given, settings
from hypothesis import strategies as st

from twt_core.records import Draft, TokenLogprob
from twt_plugins.compressors.fixed_length import FixedLength
from twt_plugins.compressors.selective import Selective
from twt_plugins.compressors.step_dropping import StepDropping

COMPRESSORS = [
    *(FixedLength(ratio=ratio) for ratio in (0.01, 0.5, 0.99)),
    FixedLength(ratio=None, words=3),
    *(StepDropping(drop=drop, keep=keep) for drop in ("first", "last", "random") for keep in (0.3, 0.8)),
    *(Selective(unit=unit, ratio=ratio) for unit in ("step", "word") for ratio in (0.3, 0.8)),
]
texts = st.text() | st.text(alphabet=st.sampled_from("ab .!?\n\t`1é。😀\u200b"), max_size=80)


def in_threes(pairs):
    """A stand-in student: three characters a token, each as surprising as it is long and late."""
    return [
        [TokenLogprob(text[at : at + 3], -(at % 7) * 0.3) for at in range(0, len(text), 3)] for _, text in pairs
    ]  # fmt: skip


CONTEXT = replace(samples.context(), student_logprobs=in_threes)


def within(short, text):
    """Whether all of `short` but its white space is in `text`, in that order."""
    rest = iter(text)
    return all(character in rest for character in "".join(short.split()))


@settings(deadline=None)
@given(texts)
@pytest.mark.parametrize("compressor", COMPRESSORS, ids=lambda c: "-".join(map(str, c.identity().values())))
def test_what_is_left_was_there_in_that_order_and_is_no_longer(compressor, text):
    draft = Draft(query=samples.QUERY, annotation=samples.annotation(rationale=text))
    [made] = compressor.compress([draft], CONTEXT)
    assert compressor.compress([draft], CONTEXT) == [made]
    assert made.label == "7"
    assert made.rationale is None or made.rationale.strip() == made.rationale != ""
    assert within(made.rationale or "", text)
    assert len((made.rationale or "").split()) <= len(text.split())


@pytest.mark.parametrize("compressor", COMPRESSORS, ids=lambda c: "-".join(map(str, c.identity().values())))
def test_drafts_do_not_touch_each_other(compressor):
    drafts = [
        Draft(query=samples.QUERY, annotation=samples.annotation(f"q{n}", rationale=text))
        for n, text in enumerate(["One. Two. Three.", "", "Four is five. Six.\nSeven."])
    ]
    together = compressor.compress(drafts, CONTEXT)
    assert together == [made for draft in drafts for made in compressor.compress([draft], CONTEXT)]
    assert compressor.compress([], CONTEXT) == []
