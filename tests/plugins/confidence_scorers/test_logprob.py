import math

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from twt_plugins.confidence_scorers.logprob import Logprob

SURE, UNSURE = math.log(0.99), math.log(0.3)


def score(logprobs, scorer=None, **annotation):
    row = samples.annotation(logprobs=logprobs, **annotation)
    [found] = (scorer or Logprob()).score([row], samples.context())
    return found


def of_answer(pieces, label, text=None, doubted=()):
    """The confidence of the answer where `doubted` pieces are unsure."""
    tokens = tuple((piece, UNSURE if i in doubted else SURE) for i, piece in enumerate(pieces))
    return score(tokens, Logprob(over="answer"), label=label, text="".join(pieces) if text is None else text)


def test_geometric_mean_of_the_token_probabilities():
    assert score((("a", math.log(0.5)), ("b", math.log(0.125)))) == pytest.approx(0.25)


def test_length_alone_changes_nothing():
    assert score((("a", -0.5),)) == pytest.approx(score((("a", -0.5),) * 100))


@pytest.mark.parametrize("over", ["whole", "answer", "local"])
def test_without_logprobs_no_confidence(over):
    assert score(None, Logprob(over=over)) is None
    assert score((), Logprob(over=over)) is None


@pytest.mark.parametrize("over", ["whole", "local"])
def test_it_stays_in_range(over):
    assert score((("a", 1e-9),), Logprob(over=over)) == 1.0  # a server's rounding
    assert score((("a", -1e6),), Logprob(over=over)) == 0.0


def test_local_is_the_least_likely_stretch():
    values = [-0.1, -0.1, -2.0, -1.0, -0.1, -0.1]
    tokens = tuple(("a", v) for v in values)
    assert score(tokens, Logprob(over="local", window=2)) == pytest.approx(math.exp(-1.5))
    assert score(tokens, Logprob(over="local", window=1)) == pytest.approx(math.exp(-2.0))
    assert score(tokens, Logprob(over="local", window=99)) == pytest.approx(score(tokens))


@given(st.lists(st.floats(-20, 0), min_size=1, max_size=40), st.integers(1, 50))
def test_local_is_the_smallest_of_all_windows(values, window):
    size = min(window, len(values))
    expected = min(sum(values[i : i + size]) / size for i in range(len(values) - size + 1))
    assert score(tuple(("a", v) for v in values), Logprob(over="local", window=window)) == pytest.approx(
        math.exp(expected), abs=1e-9
    )


ANSWERS = {
    "one token": (["Thinking: 7", " it is.\n", "The answer", " is:", " 7", "\nScore: 0.97"], "7", 4),
    "cut through by a token": (["The answer is", ": riv", "er\n", "Score: 0.9"], "river", 1),
    "a letter read out of a phrase": (["The answer is:", " (", "b", ")", " river"], "B", 2),
    "after an end token": (["The answer is:", " 7", "<|im_end|>"], "7", 1),
    "structured": (['{"rationale": "the answer is: 7, or', ' 8", "answer": "', "7", '", "scores": {}}'], "7", 2),
    "structured, with a quote": (['{"answer": "', '5\\"', '"}'], '5"', 1),
    "a number in a structure": (['{"answer"', ": ", "7", "}"], "7", 2),
    "boxed": (["So ", "\\boxed{", "7", "}"], "7", 2),
    "a factor named after it": (["The answer is: ", "7", "\nAnswer clarity: 0.9"], "7", 1),
    "bold": (["**The answer is:** ", "7", "."], "7", 1),
}


@pytest.mark.parametrize(("pieces", "label", "at"), ANSWERS.values(), ids=ANSWERS)
def test_the_answers_own_tokens(pieces, label, at):
    text = "".join(pieces).removesuffix("<|im_end|>")
    assert of_answer(pieces, label, text, doubted={at}) < 0.7
    others = set(range(len(pieces))) - {at}
    if label not in ("river", '5"'):  # those have a second token
        assert of_answer(pieces, label, text, doubted=others) == pytest.approx(0.99)


def test_an_answer_of_several_tokens_is_their_mean():
    assert of_answer(["The answer is:", " riv", "er"], "river", doubted={1}) == pytest.approx(math.sqrt(0.3 * 0.99))


NOT_FOUND = {
    "pieces in a byte notation": (["The", "Ġanswer", "Ġis:", "Ġ7"], "7", "The answer is: 7"),
    "another text": (["The answer is:", " 8"], "7", "The answer is: 7"),
    "a label that is not written": (["The answer is:", " seven"], "7", None),
    "part of a longer number": (["The answer is:", " 17"], "7", None),
    "no mark": (["It may be", " 7"], "7", None),
    "no label": (["The answer is:", " 7"], None, None),
}


@pytest.mark.parametrize(("pieces", "label", "text"), NOT_FOUND.values(), ids=NOT_FOUND)
def test_where_the_answer_is_not_found_there_is_no_confidence(pieces, label, text):
    assert of_answer(pieces, label, text) is None


@pytest.mark.parametrize("options", [{"over": "tail"}, {"window": 0}])
def test_bad_options_are_refused(options):
    with pytest.raises(ValidationError):
        Logprob(**options)
