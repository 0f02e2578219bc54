import numpy as np
import pytest
import samples

from twt_core.errors import InputError
from twt_plugins.diversity_selectors.min_similarity_pair import MinSimilarityPair, least_similar

VECTORS = [np.array(v, dtype=np.float32) for v in ([1, 0], [0.8, 0.6], [0, 1], [-0.6, 0.8])]


def test_the_lowest_cosine_wins():
    assert least_similar(VECTORS, "abcd") == (0, 3)
    assert least_similar(VECTORS[:3], "abc") == (0, 2)


def test_only_pairs_of_two_teachers_count():
    assert least_similar(VECTORS, "abca") == (0, 2)


def test_the_first_of_equals():
    same = [VECTORS[0]] * 3
    assert least_similar(same, "abc") == (0, 1)
    nearly = [VECTORS[0], VECTORS[0], VECTORS[0] * np.float32(1 - 1e-7)]
    assert least_similar(nearly, "abc") == (0, 1)


def test_against_all_pairs_by_hand():
    vectors = np.random.default_rng(0).normal(size=(20, 5, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    for rows in vectors:
        cosines = rows @ rows.T + 2 * np.tril(np.ones((5, 5)))
        expected = np.unravel_index(int(cosines.argmin()), cosines.shape)
        assert least_similar(list(rows), "abcde") == tuple(map(int, expected))


def test_an_empty_pool_needs_no_model():
    assert MinSimilarityPair(embedder="no/such").select([]) == []


def test_a_model_that_is_not_there():
    with pytest.raises(InputError, match="no model at /no/such"):
        MinSimilarityPair(embedder="/no/such").select([samples.annotation()])


def test_it_finds_the_odd_one_out(embedder):
    words = {
        "a": "Teacher ann counts 3 and 4 together",
        "b": "Teacher ann counts 4 and 3 together",
        "c": "plus What is",
    }
    rows = [samples.annotation(teacher=teacher, rationale=words[teacher]) for teacher in "abc"]
    pair = [a.teacher for a in MinSimilarityPair(embedder=str(embedder)).select(rows)]
    assert "c" in pair
    assert len(pair) == 2
    assert [a.teacher for a in MinSimilarityPair(embedder=str(embedder), batch_size=1).select(rows)] == pair


def test_the_batch_size_is_no_part_of_the_identity(embedder):
    assert MinSimilarityPair(batch_size=1).identity() == MinSimilarityPair().identity()
