import numpy as np
import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from twt_core import contract
from twt_core.components import DiversitySelector
from twt_core.embedding import Embeddings
from twt_core.progress import Progress
from twt_plugins.diversity_selectors import near_duplicates
from twt_plugins.diversity_selectors.most_confident import MostConfident
from twt_plugins.diversity_selectors.near_duplicate_removal import NearDuplicateRemoval
from twt_plugins.diversity_selectors.near_duplicates import without_near_duplicates

SEARCHES = pytest.mark.parametrize("search", ["exact", "approximate"])


def row(query_id, teacher, vector, confidence=0.9):
    return samples.annotation(query_id, teacher, rationale=vector, confidence=confidence)


def keys(selector, pool):
    return [a.query_id + a.teacher for a in contract.select(selector, pool, samples.context())]


def units(count, dimensions=16, seed=0, copies=0.3):
    """Unit vectors, a share of which are nearly an earlier one."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, dimensions))
    for number in range(1, count):
        if random.random() < copies:
            vectors[number] = vectors[random.integers(number)] + 0.02 * random.normal(size=dimensions)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def by_hand(vectors, order, similarity):
    kept: list[int] = []
    for number in order:
        if all(round(float(vectors[number] @ vectors[other]), 6) < similarity for other in kept):
            kept.append(number)
    return kept


@SEARCHES
def test_one_of_each_over_all_queries(search):
    pool = [row("q1", "a", "1 0"), row("q1", "b", "0 1"), row("q2", "a", "1 0.1"), row("q2", "b", "-1 0")]
    assert keys(NearDuplicateRemoval(search=search), pool) == ["q1a", "q1b", "q2b"]


@SEARCHES
def test_the_more_confident_survives_then_the_first(search):
    pool = [row("q1", "a", "1 0", 0.8), row("q2", "a", "1 0", 0.9), row("q3", "a", "1 0", 0.9)]
    assert keys(NearDuplicateRemoval(search=search), pool) == ["q2a"]


@SEARCHES
def test_what_is_like_a_dropped_one_alone_stays(search):
    pool = [row("q1", "a", "1 0"), row("q2", "a", "1 0.3"), row("q3", "a", "1 0.6")]  # 17 and 14 degrees apart
    assert keys(NearDuplicateRemoval(search=search), pool) == ["q1a", "q3a"]


def test_the_similarity_itself_is_a_duplicate():
    pool = [row("q1", "a", "1 0"), row("q2", "a", "3 4")]
    assert keys(NearDuplicateRemoval(similarity=0.6), pool) == ["q1a"]
    assert keys(NearDuplicateRemoval(similarity=0.601), pool) == ["q1a", "q2a"]
    assert keys(NearDuplicateRemoval(similarity=1), [*pool, row("q3", "a", "0.3 0.4")]) == ["q1a", "q2a"]
    for similarity in (0, 1.1):
        with pytest.raises(ValidationError):
            NearDuplicateRemoval(similarity=similarity)


def test_another_selector_chooses_among_what_is_left():
    pool = [row("q1", "a", "1 0", 0.9), row("q2", "a", "1 0", 0.8), row("q2", "b", "0 1", 0.7), row("q2", "c", "0 -1")]
    selector = DiversitySelector.model_validate(
        {"use": "near_duplicate_removal", "then": {"use": "most_confident", "n": 1}}
    )
    assert selector.then == MostConfident(n=1)
    assert keys(selector, pool) == ["q1a", "q2c"]
    assert selector.identity()["then"] == {"use": "most_confident", "n": 1, "disagreement": "keep"}
    assert DiversitySelector.model_validate(selector.model_dump(mode="json")) == selector


def test_an_empty_pool_needs_no_model():
    assert NearDuplicateRemoval().select([], samples.context(embed=lambda *_: pytest.fail("embeds"))) == []


@given(seed=st.integers(0, 1000), count=st.integers(1, 60), similarity=st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_exact_is_what_the_rule_says(seed, count, similarity):
    vectors = units(count, 4, seed)
    order = np.random.default_rng(seed).permutation(count).tolist()
    assert without_near_duplicates(vectors, order, similarity) == by_hand(vectors, order, similarity)


def test_across_blocks(monkeypatch):
    vectors = units(500)
    expected = by_hand(vectors, range(500), 0.95)
    assert 300 < len(expected) < 400
    for block in (1, 7, 100):
        monkeypatch.setattr(near_duplicates, "BLOCK", block)
        assert without_near_duplicates(vectors, range(500), 0.95) == expected


def test_approximate_keeps_all_that_exact_keeps_and_few_more():
    vectors = units(3000, 32)
    exact = without_near_duplicates(vectors, range(3000), 0.95)
    found = without_near_duplicates(vectors, range(3000), 0.95, probes=4)
    assert 3000 - len(found) >= 0.97 * (3000 - len(exact))
    every_cell = without_near_duplicates(vectors, range(3000), 0.95, probes=3000)
    assert every_cell == exact


def test_the_number_of_threads_changes_nothing():
    import faiss

    vectors, before, found = units(3000, 32), faiss.omp_get_max_threads(), []
    for threads in (1, 2):
        faiss.omp_set_num_threads(threads)
        found.append([without_near_duplicates(vectors, range(3000), 0.95, probes) for probes in (None, 2)])
    faiss.omp_set_num_threads(before)
    assert found[0] == found[1]


@SEARCHES
def test_with_a_real_embedder(search, embedder, tmp_path):
    texts = ["Teacher ann counts 3 and 4 together", "Teacher ann counts 4 and 3 together", "plus What is"]
    pool = [row(f"q{n}", "a", text) for n, text in enumerate(texts)]
    context = samples.context(embed=Embeddings(tmp_path / "embeddings.sqlite", Progress(quiet=True)))
    chosen = NearDuplicateRemoval(embedder=str(embedder), search=search).select(pool, context)
    assert [a.query_id for a in chosen] == ["q0", "q2"]
