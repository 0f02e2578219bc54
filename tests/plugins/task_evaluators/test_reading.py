import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twt_core.records import Reading
from twt_plugins.task_evaluators.reading import completion, read_parts

FACTORS = ("correctness", "logical_reasoning", "clarity", "completeness")


@pytest.mark.parametrize(
    ("text", "rationale", "label", "score"),
    [
        ("Thinking: a b.\nThe answer is: 11\nScore: 0.98", "a b.", "11", 0.98),
        ("a b.\nThe answer is: 11", "a b.", "11", None),
        ("**Thinking**: a.\n\n**The answer is**: `Mona`.\n\n**Score**: **0.95**", "a.", "Mona", 0.95),
        ("**Thinking:** a.\n**The answer is: 42**\nscore: .95", "a.", "42", 0.95),
        ("### Thinking\nfoo\n### Answer: bar\n### Score: 95%", "foo", "bar", 0.95),
        ("THINKING: a\r\nTHE ANSWER IS: b\r\nSCORE: 1", "a", "b", 1.0),
        ("a. The answer is 5. Score: 0.98", "a.", "5", 0.98),
        ("So, the answer is Mona. She is the shortest.", "", "Mona", None),
        ("Answer: X", "", "X", None),
        ("my final answer: 5", "my", "5", None),
        ("The answer is: $\\boxed{\\frac{1}{2}}$.\nScore: 0.98/1.00", "", "\\frac{1}{2}", 0.98),
        ("Thus $\\boxed{42}$.", "Thus", "42", None),
        ("The answer is: 1\nNo. The answer is: 2\nScore: 0.9", "The answer is: 1\nNo.", "2", 0.9),
        ("The answer is: 1\nScore: 0.9\nThis shows why the answer is not 2.", "", "1", 0.9),
        ("The answer is:\n42\nScore:\n0.5", "", "42", 0.5),
        ("The answer is:\n```\n42\n```", "", "42", None),
        ("The answer is: yes (Score: 0.9)", "", "yes", 0.9),
        ("The answer is: 9 p.m.\nScore: 0.9.", "", "9 p.m.", 0.9),
        ("The answer is: 3.5.", "", "3.5", None),
        ('The answer is: "face up"', "", "face up", None),
        ("The answer is\uff1a5\nScore\uff1a0.8", "", "5", 0.8),
        ("Sure! Here it is.\nThinking: a\nThe answer is: b", "a", "b", None),
        ("a.\nSo the most likely answer is Mona. She is short.", "a.", "Mona", None),
        ("a.\nThe correct answer would be Mona.", "a.", "Mona", None),
        ("a.\nThe answer is: \\[\n x = 5 \n\\]\nb", "a.", "x = 5", None),
        ("a.\nThe answer is $$5$$.", "a.", "5", None),
        ("So $\\boxed{3}$, $\\boxed{5}$.", "So", "3 and 5", None),
        ("\\boxed{3} is wrong.\nSo $\\boxed{5}$.", "\\boxed{3} is wrong.\nSo", "5", None),
        ("Final answer: Is it Mona?\nThe answer is yes.", "Final answer: Is it Mona?", "yes", None),
        ("The answer is B. The answer is not C.", "", "B", None),
        (
            "The best answer is that it depends.\nStill:\n\n\\boxed{5}",
            "The best answer is that it depends.\nStill:",
            "5",
            None,
        ),
        ('a\n"answer": "5"\n}', "a", "5", None),
        ("Thinking: a\nThe answer is: b\nScore: 0.9\n\nQuestion: c?\nThe answer is: d\nScore: 0.1", "a", "b", 0.9),
    ],
)
def test_what_models_write(text: str, rationale: str, label: str, score: float | None) -> None:
    found = read_parts(text, FACTORS)
    assert (found.rationale, found.label, found.score) == (rationale, label, score)


@pytest.mark.parametrize("text", ["", "Mona is the shortest.", "The answer is", "foo\nThe answer is:", "42"])
def test_no_label_is_guessed(text: str) -> None:
    assert read_parts(text).label is None


def test_without_an_answer_the_last_line_may_hold_the_score() -> None:
    assert read_parts("Thinking: foo\nScore: 0.7") == Reading(rationale="foo", score=0.7)
    assert read_parts("Thinking: Score: 0.7\nfoo").score is None


def test_an_answer_mark_without_an_answer_leaves_the_score() -> None:
    assert read_parts("a\nThe answer is:\nScore: 0.5") == Reading(rationale="a", score=0.5)


def test_a_score_inside_the_thinking_does_not_count() -> None:
    assert read_parts("Thinking: a good Score: 0.9 is hard\nThe answer is: b").score is None


