"""`disagreement`, on a selector that keeps all and on the paper's."""

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from twt_core.components import TaskEvaluator
from twt_core.records import Query
from twt_plugins.diversity_selectors.everything import All
from twt_plugins.diversity_selectors.min_similarity_pair import MinSimilarityPair
from twt_plugins.diversity_selectors.most_confident import MostConfident

VECTORS = {"a": "1 0", "b": "0 1", "c": "-1 0", "d": "1 1", "e": "2 1"}


def query(labels, confidences=None, name="q1"):
    confidences = confidences or [0.9] * len(labels)
    return [
        samples.annotation(name, teacher, label=label, confidence=confidence, rationale=VECTORS[teacher])
        for teacher, label, confidence in zip("abcde", labels, confidences, strict=False)
    ]


def teachers(selector, pool, **more):
    context = samples.context(queries=[Query(id=name, query="?") for name in ("q1", "q2")], **more)
    return "".join(a.teacher for a in selector.select(pool, context))


def test_keep_is_the_default_and_needs_no_query():
    pool = query(["1", "2", "3"])
    assert All().select(pool, samples.context()) == pool
    assert teachers(MinSimilarityPair(), pool) == "ac"


def test_drop_leaves_no_annotation_of_a_query_whose_chosen_ones_differ():
    assert teachers(All(disagreement="drop"), query("112") + query("11", name="q2")) == "ab"
    assert teachers(MinSimilarityPair(disagreement="drop"), query("122")) == ""
    assert teachers(MinSimilarityPair(disagreement="drop"), query("121")) == "ac"  # b was not chosen


def test_vote_chooses_among_the_majority():
    assert teachers(All(disagreement="vote"), query("12123")) == "ac"
    assert teachers(All(disagreement="vote"), query("12122")) == "bde"
    assert teachers(MinSimilarityPair(disagreement="vote"), query("21111")) == "ce"
    assert teachers(MostConfident(n=1, disagreement="vote"), query("122", [1, 0.5, 0.6])) == "c"


def test_of_equally_frequent_labels_the_more_confident_then_the_first():
    assert teachers(All(disagreement="vote"), query("12", [0.5, 0.6])) == "b"
    assert teachers(All(disagreement="vote"), query("1221", [0.9, 0.6, 0.6, 0.2])) == "bc"
    assert teachers(All(disagreement="vote"), query("1221")) == "ad"


def test_labels_are_compared_as_the_task_does():
    math = TaskEvaluator.model_validate({"use": "math"})
    pool = query(["0.5", "7", "1/2"])
    assert teachers(All(disagreement="vote"), pool, task=math) == "ac"
    assert teachers(All(disagreement="drop"), query(["0.5", "1/2"]), task=math) == "ab"
    assert teachers(All(disagreement="drop"), query(["0.5", "1/2"])) == ""


def test_another_word_is_refused():
    with pytest.raises(ValidationError, match="keep"):
        All(disagreement="majority")


@given(st.lists(st.sampled_from("123"), min_size=1, max_size=5), st.sampled_from([All, MostConfident]))
def test_after_drop_or_vote_every_query_agrees(labels, selector):
    pool, known = query(labels), [Query(id="q1", query="?")]
    for disagreement in ("drop", "vote"):
        chosen = selector(disagreement=disagreement).select(pool, samples.context(queries=known))
        assert len({a.label for a in chosen}) <= 1
        assert chosen or disagreement == "drop"
    most = max(labels.count(label) for label in labels)
    assert len(All(disagreement="vote").select(pool, samples.context(queries=known))) == most
