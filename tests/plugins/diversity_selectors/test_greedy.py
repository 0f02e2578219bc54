"""The selectors of n a query: most_confident, farthest_first, mmr, facility_location."""

from itertools import combinations
from math import e

import numpy as np
import pytest
import samples
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from twt_core.embedding import Embeddings
from twt_core.progress import Progress
from twt_plugins.diversity_selectors.facility_location import BLOCK, FacilityLocation, facility_location
from twt_plugins.diversity_selectors.farthest_first import FarthestFirst, farthest_first
from twt_plugins.diversity_selectors.mmr import MaximalMarginalRelevance
from twt_plugins.diversity_selectors.most_confident import MostConfident

SELECTORS = [MostConfident, FarthestFirst, MaximalMarginalRelevance, FacilityLocation]
LINE = ["1 0", "1 0.01", "1 1", "0 1"]  # 0, 0.6, 45 and 90 degrees


def query(vectors, confidences=None, name="q1"):
    confidences = confidences or [0.9] * len(vectors)
    rows = zip("abcdefgh", vectors, confidences, strict=False)
    return [samples.annotation(name, teacher, rationale=vector, confidence=c) for teacher, vector, c in rows]


def teachers(selector, pool):
    return "".join(a.teacher for a in selector.select(pool, samples.context()))


