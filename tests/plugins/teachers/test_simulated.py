"""The simulated teacher: what is measured over 2,000 queries is what its options say, within binomial bounds."""

from __future__ import annotations

import asyncio
import json
import math
from functools import cache
from itertools import combinations
from statistics import fmean

import project
import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from twt_core.components import TaskEvaluator, Teacher
from twt_core.errors import InputError, TeacherError
from twt_core.records import Query
from twt_core.rows import read_queries
from twt_plugins.teachers.known_answers import KnownAnswer, KnownAnswers
from twt_plugins.teachers.simulated import Simulated

COUNT = 2000
#: Five standard deviations: one test in two million fails by chance, and none by chance again, since the seed is fixed.
SIGMAS = 5

ROWS = [
    {"id": f"q{n}", "query": "?", "answer": str(n), "family": ("sums", "products")[n % 2], "note": 1}
    for n in range(COUNT)
]
EXACT = TaskEvaluator.model_validate({"use": "exact_match"})


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    return project.write_rows(tmp_path_factory.mktemp("answers") / "a.jsonl", ROWS)


@pytest.fixture
def teacher(answers):
    def build(**options):
        return Simulated(**{"name": "sim", "answers": answers, "words": 8, **options})

    return build


def ask(teacher, query_id="q7", purpose="answer", sample=0):
    request = samples.request(query_id, teacher.name, purpose).model_copy(update={"sample": sample})
    return asyncio.run(teacher.complete(request))


@cache
def readings_by(options, sample):
    teacher = Teacher.model_validate(json.loads(options))

    async def all_of_them():
        return [
            await teacher.complete(samples.request(row["id"], teacher.name).model_copy(update={"sample": sample}))
            for row in ROWS
        ]

    return [EXACT.read(answer.text, samples.QUERY) for answer in asyncio.run(all_of_them())]


def readings(teacher, sample=0):
    return readings_by(teacher.model_dump_json(), sample)


def wrongs(read):
    return [reading.label != row["answer"] for reading, row in zip(read, ROWS, strict=True)]


def near(measured, expected, count=COUNT):
    return abs(measured - expected) <= SIGMAS * math.sqrt(max(expected * (1 - expected), 1e-4) / count)


@pytest.mark.parametrize(
    ("rate", "resolution"), [(0.0, 0.3), (0.05, 0.3), (0.3, 0.0), (0.3, 0.3), (0.3, 1.0), (1.0, 0.3)]
)
def test_the_share_of_wrong_answers_is_the_error_rate(teacher, rate, resolution):
    assert near(fmean(wrongs(readings(teacher(error_rate=rate, resolution=resolution)))), rate)


def test_each_family_has_its_own_error_rate(teacher):
    wrong = wrongs(readings(teacher(error_rate=0.1, family_error_rates={"products": 0.4})))
    assert near(fmean(wrong[0::2]), 0.1, COUNT / 2)
    assert near(fmean(wrong[1::2]), 0.4, COUNT / 2)


def gap(read, wrong):
    """Mean of confidence minus accuracy, with its sign: the calibration error where all gaps have one sign."""
    return fmean(reading.score - (not is_wrong) for reading, is_wrong in zip(read, wrong, strict=True))


def ece(read, wrong, bins=10):
    """Expected calibration error (Guo et al., 2017)."""
    cells = [[] for _ in range(bins)]
    for reading, is_wrong in zip(read, wrong, strict=True):
        cells[min(bins - 1, int(reading.score * bins))].append(reading.score - (not is_wrong))
    return sum(abs(sum(cell)) for cell in cells) / len(read)


@pytest.mark.parametrize("overconfidence", [-0.5, 0.0, 0.5, 1.0])
def test_calibration_is_what_the_options_say(teacher, overconfidence):
    rate = 0.3
    read = readings(teacher(error_rate=rate, resolution=0.3, overconfidence=overconfidence))
    wrong = wrongs(read)
    expected = overconfidence * (rate if overconfidence > 0 else 1 - rate)
    noise = SIGMAS * math.sqrt(rate * (1 - rate) / COUNT)
    assert abs(gap(read, wrong) - expected) <= noise
    assert abs(ece(read, wrong) - abs(expected)) <= noise


def test_calibrated_means_so_at_every_confidence(teacher):
    read = readings(teacher(error_rate=0.3, resolution=0.3))
    wrong = wrongs(read)
    for low in range(10):
        cell = [(r.score, w) for r, w in zip(read, wrong, strict=True) if low <= r.score * 10 < low + 1]
        assert not cell or near(1 - fmean(w for _, w in cell), fmean(c for c, _ in cell), len(cell))


def test_resolution_is_the_share_of_the_uncertainty_that_the_confidence_resolves(teacher):
    for resolution in (0.0, 0.3, 1.0):
        read = readings(teacher(error_rate=0.3, resolution=resolution))
        scores, right = [r.score for r in read], [not w for w in wrongs(read)]
        explained = fmean((score - 0.7) ** 2 for score in scores) / (0.3 * 0.7)
        assert explained == pytest.approx(resolution, abs=0.05)
        separation = fmean(s for s, r in zip(scores, right, strict=True) if r) - fmean(
            s for s, r in zip(scores, right, strict=True) if not r
        )
        assert separation == pytest.approx(resolution, abs=0.05)


