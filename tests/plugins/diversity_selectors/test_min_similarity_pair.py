from itertools import combinations

import numpy as np
import pytest
import samples

from twt_core.embedding import Embeddings
from twt_core.errors import InputError
from twt_core.progress import Progress
from twt_plugins.diversity_selectors.min_similarity_pair import BLOCK, MinSimilarityPair, least_similar_pairs

VECTORS = np.array([[1, 0], [0.8, 0.6], [0, 1], [-0.6, 0.8]], dtype=np.float32)


def units(*shape):
    vectors = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_the_lowest_cosine_wins():
    assert least_similar_pairs(VECTORS, ["abcd"]) == [(0, 3)]
    assert least_similar_pairs(VECTORS[:3], ["abc"]) == [(0, 2)]


def test_only_pairs_of_two_teachers_count():
    assert least_similar_pairs(VECTORS, ["abca"]) == [(0, 2)]


def test_the_first_of_equals():
    same = VECTORS[[0, 0, 0]]
    assert least_similar_pairs(same, ["abc"]) == [(0, 1)]
    nearly = same * np.array([[1], [1], [1 - 1e-7]], dtype=np.float32)
    assert least_similar_pairs(nearly, ["abc"]) == [(0, 1)]


def test_queries_of_all_sizes_against_all_pairs_one_by_one():
    sizes = np.random.default_rng(1).integers(3, 9, size=300)
    assert sizes.sum() > 0
    vectors = units(int(sizes.sum()), 8)
    teachers = [[f"t{n % 4}" for n in range(size)] for size in sizes]
    starts = np.cumsum(sizes) - sizes

    def by_hand(start, names):
        pairs = [p for p in combinations(range(len(names)), 2) if names[p[0]] != names[p[1]]]
        return min(pairs, key=lambda p: round(float(vectors[start + p[0]] @ vectors[start + p[1]]), 6))

    expected = [by_hand(start, names) for start, names in zip(starts, teachers, strict=True)]
    assert least_similar_pairs(vectors, teachers) == expected


def test_more_queries_than_fit_into_a_block():
    count = BLOCK // 3 * 2 + 1
    assert least_similar_pairs(np.tile(VECTORS[:3], (count, 1)), ["abc"] * count) == [(0, 2)] * count


def test_an_empty_pool_and_queries_of_two_teachers_need_no_model(tmp_path):
    context = samples.context(embed=Embeddings(tmp_path / "embeddings.sqlite", Progress(quiet=True)))
    pool = samples.pool({"q1": "ab", "q2": "c"})
    assert MinSimilarityPair(embedder="/no/such").select([], context) == []
    assert MinSimilarityPair(embedder="/no/such").select(pool, context) == pool
    with pytest.raises(InputError, match="no model at /no/such"):
        MinSimilarityPair(embedder="/no/such").select(samples.pool({"q1": "abc"}), context)


def test_it_finds_the_odd_one_out(embedder, tmp_path):
    words = {
        "a": "Teacher ann counts 3 and 4 together",
        "b": "Teacher ann counts 4 and 3 together",
        "c": "plus What is",
    }
    embed = Embeddings(tmp_path / "embeddings.sqlite", Progress(quiet=True))
    rows = [samples.annotation(teacher=teacher, rationale=words[teacher]) for teacher in "abc"]
    pair = MinSimilarityPair(embedder=str(embedder)).select(rows, samples.context(embed=embed))
    assert [a.teacher for a in pair] == ["a", "c"]
