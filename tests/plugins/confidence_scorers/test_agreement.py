import pytest
import samples

from twt_core.records import Query
from twt_plugins.confidence_scorers.agreement import Agreement
from twt_plugins.task_evaluators.math import Math


def score(rows, own=False, task=None):
    """Of ``(teacher, label)`` rows, all to one query."""
    annotations = [samples.annotation(teacher=t, label=label, sample=i) for i, (t, label) in enumerate(rows)]
    return Agreement(own=own).score(annotations, samples.context(task, queries=[samples.QUERY]))


def test_the_share_of_the_others():
    assert score([("a", "7"), ("b", "7"), ("c", "8")]) == [0.5, 0.5, 0.0]
    assert score([("a", "7"), ("b", "7"), ("c", "7")]) == [1.0, 1.0, 1.0]


def test_its_own_counts_where_asked_for():
    assert score([("a", "7"), ("b", "7"), ("c", "8")], own=True) == pytest.approx([2 / 3, 2 / 3, 1 / 3], abs=1e-6)


@pytest.mark.parametrize("own", [False, True])
def test_an_answer_alone_has_no_confidence(own):
    assert score([("a", "7")], own) == [None]


def test_samples_of_one_teacher_are_self_consistency():
    assert score([("a", "7"), ("a", "7"), ("a", "8")]) == [0.5, 0.5, 0.0]


def test_each_teacher_weighs_the_same():
    rows = [("a", "7"), ("a", "7"), ("a", "7"), ("b", "8"), ("c", "8")]
    assert score(rows)[0] == pytest.approx(1 / 3, abs=1e-6)  # two of its own agree: one voice of three
    assert score(rows)[3] == 0.5


def test_the_task_says_what_is_the_same():
    assert score([("a", "1/2"), ("b", "0.50"), ("c", "2")], task=Math()) == [0.5, 0.5, 0.0]


def test_each_query_is_for_itself_in_any_order():
    rows = [samples.annotation(q, t, label=label) for q, t, label in
            [("q1", "a", "7"), ("q2", "a", "7"), ("q1", "b", "7"), ("q2", "b", "8")]]  # fmt: skip
    context = samples.context(queries=[Query(id=name, query="What?") for name in ("q1", "q2")])
    assert Agreement().score(rows, context) == [1.0, 0.0, 1.0, 0.0]
    assert Agreement().score([], context) == []


def test_a_pair_of_labels_is_compared_once():
    calls = []

    class Counting(Math):
        def same(self, label, other, query):
            calls.append((label, other))
            return super().same(label, other, query)

    score([("a", "7"), ("b", "8"), *(("c", "7") for _ in range(50))], task=Counting())
    assert len(calls) == 2