def units(count, dimensions=4, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@st.composite
def pools(draw):
    """Up to three queries of up to seven annotations with small whole coordinates, so that ties abound."""
    pool = []
    for number in range(draw(st.integers(0, 3))):
        coordinates = st.tuples(*[st.integers(-2, 2)] * 3).filter(any)
        vectors = draw(st.lists(coordinates, min_size=1, max_size=7))
        confidences = [draw(st.sampled_from([0.5, 0.9, 1.0])) for _ in vectors]
        pool += query([" ".join(map(str, v)) for v in vectors], confidences, f"q{number}")
    return pool


@pytest.mark.parametrize("selector", SELECTORS)
@given(pool=pools(), n=st.integers(1, 4))
def test_n_of_each_query_in_the_pools_order_whatever_the_other_queries(selector, pool, n):
    chosen = selector(n=n).select(pool, samples.context())
    assert chosen == [a for a in pool if a in chosen]
    assert len({a.key for a in chosen}) == len(chosen)
    alone = []
    for name in dict.fromkeys(a.query_id for a in pool):
        own = [a for a in pool if a.query_id == name]
        found = selector(n=n).select(own, samples.context())
        assert len(found) == min(n, len(own))
        alone += found
    assert alone == chosen


@pytest.mark.parametrize("selector", SELECTORS)
def test_the_first_of_equals(selector):
    assert teachers(selector(n=2), query(["1 0"] * 4)) == "ab"


@pytest.mark.parametrize("selector", SELECTORS)
def test_at_least_one(selector):
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        selector(n=0)


def test_most_confident():
    assert teachers(MostConfident(), query(LINE, [0.5, 0.9, 0.9, 0.95])) == "bd"
    assert teachers(MostConfident(n=1), query(LINE, [0.5, 0.9, 0.9, 0.6])) == "b"


def test_farthest_first_starts_at_the_most_confident():
    assert teachers(FarthestFirst(), query(LINE)) == "ad"
    assert teachers(FarthestFirst(), query(LINE, [0.5, 0.5, 0.5, 0.9])) == "ad"
    assert teachers(FarthestFirst(), query(LINE, [0.5, 0.9, 0.5, 0.5])) == "bd"
    assert teachers(FarthestFirst(n=3), query(LINE)) == "acd"


@given(seed=st.integers(0, 10_000), count=st.integers(2, 8), n=st.integers(1, 4))
def test_farthest_first_is_within_twice_the_best_radius(seed, count, n):
    vectors = units(count, 3, seed)
    distances = np.sqrt(np.maximum(0, 2 - 2 * vectors @ vectors.T))

    def radius(centers):
        return distances[:, list(centers)].min(axis=1).max()

    best = min(radius(centers) for centers in combinations(range(count), min(n, count)))
    assert radius(farthest_first(vectors, seed % count, n)) <= 2 * best + 1e-3


def test_mmr_weighs_confidence_against_similarity():
    pool = query(LINE, [1.0, 0.95, 0.9, 0.3])
    assert teachers(MaximalMarginalRelevance(balance=1), pool) == "ab"  # confidence alone
    assert teachers(MaximalMarginalRelevance(balance=0), pool) == "ad"  # similarity alone
    assert teachers(MaximalMarginalRelevance(balance=0.6), pool) == "ac"
    assert teachers(MaximalMarginalRelevance(balance=0.5), pool) == "ad"  # .5(.3 - 0) > .5(.9 - .71)


def test_mmr_against_its_formula():
    vectors, confidences = units(8), np.random.default_rng(1).uniform(size=8)
    pool = query([" ".join(map(str, v)) for v in vectors], confidences.tolist())
    chosen: list[int] = []
    while len(chosen) < 4:
        worth = {
            row: 0.3 * confidences[row] - 0.7 * max((vectors[row] @ vectors[other] for other in chosen), default=0.0)
            for row in range(8)
            if row not in chosen
        }
        chosen.append(max(worth, key=worth.__getitem__))
    expected = "".join("abcdefgh"[row] for row in sorted(chosen))
    assert teachers(MaximalMarginalRelevance(n=4, balance=0.3), pool) == expected


def coverage(vectors, chosen):
    return ((1 + vectors @ vectors[list(chosen)].T) / 2).max(axis=1).sum()


def test_facility_location_takes_the_middle_of_a_crowd_then_the_one_apart():
    crowds = ["1 0.3", "1 0", "1 -0.3", "-1 0.1"]
    assert teachers(FacilityLocation(n=1), query(crowds)) == "b"
    assert teachers(FacilityLocation(), query(crowds)) == "bd"


@given(seed=st.integers(0, 10_000), count=st.integers(2, 8), n=st.integers(1, 4))
def test_facility_location_is_within_its_bound_of_the_best(seed, count, n):
    vectors = units(count, 3, seed)
    best = max(coverage(vectors, chosen) for chosen in combinations(range(count), min(n, count)))
    assert coverage(vectors, facility_location(vectors, n)) >= (1 - 1 / e) * best


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_lazily_greedy_is_greedy(seed):
    vectors = units(3 * BLOCK, 6, seed)
    similarities = (1 + vectors @ vectors.T) / 2
    covered, chosen = np.zeros(len(vectors)), []
    for _ in range(12):
        gains = np.maximum(similarities - covered[:, None], 0).sum(axis=0)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        covered = np.maximum(covered, similarities[:, chosen[-1]])
    found = facility_location(vectors, 12)
    assert coverage(vectors, found) == pytest.approx(coverage(vectors, chosen), rel=1e-5)
    assert found[:3] == chosen[:3]


def test_all_rows_can_be_chosen():
    assert sorted(facility_location(units(2 * BLOCK), 2 * BLOCK + 5)) == list(range(2 * BLOCK))
    assert sorted(farthest_first(units(20), 3, 25)) == list(range(20))


@pytest.mark.parametrize("selector", [FarthestFirst, MaximalMarginalRelevance, FacilityLocation])
def test_with_a_real_embedder(selector, embedder, tmp_path):
    words = ["Teacher ann counts 3 and 4 together", "Teacher ann counts 4 and 3 together", "plus What is"]
    context = samples.context(embed=Embeddings(tmp_path / "embeddings.sqlite", Progress(quiet=True)))
    chosen = selector(embedder=str(embedder)).select(query(words), context)
    assert [a.teacher for a in chosen] in (["a", "c"], ["b", "c"])
