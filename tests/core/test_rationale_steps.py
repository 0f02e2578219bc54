import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twt_core.rationale_steps import steps


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is so. Then? Yes! Done", ["It is so. ", "Then? ", "Yes! ", "Done"]),
        ("It is 3.5 metres, $1.20. So 4.", ["It is 3.5 metres, $1.20. ", "So 4."]),
        ("Take fruit, e.g. pears. See fig. 3, i.e. this.", ["Take fruit, e.g. pears. ", "See fig. 3, i.e. this."]),
        ("The answer is no. So it is B. Thus C.", ["The answer is no. ", "So it is B. ", "Thus C."]),
        ("1. Add. 2. Halve.\n3. Stop.", ["1. Add. ", "2. Halve.\n", "3. Stop."]),
        ("Step 1. Add.\n**2.** Halve.", ["Step 1. Add.\n", "**2.** Halve."]),
        ('He said "go." (So I went.) *Really?* Yes.', ['He said "go." ', "(So I went.) ", "*Really?* ", "Yes."]),
        ("Well... no", ["Well... ", "no"]),
        ("one\n\n \ntwo\r\nthree", ["one\n\n \n", "two\r\n", "three"]),
        ("So:\n```python\nx = 1. if a else 2\n\ny\n```\nDone. Yes.",
         ["So:\n", "```python\n", "x = 1. if a else 2\n\n", "y\n", "```\n", "Done. ", "Yes."]),
        ("So:\n    print('Hi. You')\nYes.", ["So:\n", "    print('Hi. You')\n", "Yes."]),
        ("三加四是七。所以是七！对", ["三加四是七。", "所以是七！", "对"]),  # noqa: RUF001
        ("\n \nOne.", ["\n \nOne."]),
        ("  ", ["  "]),
        ("", []),
    ],
)  # fmt: skip
def test_a_text_in_steps(text, found):
    assert steps(text) == found


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from(" \n\t\r.!?。1a`#*\"'\u2028é😀-("), max_size=60) | st.text())
def test_joined_they_are_the_text(text):
    found = steps(text)
    assert "".join(found) == text
    assert all(step.strip() for step in found) or len(found) == 1


@pytest.mark.parametrize("piece", [".", ". ", '"', '."', "\n", " \n", "#", "1. ", "```\n", ".  "])
def test_a_long_row_of_anything_is_no_trap(piece):
    text = piece * 30_000  # by a rule that looks back over all of it, this would take an hour
    assert "".join(steps(text)) == text
