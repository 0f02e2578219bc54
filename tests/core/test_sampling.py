import pytest
import samples

from twt_core import sampling
from twt_core.components import ConfidenceScorer, DiversitySelector, QualityFilter
from twt_core.errors import PluginError, TwtError
from twt_core.records import Completion, Failed, Query
from twt_plugins.task_evaluators.exact_match import ExactMatch
from twt_plugins.teachers.replay import Replay

TASK = ExactMatch()
CONTEXT = samples.context(TASK)
QUERIES = [Query(id="q1", query="What is 3 plus 4?", answer="SECRET"), Query(id="q2", query="Is ice cold?")]
GOOD = "Thinking: Three and four.\nThe answer is: 7\nScore: 0.9"


class Answers:
    """A desk that answers from a list."""

    def __init__(self, *answers):
        self.answers = [Completion(text=a) if isinstance(a, str) else a for a in answers]

    def fetch(self, requests, totals):
        self.totals = totals
        self.places = {name: [(r.query_id, r.sample) for r in own] for name, own in requests.items()}
        return self

    def of(self, teacher, place):
        assert place < len(self.places[teacher])
        return self.answers.pop(0)


@pytest.fixture
def teachers(tmp_path):
    return [Replay(name=name, path=tmp_path / "r.jsonl") for name in ("ann", "ben")]


class Half(ConfidenceScorer):
    """One half; nothing for ben."""

    def score(self, annotations, context):
        return [None if a.teacher == "ben" else 0.5 for a in annotations]


class NotQ2(QualityFilter):
    """All but q2."""

    def judge(self, annotations, context):
        return ["second" if a.query_id == "q2" else None for a in annotations]


class Backwards(DiversitySelector):
    """All, the last first."""

    def select(self, pool, context):
        return list(reversed(pool))


def test_every_query_goes_to_every_teacher_without_its_answer(teachers):
    made = list(sampling.requests_for(QUERIES, teachers, TASK))
    assert [(r.query_id, r.teacher) for r in made] == [("q1", "ann"), ("q1", "ben"), ("q2", "ann"), ("q2", "ben")]
    assert {r.purpose for r in made} == {"answer"}
    assert "SECRET" not in repr(made)
    assert list(made[0].messages) == TASK.teacher_messages(QUERIES[0])


def test_one_annotation_a_call_in_order(teachers):
    desk = Answers(GOOD, Failed(cause="AuthenticationError: 401"), "", "The answer is: 7\nScore: 1")
    made = list(sampling.annotate({q.id: q.unlabeled() for q in QUERIES}, teachers, TASK, desk))
    assert [(a.query_id, a.teacher) for a in made] == [("q1", "ann"), ("q1", "ben"), ("q2", "ann"), ("q2", "ben")]
    assert (made[0].rationale, made[0].label, made[0].score, made[0].text) == ("Three and four.", "7", 0.9, GOOD)
    assert [a.failure for a in made] == [
        None,
        "AuthenticationError: 401",
        "no answer found in the text",
        "no rationale found in the text",
    ]


def test_a_teacher_is_asked_as_often_as_it_samples(tmp_path):
    teachers = [Replay(name="ann", path=tmp_path / "r.jsonl", samples=2), Replay(name="ben", path=tmp_path / "r.jsonl")]
    desk = Answers(*[GOOD] * 6)
    made = list(sampling.annotate({q.id: q.unlabeled() for q in QUERIES}, teachers, TASK, desk))
    assert [a.key for a in made][:3] == [("q1", "ann", 0), ("q1", "ann", 1), ("q1", "ben", 0)]
    assert desk.totals == {"ann": 4, "ben": 2}
    assert sampling.select(made, Backwards(), CONTEXT) == made  # equal texts of one teacher are two annotations


def test_a_text_that_was_cut_off_says_so(teachers):
    cut = [Completion(text="Thinking: Thr", finish_reason=reason) for reason in ("length", "content_filter", "stop")]
    made = sampling.annotate({q.id: q.unlabeled() for q in QUERIES}, teachers, TASK, Answers(*cut, GOOD))
    assert [a.failure for a in made] == [
        "no answer found in the text: it was cut off at the most tokens allowed (max_tokens)",
        "no answer found in the text: the provider's content filter ended it",
        "no answer found in the text",
        None,
    ]


def test_structured_answers_are_asked_for_with_their_schema(tmp_path):
    class Structured(Replay):
        """With a schema."""

        def answer_schema(self, task, query):
            return task.answer_schema(query)

    [made] = sampling.requests_for(QUERIES[:1], [Structured(name="ann", path=tmp_path / "r.jsonl")], TASK)
    assert made.json_schema["required"] == ["rationale", "answer", "scores"]
    assert made.json_schema["properties"]["scores"]["required"] == list(TASK.factor_weights(QUERIES[0]))
    assert made.messages[-1].content.startswith(TASK.teacher_messages(QUERIES[0])[-1].content)
    assert '"additionalProperties": false' in made.messages[-1].content


def test_a_task_without_a_schema_is_asked_for_a_text(tmp_path):
    class Structured(Replay):
        """With a schema, where there is one."""

        def answer_schema(self, task, query):
            return task.answer_schema(query)

    class Texts(type(TASK)):
        """Reads texts alone."""

        def answer_schema(self, query):
            return None

    teacher = Structured(name="ann", path=tmp_path / "r.jsonl")
    [made] = sampling.requests_for(QUERIES[:1], [teacher], Texts())
    assert made.json_schema is None
    assert list(made.messages) == Texts().teacher_messages(QUERIES[0])


def test_a_schema_that_is_none_names_the_teacher(tmp_path):
    class Wordy(Replay):
        """With a text for a schema."""

        def answer_schema(self, task, query):
            return "JSON, please"

    with pytest.raises(PluginError, match=r"Teacher '.*Wordy' returned str at position 0, expected dict or None"):
        list(sampling.requests_for(QUERIES[:1], [Wordy(name="ann", path=tmp_path / "r.jsonl")], TASK))


def test_a_failed_row_is_neither_scored_nor_judged_nor_selected():
    rows = [
        samples.annotation("q1", "ann"), samples.annotation("q1", "ben"),
        samples.annotation("q2", "ann"), samples.annotation("q2", "cai", failure="gone"),
    ]  # fmt: skip
    scored = sampling.score(rows, Half(), CONTEXT)
    assert [a.failure for a in scored] == [None, "no usable confidence", None, "gone"]
    assert [a.confidence for a in scored][::2] == [0.5, 0.5]
    kept = sampling.keep(scored, NotQ2(), CONTEXT)
    assert [a.rejection for a in kept] == [None, None, "second", None]
    assert sampling.select(kept, Backwards(), CONTEXT) == [kept[0]]
    assert len(kept) == len(rows)  # no row is lost


def test_g_is_ordered_as_it_came():
    pool = samples.pool({"q1": "abc", "q2": "a"})
    assert sampling.select(pool, Backwards(), CONTEXT) == pool


def test_nothing_in_nothing_out():
    assert sampling.score([], Half(), CONTEXT) == sampling.keep([], NotQ2(), CONTEXT) == []


def test_nothing_to_select_from_says_why():
    rows = [samples.annotation(rejection="too short")] * 2 + [samples.annotation(failure="gone")]
    with pytest.raises(TwtError, match=r"no annotation was kept.*: 2 x too short; 1 x gone"):
        sampling.select(rows, Backwards(), CONTEXT)