@pytest.mark.parametrize(
    "score",
    [
        "high",
        "1.5",
        "-1",
        "-0",
        "nan",
        "inf",
        "0,98",
        "98",
        "150%",
        "1e-3",
        "0.9 * 0.5",
        "0.9-0.95",
        "9/0",
        "9" * 400,
        "",
    ],
)
def test_a_malformed_score_is_none(score: str) -> None:
    assert read_parts(f"The answer is: a\nScore: {score}").score is None


@pytest.mark.parametrize(
    ("score", "value"),
    [
        ("[0.98]", 0.98),
        ("(0.98)", 0.98),
        ("0.98 - good", 0.98),
        ("9/10", 0.9),
        ("1.", 1.0),
        ("0", 0.0),
        ("95 %", 0.95),
        ("0.95 out of 1.00", 0.95),
        ("0.95*0.5 + 1.0*0.5 = 0.97", 0.97),
        ("0.4\nScore: 0.6", 0.6),
    ],
)
def test_a_usable_score(score: str, value: float) -> None:
    assert read_parts(f"The answer is: a\nScore: {score}").score == pytest.approx(value)


def test_factors_by_their_names_and_only_from_0_to_1() -> None:
    text = "Clarity: 0.1\nThe answer is: a\nCorrectness (0.50): 0.95, logical reasoning: 1.00, clarity: 1.9\n"
    found = read_parts(text + "**Completeness score**: 50%\nTaste: 0.3\nTotal score: 0.9", FACTORS)
    assert found.factors == {"correctness": 0.95, "logical_reasoning": 1.0, "completeness": 0.5}
    assert (found.label, found.score) == ("a", 0.9)
    assert read_parts("The answer is: a\nCorrectness score: 0.9", FACTORS).score is None
    assert read_parts("The answer is: a\nclarity: 0.9").factors == {}


def test_no_rationale_is_the_answer_line_alone() -> None:
    assert completion(None, "a") == completion("", "a") == "The answer is: a"


_words = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=8)
_sentences = st.lists(st.lists(_words, min_size=1, max_size=6).map(" ".join), min_size=1, max_size=4)
_reserved = re.compile(
    r"answer|score|confidence|thinking|question|correctness|logical|clarity|completeness", re.IGNORECASE
)


@given(
    _sentences.map(lambda lines: ".\n".join(lines) + ".").filter(lambda text: not _reserved.search(text)),
    st.lists(_words, min_size=1, max_size=3).map(" ".join).filter(lambda text: not _reserved.search(text)),
    st.booleans(),
)
@settings(deadline=None)
def test_what_is_written_is_read_back(rationale: str, label: str, bare: bool) -> None:
    found = read_parts(completion(None if bare else rationale, label), FACTORS)
    assert found == Reading(rationale="" if bare else rationale, label=label)


@pytest.mark.parametrize(
    "rationale", ["It is C#", "Is it so? So the answer is 4, I think.\nYes", "a **b**", "So", "- x"]
)
def test_rationales_that_look_like_marks_are_read_back(rationale: str) -> None:
    assert read_parts(completion(rationale, "5")) == Reading(rationale=rationale, label="5")


_pieces = [
    "The answer is",
    "answer",
    "Score",
    "Thinking",
    "Question",
    "\\boxed{",
    "\\[",
    " and ",
    "?",
    "}",
    ":",
    "0.9",
    "%",
    "/",
    "**",
    "`",
    "$",
    "\n",
]


@given(st.lists(st.sampled_from(_pieces) | st.text(max_size=4), max_size=30).map("".join))
@settings(deadline=None)
def test_it_never_raises(text: str) -> None:
    read_parts(text, FACTORS)


def test_a_lone_surrogate_does_not_raise() -> None:
    assert read_parts("\ud800\nThe answer is: \ud800") == Reading(rationale="?", label="?")


@pytest.mark.parametrize(
    "piece",
    [
        "the answer ",
        "answer: ",
        "answer is: ",
        " ",
        "\n",
        "*",
        "`",
        "score: ",
        "score (",
        "\\boxed{",
        "(",
        "[",
        "a.",
        "$ .",
        "thinking ",
        "question:\n",
        "1",
        "thus ",
        "=",
        "clarity ",
    ],
)
@pytest.mark.parametrize("before", ["", "The answer is: ", "The answer is: a\nScore: "])
def test_a_megabyte_of_anything_takes_seconds_at_most(before: str, piece: str) -> None:
    text = before + piece * (1_000_000 // len(piece))
    started = time.process_time()
    read_parts(text, FACTORS)
    assert time.process_time() - started < 8  # a quadratic pattern takes hours
