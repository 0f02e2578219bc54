"""Diversity selectors: which of the kept annotations the student learns from."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl
from twt_plugins.diversity_selectors.everything import All
from twt_plugins.diversity_selectors.facility_location import FacilityLocation
from twt_plugins.diversity_selectors.farthest_first import FarthestFirst
from twt_plugins.diversity_selectors.min_similarity_pair import MinSimilarityPair
from twt_plugins.diversity_selectors.mmr import MaximalMarginalRelevance
from twt_plugins.diversity_selectors.most_confident import MostConfident
from twt_plugins.diversity_selectors.near_duplicate_removal import NearDuplicateRemoval
from twt_plugins.diversity_selectors.random_pair import RandomPair


@hookimpl
def register_diversity_selectors(register: Register) -> None:
    """The paper's pair, the baselines it must beat, and alternatives to it."""
    register("min_similarity_pair", MinSimilarityPair)
    register("random_pair", RandomPair)
    register("all", All)
    register("most_confident", MostConfident)
    register("farthest_first", FarthestFirst)
    register("mmr", MaximalMarginalRelevance)
    register("facility_location", FacilityLocation)
    register("near_duplicate_removal", NearDuplicateRemoval)