def pairs_of_wrong(teacher, **options):
    """Labels of two teachers where both are wrong."""
    ann, ben = (readings(teacher(name=name, error_rate=0.5, **options)) for name in ("ann", "ben"))
    both = zip(ann, ben, wrongs(ann), wrongs(ben), strict=True)
    return [(one.label, other.label) for one, other, first, second in both if first and second]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_wrong_answers_are_shared_as_often_as_said(teacher, share):
    pairs = pairs_of_wrong(teacher, shared_errors=share)
    by_chance = (1 - share) ** 2 / 19  # of twenty wrong numbers, one is the shared one
    assert near(fmean(one == other for one, other in pairs), share**2 + by_chance, len(pairs))


def test_difficulty_makes_teachers_wrong_together_and_changes_no_rate(teacher):
    alone = len(pairs_of_wrong(teacher))
    together = len(pairs_of_wrong(teacher, shared_difficulty=0.9))
    assert near(alone / COUNT, 0.25)
    assert together / COUNT > 0.33
    assert near(fmean(wrongs(readings(teacher(error_rate=0.5, shared_difficulty=0.9)))), 0.5)


def test_rationales_have_the_words_they_should(teacher):
    for words in (5, 60):
        lengths = [len(r.rationale.split()) for r in readings(teacher(words=words))]
        assert fmean(lengths) == pytest.approx(words, rel=0.05)
        assert max(lengths) > min(lengths)


def test_samples_differ_and_have_the_same_rate(teacher):
    first, second = (readings(teacher(error_rate=0.3), sample) for sample in (0, 1))
    assert [r.label for r in first] != [r.label for r in second]
    assert near(fmean(wrongs(second)), 0.3)
    assert [r.score for r in first] == [r.score for r in second], "the chance is the query's, not the sample's"


def test_the_same_is_said_again_and_another_name_or_seed_says_otherwise(teacher):
    assert ask(teacher()) == ask(teacher())
    assert len({ask(t).text for t in (teacher(), teacher(name="other"), teacher(seed=1))}) == 3


def test_a_rewrite_is_shorter_and_keeps_the_answer(teacher):
    for number in range(50):
        answer, rewrite = (EXACT.read(ask(teacher(), f"q{number}", purpose).text, samples.QUERY)
                           for purpose in ("answer", "rewrite"))  # fmt: skip
        assert rewrite.label == answer.label
        assert len(rewrite.rationale.split()) == len(answer.rationale.split()) // 2
        assert rewrite.score is None


def test_log_probs_are_of_the_texts_tokens_and_speak_of_the_confidence(teacher):
    for number in range(50):
        answer = ask(teacher(logprobs=True), f"q{number}")
        assert "".join(token.token for token in answer.logprobs) == answer.text
        assert all(math.isfinite(token.logprob) and token.logprob <= 0 for token in answer.logprobs)
        mean = math.exp(fmean(token.logprob for token in answer.logprobs))
        assert mean == pytest.approx(EXACT.read(answer.text, samples.QUERY).score, abs=1e-5)
        assert answer.usage.completion_tokens == len(answer.logprobs)
    assert ask(teacher()).logprobs is None


def test_it_says_what_it_cannot(teacher, answers):
    with pytest.raises(TeacherError, match="cannot judge") as failed:
        ask(teacher(), purpose="grade")
    assert failed.value.retry == "never"
    with pytest.raises(TeacherError, match=r"no answer to this query is known in a\.jsonl"):
        ask(teacher(), "elsewhere")
    asked = [Query(id=f"x{n}", query="?") for n in range(12)]
    with pytest.raises(InputError, match=r"'sim' knows no answer to 12 of 13 queries: x0, .* x9 and 2 more\. Add"):
        teacher().preflight([Query(id="q1", query="?"), *asked])
    with pytest.raises(InputError, match=r"no row of the family 'product'\. Did you mean \"products\""):
        teacher(family_error_rates={"product": 0.4}).preflight([])
    teacher(family_error_rates={"products": 0.4}).preflight([Query(id="q1", query="?")])
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        teacher(family_error_rates={"products": 1.4})
    assert Simulated.simulated


