from dataclasses import replace

import pytest
import samples
from pydantic import ValidationError

from twt_core.records import Draft, TokenLogprob
from twt_plugins.compressors.selective import Selective

TEXT = "Say it. Three and four are seven. So."


def drafts(*rationales):
    return [Draft(query=samples.QUERY, annotation=samples.annotation(rationale=text)) for text in rationales]


def student(*scored):
    """A context whose student gives each text's (token, self-information), and what it was asked."""
    asked = []

    def logprobs(pairs):
        asked.extend(pairs)
        return [[TokenLogprob(token, -surprise) for token, surprise in row] for row in scored[: len(pairs)]]

    return replace(samples.context(), student_logprobs=logprobs), asked


SURPRISES = [("Say", 3.0), (" it", 0.5), (".", 0.1), (" Three", 6.0), (" and", 0.2), (" four", 4.0), (" are", 0.3),
             (" sev", 2.0), ("en", 1.5), (".", 0.1), (" So.", 2.0)]  # fmt: skip


def kept(text=TEXT, scored=SURPRISES, **options):
    [made] = Selective(**options).compress(drafts(text), student(scored)[0])
    return made.rationale


def test_the_steps_with_most_information_a_token_stay():
    # Per token: 1.2, 2.01, 2.0
    assert kept(ratio=0.7) == "Three and four are seven. So."
    assert kept(ratio=0.34) == "Three and four are seven."


def test_a_word_has_the_information_of_its_tokens():
    # Say 3.0, it. 0.6, Three 6.0, and 0.2, four 4.0, are 0.3, seven. 3.6, So. 2.0
    assert kept(unit="word", ratio=0.5) == "Say Three four seven."
    assert kept(unit="word", ratio=0.13) == "Three"


def test_at_least_one_stays():
    assert kept(ratio=0.01) == "Three and four are seven."
    assert kept("Seven.", [("Seven.", 1.0)]) == "Seven."


def test_of_equal_ones_the_earlier():
    assert kept("It. Is. So. Now.", [(token, 1.0) for token in ("It.", " Is.", " So.", " Now.")]) == "It. Is."


def test_a_token_over_two_units_belongs_to_the_first_and_one_of_white_space_to_what_it_follows():
    scored = [("", 9.0), ("It", 1.0), (". Is", 5.0), (".", 0.0), ("\n\n", 2.0), ("So.", 1.5)]
    # It. 9 + 1 + 5, Is. 0 + 2, So. 1.5
    assert kept("It. Is.\n\nSo.", scored, unit="word", ratio=0.7) == "It. Is."


def test_the_student_is_asked_with_the_question_and_never_for_nothing():
    context, asked = student([("Seven.", 1.0)])
    made = Selective().compress(drafts("", "Seven.", " \n"), context)
    assert [row.rationale for row in made] == [None, "Seven.", None]
    assert {row.label for row in made} == {"7"}
    [(messages, text)] = asked
    assert (text, messages) == ("Seven.", context.task.student_messages(samples.QUERY.unlabeled()))
    assert Selective().compress([], replace(context, student_logprobs=None)) == []
    assert Selective.reads_logprobs
    assert not Selective.reads_student


def test_options_that_mean_nothing():
    for options in ({"ratio": 0}, {"ratio": 1}, {"unit": "token"}):
        with pytest.raises(ValidationError):
            Selective(**options)
