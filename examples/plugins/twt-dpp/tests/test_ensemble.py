"""The most probable set and the draws, against every determinant written out."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from twt_dpp import ensemble
from twt_dpp.ensemble import features, most_probable, sample


def alike(rows, dimensions, spread=0.5, seed=0):
    """Unit vectors around one direction, as the rationales of one query are."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=dimensions) + spread * random.normal(size=(rows, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def weights(rows, size):
    kernel = rows @ rows.T
    return {one: float(np.linalg.det(kernel[np.ix_(one, one)])) for one in combinations(range(len(rows)), size)}


def test_the_kernel_is_quality_times_similarity_times_quality():
    vectors, quality = alike(4, 8), np.array([1.0, 0.5, 0.9, 0.1])
    rows = features(quality, vectors)
    similarity = (1 + vectors.astype(float) @ vectors.T.astype(float)) / 2
    assert rows @ rows.T == pytest.approx(np.diag(quality) @ similarity @ np.diag(quality), abs=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_most_probable_set_has_the_highest_determinant(size):
    for seed in range(20):
        rows = features(np.random.default_rng(seed).uniform(0.5, 1, 6), alike(6, 16, seed=seed))
        of = weights(rows, size)
        assert of[tuple(most_probable(rows, size))] == pytest.approx(max(of.values()))


def test_of_equal_sets_the_first_is_the_most_probable():
    square = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], dtype=np.float32)
    assert most_probable(features([1, 1, 1, 1], square), 2) == [0, 1]
    assert most_probable(features([0.9, 1, 1, 1], square), 2) == [1, 2]


@pytest.mark.parametrize("size", [2, 3])
def test_a_set_is_drawn_as_often_as_its_determinant_says(size):
    rows, draws = features([1, 0.7, 0.9, 1, 0.5], alike(5, 16)), 2000
    of = weights(rows, size)
    expected = {one: draws * weight / sum(of.values()) for one, weight in of.items()}
    counts = dict.fromkeys(of, 0)
    for seed in range(draws):
        counts[tuple(sorted(sample(rows, size, seed)))] += 1
    chi_square = sum((counts[one] - expected[one]) ** 2 / expected[one] for one in of)
    assert chi_square < 2.5 * len(of)  # uniform draws: above 50


def test_uniform_draws_would_be_found_out():
    rows, draws = features([1, 0.7, 0.9, 1, 0.5], alike(5, 16)), 2000
    for size in (1, 2, 3):
        of = weights(rows, size)
        expected = [draws * weight / sum(of.values()) for weight in of.values()]
        assert sum((draws / len(of) - count) ** 2 / count for count in expected) > 50


def test_of_many_sets_the_greedy_one_is_near_the_best(monkeypatch):
    lost = []
    for seed in range(30):
        rows = features(np.ones(9), alike(9, 32, seed=seed))
        of = weights(rows, 3)
        best = of[tuple(most_probable(rows, 3))]
        with monkeypatch.context() as patched:
            patched.setattr(ensemble, "MOST_SUBSETS", 0)
            greedy = of[tuple(sorted(most_probable(rows, 3)))]
        assert greedy <= best * (1 + 1e-9)
        lost.append(1 - greedy / best)
    assert 0 < np.mean(lost) < 0.2


def test_the_greedy_set_begins_with_the_most_confident_and_takes_the_first_of_equals(monkeypatch):
    monkeypatch.setattr(ensemble, "MOST_SUBSETS", 0)
    corners = np.eye(4, dtype=np.float32)
    assert most_probable(features([0.8, 1, 0.9, 0.9], corners), 2) == [1, 2]


@pytest.mark.parametrize("choose", [most_probable, lambda rows, size: sample(rows, size, 0)], ids=["map", "sample"])
@pytest.mark.parametrize("most", [5000, 0], ids=["of all", "greedy"])
def test_no_more_rows_than_are_independent(choose, most, monkeypatch):
    monkeypatch.setattr(ensemble, "MOST_SUBSETS", most)
    two = alike(2, 16)[[0, 0, 1, 0, 1]]
    assert sorted(two[choose(features(np.ones(5), two), 4)].tolist()) == sorted(two[[0, 2]].tolist())
    assert choose(features(np.zeros(5), two), 2) == []
    assert sorted(choose(features([0, 1, 0, 0, 0.5], alike(5, 16)), 3)) == [1, 4]
    assert choose(features([1], alike(1, 3)), 1) == [0]


def test_any_vectors_and_qualities_give_rows_that_are_there():
    random = np.random.default_rng(0)
    for seed in range(800):
        count, dimensions = random.integers(1, 12), random.integers(1, 20)
        size = int(random.integers(1, count + 1))
        vectors = alike(count, dimensions, 10.0 ** random.integers(-7, 2), seed)
        if seed % 2:
            vectors = vectors[random.integers(0, count, size=count)]
        rows = features(random.choice([0, 1e-9, 1e-3, 0.5, 1], size=count), vectors)
        for chosen in (most_probable(rows, size), sample(rows, size, seed)):
            assert len({*chosen} & {*range(count)}) == len(chosen) <= size