def test_more_rows_leave_known_answers_known(tmp_path):
    path = project.write_rows(tmp_path / "a.jsonl", ROWS[:5])
    longer = project.write_rows(tmp_path / "b.jsonl", ROWS[:9])
    one, other = (Simulated(name="sim", answers=file) for file in (path, longer))
    for query in ("q1", "q4"):
        asked = samples.request(query, "sim")
        assert one.canonical_request(asked) == other.canonical_request(asked)
    assert one.canonical_request(samples.request("q8")) != other.canonical_request(samples.request("q8"))
    assert one.canonical_request(samples.request("q1")) != one.canonical_request(samples.request("q2"))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"id": "q1"}, "a.jsonl:2 answer: Field required"),
        ({"id": "q1", "answer": ""}, "a.jsonl:2 answer: "),
        ({"id": "q1", "answer": "E", "choices": ["x", "y"]}, "a.jsonl:2 answer: must be one of two or more choices"),
        ({"id": "q1", "answer": "x", "choices": ["x"]}, "a.jsonl:2 answer: must be one of two or more choices"),
        ({"id": "q0", "answer": "1"}, "a.jsonl:2: a second answer to query 'q0'"),
    ],
)
def test_a_bad_answer_is_refused_with_its_line(tmp_path, row, says):
    path = project.write_rows(tmp_path / "a.jsonl", [{"id": "q0", "answer": "1"}, row])
    with pytest.raises(InputError) as error:
        Simulated(name="sim", answers=path).preflight([])
    assert says in str(error.value)


def test_queries_with_several_answers_or_numbers_will_do(tmp_path):
    rows = [{"id": 1, "query": "?", "answer": ["Ben", "Benjamin"]}, {"id": "2", "query": "?", "answer": 3.5},
            {"id": "3", "query": "?", "answer": 7, "choices": [5, 7]}]  # fmt: skip
    path = project.write_rows(tmp_path / "a.jsonl", rows)
    teacher = Simulated(name="sim", answers=path, error_rate=0.0)
    teacher.preflight(read_queries(path, EXACT))
    labels = [EXACT.read(ask(teacher, name).text, samples.QUERY).label for name in ("1", "2", "3")]
    assert labels == ["Ben", "3.5", "B"]


def test_wrong_answers_of_a_choice_are_other_letters():
    known = KnownAnswers({}, ())
    for answer in ("B", "river"):
        assert known.wrong(KnownAnswer(id="q", answer=answer, choices=("bank", "river", "sea"))) == ["A", "C"]
    words = KnownAnswers({}, ("yes", "no", "Yes"))
    assert words.wrong(KnownAnswer(id="q", answer="yes")) == ["no"]
    assert known.wrong(KnownAnswer(id="q", answer="yes")) == ["not yes"]


@given(st.one_of(st.integers(-10**9, 10**9).map(str), st.decimals(-999, 999, places=2).map(str),
                 st.fractions(-9, 9, max_denominator=12).map(str)))  # fmt: skip
def test_wrong_numbers_are_wrong_by_value(answer):
    math_task = TaskEvaluator.model_validate({"use": "math"})
    wrong = KnownAnswers({}, ()).wrong(KnownAnswer(id="q", answer=answer))
    assert len(set(wrong)) == 20
    assert not any(math_task.same(other, answer, samples.QUERY) for other in wrong)


def test_texts_are_read_back_by_every_task(tmp_path):
    rows = [{"id": f"q{n}", "answer": "ABC"[n % 3], "choices": ["x", "y", "z"]} for n in range(30)]
    teacher = Simulated(name="sim", answers=project.write_rows(tmp_path / "a.jsonl", rows), error_rate=0.0)
    task = TaskEvaluator.model_validate({"use": "multiple_choice"})
    for row in rows:
        query = Query(id=row["id"], query="?", choices=tuple(row["choices"]))
        assert task.read(ask(teacher, row["id"]).text, query).label == row["answer"]
    texts = [json.dumps(ask(teacher, row["id"]).text) for row in rows]
    assert all(one != other for one, other in combinations(texts, 2))


def test_an_answer_with_tests_is_a_program_and_a_wrong_one_another_program(tmp_path):
    rows = [
        {"id": f"c{n}", "answer": f"def f{n}(x):\n    return x + {n}", "tests": [f"assert f{n}(1) == {n + 1}"]}
        for n in range(20)
    ]
    path = project.write_rows(tmp_path / "a.jsonl", rows)
    task = TaskEvaluator.model_validate({"use": "python_function"})
    programs = {row["answer"] for row in rows}
    for wrong in (0.0, 1.0):
        teacher = Simulated(name="sim", answers=path, error_rate=wrong)
        for row, purpose in ((row, purpose) for row in rows for purpose in ("answer", "rewrite")):
            found = task.read(ask(teacher, row["id"], purpose).text, Query(id=row["id"], query="?", tests=("",)))
            assert found.label in programs and (found.label != row["answer"]) == bool(wrong)
            assert found.rationale and "def" not in found.rationale


def test_a_wrong_answer_is_one_to_a_question_of_the_same_task(tmp_path):
    rows = [{"id": f"{task}{n}", "answer": f"{task} {n}", "task": task} for n in range(5) for task in ("one", "two")]
    rows.append({"id": "three", "answer": "three", "task": ["no name"]})
    teacher = Simulated(name="sim", answers=project.write_rows(tmp_path / "a.jsonl", rows), error_rate=1.0)
    for row in rows[:-1]:
        label = EXACT.read(ask(teacher, row["id"]).text, samples.QUERY).label
        assert label.startswith(row["task"]) and label != row["answer"]
    assert EXACT.read(ask(teacher, "three").text, samples.QUERY).label == "not three"
