"""What `math` takes for the same answer, what it does not, and what it finds in texts."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twt_core.errors import TwtError
from twt_core.records import Query
from twt_plugins.task_evaluators import algebra
from twt_plugins.task_evaluators.math import Math

QUERY = Query(id="1", query="How many?")
MATH = Math()

SAME = [
    ('"350" apples were found', "350"),
    ('1/2', '0.5'), ('2 1/2', '2.5'), ('1,000', '1000'), ('5 km', '5'), ('$5', '5.00'), ('€20', '20'),
    ('50%', '0.5'), ('50%', '50'), ('50\\%', '50'), ('\u22125', '-5'), ('1e3', '1000'), ('$7$', '7.'), ('.5', '0.5'),
    ('0.3333333', '1/3'), ('5\\text{ cm}', '5'), ('2\\frac{1}{2}', '2.5'), ('2½', '2.5'), ('½', '0.5'),
    ('\\frac12', '0.5'), ('\\dfrac{3}{4}', '0.75'), ('-\\frac{1}{2}', '-0.5'), ('\\frac{-1}{2}', '-0.5'),
    ('1.5 \\times 10^3', '1500'), ('1.5\u00d710³', '1500'), ('1.5e3', '1500'), ('1.5 x 10^{3}', '1,500'),
    ('10^3', '1000'), ('1{,}000', '1000'), ('1\\,000', '1000'), ('1 000 000', '1000000'), ('1,00,000', '100000'),
    ("1'000", '1000'), ('$1,234.50', '1234.5'), ('\\$1{,}234.50', '1234.50'), ('1234.500', '1234.5'),
    ('$18', '18 dollars'), ('USD 18', '18'), ('£18.00', '18'), ('Rs. 500', '500'), ('18 dollars per day', '18'),
    ('$18 per day', '18'), ('$40/hour', '40'), ('60 km/h', '60'), ('60 miles per hour', '60'), ('5 cm^2', '5'),
    ('5 cm²', '5'), ('25 sq. ft.', '25'), ('90^\\circ', '90'), ('90°', '90'), ('25°C', '25'), ('x = 5', '5'),
    ('x=5', '5'), ('total = 18 dollars', '18'), ('2 + 3 = 5', '5'), ('3 \\times 6 = 18', '18'),
    ('The total is 18', '18'), ('about 18', '18'), ('≈18', '18'),
    ("she makes $18 every day at the farmers' market", '18'), ('18 eggs (20 - 2)', '18'), ('70 (45 + 25)', '70'),
    ('10 more pages', '10'), ('20-year', '20'), ('5km', '5'), ('500g', '500'), ('5 hours.', '5'),
    ('50 percent', '50%'), ('3 million', '3000000'), ('3 million', '3'), ('1.45 million dollars', '1,450,000'),
    ('seven', '7'), ('Twenty-five', '25'), ('six books', '6'), ('2 and a half', '2.5'), ('2 and 1/2 hours', '2.5'),
    ('2:00 pm', '2'), ('2:00 PM', '2 p.m.'), ('3:30 PM', '3:30 p.m.'), ('\\boxed{5}', '5'), ('\\(5\\)', '5'),
    ('**5**', '5'), ('(5)', '5'), ('5.0', '5'), ('005', '5'), ('+5', '5'), ('5th', '5'), ('\\frac{1}{2}', '0.5'),
    ('3\\pi', '$3\\pi$'), ('(1,2)', '(1, 2)'), ('\\sqrt{2}', '2^{1/2}'), ('x^{2}+1', '1+x^2'), ('\\sqrt{16}', '4'),
    ('(43 - 21)', '22'), ('5, 7', '7, 5'), ('\\{5,7\\}', '5, 7'), ('x>5', '5<x'), ('\\infty', '\\infty'),
    ('\\frac{x}{2}', 'x/2'), ('\\log_2 8', '3'), ('22/7', '\\frac{22}{7}'), ('100,200', '100200'),
    ('(100,200)', '(100, 200)'), ('\\left(1,2\\right)', '(1,2)'), ('No solution', 'no solution'), ('yes', 'Yes'),
    ('2^{10}', '1024'), ('\\frac{1}{2}x', '\\frac{x}{2}'), ('5!', '120'), ('\\text{5 apples}', '5'),
    ('5 \\text{ apples}', '5'), ('12 \\mathrm{~cm}', '12'), ('$\\$18$', '18'), ('18\\$', '18'), ('18$', '18'),
    ('1/3 cup', '\\frac13'), ('x=\\frac{1}{2}', '0.5'), ('x = 5', 'x=5'), ('x = 5', 'x=5.0'), ('0', '-0'),
    ('0.0', '0'), ('1.0e-3', '0.001'), ('1/1', '1'), ('8/2', '4'), ('99,999,999,999,999,999', '99999999999999999'),
    ('2,5', '(2, 5)'), ('\uff15', '5'), ('18 dollars, since 9 * 2 = 18', '18'), ('18, because 9 * 2 = 18', '18'),
    ('\\frac{5}{2} hours', '2.5'), ('two thirds', '2/3'), ('three quarters', '0.75'), ('3 quarters', '3'),
    ('one half', '0.5'), ('a third', '1/3'), ('3/4 of the cake', '0.75'), ('70 goats', '70'), ('exactly 5', '5'),
    ('$5 million', '5000000'), ('12 m/s', '12'), ('1 hour', '1'), ('37 buses are needed to take the trip', '37'),
    ('66 x 28 = 1,848', '1848'), ('4 apples more than peaches', '4'),
    ('12 large planks + 17 small planks = 29 planks total', '29'), ('one', '1'), ('4 1/2%', '4.5%'),
]  # fmt: skip

DIFFERENT = [
    ('50%', '5000%'), ('-5', '5'), ('12 apples', '13 apples'), ('.5', '5'), ('0.33', '1/3'), ('1000000', '1000001'),
    ('3:30', '3:45'), ('yes', 'no'), ('9^{9^{9^9}}', '3'), ('9**9**9**9', '3'), ('((9^999)^999)^999', '3'),
    ('99999!', '3'), ('3\\pi', '3'), ('(1,2)', '(2,1)'), ('5x', '5'), ('5 x', '5'), ('\\frac{', '1'), ('1/0', '2'),
    ('1/0', '1/0x'), ('x=5', 'y=5'), ('x = 5', 'x = 6'), ('5 or 7', '5'), ('5 and 7', '5'), ('5, 7', '5'),
    ('\\pm 3', '3'), ('[1,2]', '(1,2)'), ('x>5', 'x<5'), ('3x+2y=5', '5'), ('12 eggs and 5 ducks', '12'),
    ('12 eggs and 5 ducks', '5'), ('half of 10', '10'), ('twice 5', '5'), ('less than 5', '5'), ('at least 5', '5'),
    ('more than 5', '5'), ('5 to 7', '5'), ('5-7', '5'), ('5-7', '7'), ('2 hours 30 minutes', '2'),
    ('2 hours and 30 minutes', '2'), ('5 out of 10', '10'), ('1/2 of 10', '10'), ('not 5', '5'), ('x', 'X'),
    ('x', '5'), ('3 sqrt 2', '3'), ('3 log 2', '3'), ('0.999999', '1'), ('3.14159', '\\pi'), ('22/7', '\\pi'),
    ('1.000', '1000'), ('10', '100'), ('1', '11'), ('1,000', '1'), ('1,000', '10'), ('2 1/2', '1'),
    ('2 1/2', '1/2'), ('2\\frac{1}{2}', '1'), ('5^2', '5'), ('52', '5^2'), ('5 squared', '5'), ('5²', '5'),
    ('5²', '52'), ('10^3', '10'), ('10^3', '103'), ('3 million', '3 thousand'), ('3 million', '30'), ('', '5'),
    ('', '0'), ('none', '0'), ('.', '0'), ('$', '0'), ('%', '0'), ('-', '0'), ('/', '0'), ('1/', '1'),
    ('five or six', '5'), ('between 3 and 5', '5'), ('x < 5', '5'), ('x \\le 5', '5'), ('5%', '0.5'),
    ('0.05%', '5'), ('12:30', '12'), ('2:30 pm', '2'), ('(100,200)', '100200'), ('abc', 'abd'),
    ('no solution', '5'), ('5+', '5'), ('5=6', '5'), ('2x=10', '10'), ('\\{1,2\\}', '\\{1,3\\}'), ('3 pi', '3'),
    ('-1/2', '1/2'), ('5 minus 2', '5'), ('5 choose 2', '5'), ('10-5', '10'), ('1 1/2', '11/2'), ('100 000', '100'),
    ('3 times 4', '3'), ('3 times 4', '4'), ('H2O', '2'), ('A1', '1'), ('5x^2', '5'), ('x5', '5'), ('5 - x', '5'),
    ('2i', '2'), ('5ab', '5'), ('999999999999999999999999999999', '999999999999999999999999999998'), ('1e5', '1e6'),
    ('1e-5', '2e-5'), ('1e99', '1e98'), ('\\infty', '5'), ('\\frac{1}{3}', '0.3'), ('7 of 9', '9'),
    ('up to 5', '5'), ('5 or more', '5'), ('less than 5 apples', '5'), ('1 cracker and 1 cake', '1'),
    ('25 apples and 9 peaches', '25'), ('3x = 9', '9'), ('the square root of 16', '16'),
]  # fmt: skip


@pytest.mark.parametrize(("one", "two"), SAME)
def test_the_same_value_however_it_is_written(one, two):
    assert MATH.same(one, two, QUERY)
    assert MATH.same(two, one, QUERY)


@pytest.mark.parametrize(("one", "two"), DIFFERENT)
def test_another_value_is_another_answer(one, two):
    assert not MATH.same(one, two, QUERY)
    assert not MATH.same(two, one, QUERY)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("6 * 3 = 18\n#### 18", "18"),
        ("#### 1. Add\n2 + 3 = 5\nThe answer is: 5", "5"),
        ("6 * 3 = <<6*3=18>>18\n#### $1,800\n\nQuestion: What is 2 + 2?\nAnswer: 4", "$1,800"),
        ("It is $\\boxed{18}$ in all.", "18"),
        ("Either $\\boxed{3}$ or $\\boxed{5}$.", "3 and 5"),
        ("The answer is:\n\\[\n\\boxed{18}\n\\]", "18"),
        ("The answer is:\n\\[\nx = 18\n\\]\nsince 6 * 3 is 18.", "x = 18"),
        ("So the most likely answer is 18. It is even.", "18"),
        ("The answer would be 18.", "18"),
        ("The best answer is the profit.\nThus:\n\\boxed{18}", "18"),
        ("Final answer: How many is it?\nThe answer is 18.", "18"),
        ('{"reasoning": "6 * 3", "answer": 18}', "18"),
        ('He adds.\n\n"answer": "18"\n}\n```', "18"),
        ("6 times 3 makes 18 rolls.", "18"),
        ("That leaves $1,234.50 for him.", "$1,234.50"),
        ("It falls by -3.5 degrees", "-3.5"),
        ("10 - 5", "5"),
        ("So 3/4 of it", "3/4"),
        ("It is \\frac{3}{4}.", "\\frac{3}{4}"),
        ("He needs 47 1/4 hours.", "47 1/4"),
        ("They start at 2:00 pm.", "2:00 pm."),
        ("1. Add 2 and 3: it is 5.\n2. The answer is the sum that we found.", "5"),
        ("They had 7 rolls.\nScore: 0.95", "7"),
        ("She comes in 6th.", "6"),
        ("Here is how to find the answer:\n\n**Job A:**\n3 * 4 = 12", "12"),
        ("It is 5.\nThe answer is the sum that we found.\nScore: 0.9", "5"),
        ('So, "answer": "350" apples were found.', '"350" apples were found'),
        ("The H2O in x2", None),
        ("7 rolls.\nThe answer is: ", None),
        ("nothing", None),
        ("", None),
    ],
)
def test_the_answer_in_a_text(text, label):
    assert MATH.read(text, QUERY).label == label


def test_without_a_last_number_if_so_wanted():
    strict = Math(unannounced=False)
    assert strict.read("6 times 3 makes 18 rolls.", QUERY).label is None
    assert strict.read("6 times 3\n#### 18", QUERY).label == "18"


def test_a_found_number_leaves_the_rationale_whole():
    assert MATH.read("Thinking: 6 times 3 makes 18 rolls.", QUERY).rationale == "6 times 3 makes 18 rolls."


def test_what_another_harness_calls_reasoning_is_the_rationale():
    text = json.dumps({"reasoning": "6 * 3", "answer": "18"})
    assert MATH.read(text, QUERY).rationale == "6 * 3"


_PIECES = [
    "1", ",", " ", "-", "$", "\\frac{1}{2}", "\\frac", "{", "}", "(", ")", "/", ".", "e9", "%", "^", "x", "=", "and ",
    "\\text{a}", "\\boxed{", "the answer is ", "#### 1\n", "\n", "half ", "\u00bd", "\u00b2", "twenty ", "because ",
    "1:00", "!", "\\sqrt", "\ud800",
]  # fmt: skip
_JUNK = st.lists(st.sampled_from(_PIECES) | st.text(max_size=3), max_size=12).map("".join)


@given(_JUNK, _JUNK)
@settings(deadline=None, max_examples=150)
def test_junk_is_read_and_compared(one, two):
    MATH.read(one, QUERY)
    assert MATH.same(one, two, QUERY) == MATH.same(two, one, QUERY)
    assert MATH.same(one, one, QUERY)


@pytest.mark.parametrize(
    "piece",
    ["1", "1,", "1 ", "{", "(", "((1)", "\\frac{", "\\boxed{1} and ", "a ", "1. a\n", "$", "= ", "\\text{", "\n"],
)
def test_a_megabyte_is_read_at_once(piece):
    text = piece * (1_000_000 // len(piece))
    assert MATH.read(f"The answer is: 7\n{text[:1000]}", QUERY).label == "7"
    label = MATH.read(text, QUERY).label
    assert label is None or not MATH.same(label, "\\pi", QUERY)
    assert not MATH.same(text, "7", QUERY)


def test_a_comparison_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(algebra, "SECONDS", 0.3)
    hard = "+".join(f"\\frac{{x^{n}-1}}{{x^{n + 1}-1}}" for n in range(1, 9))
    assert not algebra._WORKER.equal(hard, "\\sin(" * 8 + "x" + ")" * 8 + "^{99}")
    assert algebra._WORKER.equal("\\frac{1}{2}", "0.5")


def test_a_process_that_does_not_answer_is_ended(monkeypatch):
    algebra._WORKER.end()
    monkeypatch.setattr(algebra, "PATIENCE", 0.0)  # less than it takes to start
    assert not algebra._WORKER.equal("\\frac{1}{2}", "0.5")
    monkeypatch.undo()
    assert algebra._WORKER.equal("\\frac{1}{2}", "0.5")


def test_one_that_somebody_killed_is_started_again():
    algebra._WORKER.equal("1", "1")
    algebra._WORKER._process.kill()
    assert algebra._WORKER.equal("\\frac{1}{2}", "0.5")


def test_no_math_verify_is_no_verdict(monkeypatch, tmp_path):
    (tmp_path / "math_verify.py").write_text("raise ImportError")
    algebra._WORKER.end()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(TwtError, match="math-verify installed"):
        algebra._WORKER.equal("1", "1")


def test_several_threads_compare_at_once():
    found = []
    pairs = [(f"\\sqrt{{{n * n}}}", str(n)) for n in range(2, 10)]
    threads = [threading.Thread(target=lambda pair=pair: found.append(algebra.equal(*pair))) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * len(pairs)


@pytest.mark.parametrize(
    "text", ["9^{9^{9^9}}", "9**9**9**9", "((9^999)^999)^999", "99999!", "7" * 500, "{" * 150, "\\int x"]
)
def test_what_is_too_costly_is_not_tried(text, monkeypatch):
    monkeypatch.setattr(algebra._Worker, "equal", lambda *_: pytest.fail("tried"))
    assert not MATH.same(text, "\\sqrt{2}", QUERY)
