"""A diversity selector: annotations that are confident and whose rationales differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from twt_core.components import Context, DiversitySelector
from twt_core.models import model_identity
from twt_core.records import Annotation
from twt_core.settings import Json

from twt_dpp.ensemble import features, most_probable, sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class DeterminantalPointProcess(DiversitySelector):
    """`size` annotations a query by a determinantal point process (Kulesza & Taskar 2012).

    A set Y of a query's annotations has the weight det(L_Y), where L = diag(q) S diag(q): q is the confidence to the
    power `quality_weight`, S = (1 + cosine) / 2 between rationales. So a set weighs more the more confident its
    annotations are, and the less alike. Each query is looked at by itself; one with no more than `size` annotations
    keeps all. With `size` 2 and `quality_weight` 0 the most probable set is the pair of lowest cosine (the paper's
    eq. 2-3).

    Where fewer than `size` annotations of a query are linearly independent, as when rationales are equal or
    confidences 0, the rest is taken by falling confidence, of equal ones the first.
    """

    size: int = Field(default=2, ge=1, description="Annotations chosen for a query; one with fewer keeps all of them.")
    mode: Literal["map", "sample"] = Field(
        default="map",
        description="map: the most probable set, found by looking at all of up to 5,000 and greedily among more; "
        "sample: a draw from the k-DPP, where each set comes with a probability proportional to its weight.",
    )
    quality_weight: float = Field(
        default=1.0,
        ge=0,
        le=1000,
        description="Power of the confidence: 0 looks at the rationales alone, more looks at the confidence more.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of the draws; without effect in mode map.")
    embedder: str = Field(
        default="sentence-transformers/all-mpnet-base-v2",
        min_length=1,
        description="Sentence embedder: a folder, a hub id, or package:NAME/PATH inside an installed package.",
    )

    def identity(self) -> dict[str, Json]:
        """The options, with the embedder by its files."""
        return {**super().identity(), "embedder": model_identity(self.embedder)}

    def select(self, pool: Sequence[Annotation], context: Context) -> list[Annotation]:
        """See `DiversitySelector.select`. What is chosen stays in the order of the pool."""
        queries: dict[str, list[Annotation]] = {}
        for annotation in pool:
            queries.setdefault(annotation.query_id, []).append(annotation)
        vectors = self._vectors([query for query in queries.values() if len(query) > self.size], context)
        chosen: list[Annotation] = []
        for query in queries.values():
            chosen += query if len(query) <= self.size else self._chosen(query, next(vectors))
        return chosen

    def _vectors(self, queries: Sequence[list[Annotation]], context: Context) -> Iterator[NDArray[np.float32]]:
        """The unit vectors of each query's rationales: shape (annotations, dimensions)."""
        texts = list(dict.fromkeys(annotation.rationale for query in queries for annotation in query))
        if not texts:
            return
        vectors = context.embed(self.embedder, texts)
        rows = {text: row for row, text in enumerate(texts)}
        for query in queries:
            yield vectors[[rows[annotation.rationale] for annotation in query]]

    def _chosen(self, query: Sequence[Annotation], vectors: NDArray[np.float32]) -> list[Annotation]:
        confidences = [annotation.confidence or 0.0 for annotation in query]
        highest = max(confidences) or 1.0
        rows = features([(confidence / highest) ** self.quality_weight for confidence in confidences], vectors)
        if self.mode == "map":
            taken = most_probable(rows, self.size)
        else:
            taken = sample(rows, self.size, self._seed_of(query[0].query_id))
        rest = sorted(set(range(len(query))) - set(taken), key=lambda row: (-confidences[row], row))
        return [query[row] for row in sorted([*taken, *rest[: self.size - len(taken)]])]

    def _seed_of(self, query_id: str) -> int:
        """A seed of the query's own, so that adding queries changes no other query's draw."""
        digest = hashlib.sha256(f"{self.seed}/{query_id}".encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:4], "big")
