"""Diversity selectors: which of the kept annotations the student learns from."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl
from twt_plugins.diversity_selectors.everything import All
from twt_plugins.diversity_selectors.min_similarity_pair import MinSimilarityPair
from twt_plugins.diversity_selectors.random_pair import RandomPair


@hookimpl
def register_diversity_selectors(register: Register) -> None:
    """The paper's pair, the random one it must beat, and no selection at all."""
    register("min_similarity_pair", MinSimilarityPair)
    register("random_pair", RandomPair)
    register("all", All)
