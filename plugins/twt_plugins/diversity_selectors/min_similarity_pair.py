"""The paper's selector: the two rationales that are least alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from pydantic import Field

from twt_core.components import Context, DiversitySelector
from twt_core.models import find_model
from twt_core.records import Annotation
from twt_plugins.diversity_selectors.pairs import Pair, select_pairs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class MinSimilarityPair(DiversitySelector):
    """The pair (p*, q*) of lowest cosine similarity between rationale embeddings (section 3.1.2, eq. 2-3).

    Applies to queries with kept annotations of three or more teachers, and only to pairs of two distinct teachers;
    with fewer teachers all are kept. Of equal pairs the first in teacher order is taken. A pair may disagree on the
    label; it is kept then, as in the paper.
    """

    embedder: str = Field(
        default="sentence-transformers/all-mpnet-base-v2",
        description="Sentence embedder: a folder, a hub id, or package:NAME/PATH inside an installed package.",
    )
    batch_size: int = Field(default=32, ge=1, description="Rationales embedded at once.")
    not_identity = frozenset({"batch_size"})

    def select(self, pool: Sequence[Annotation], context: Context) -> list[Annotation]:
        """See `DiversitySelector.select`."""
        texts = sorted({annotation.rationale for annotation in pool})
        if not texts:
            return []
        vectors = dict(zip(texts, self._embed(texts), strict=True))

        def choose(annotations: Sequence[Annotation]) -> Pair:
            return least_similar([vectors[a.rationale] for a in annotations], [a.teacher for a in annotations])

        return select_pairs(pool, choose)

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(find_model(self.embedder)), device="cpu")
        vectors: NDArray[np.float32] = model.encode(
            texts, batch_size=self.batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors


def least_similar(vectors: Sequence[NDArray[np.float32]], teachers: Sequence[str]) -> Pair:
    """Indices of the two unit vectors, of different teachers, with the lowest cosine; the first such pair on a tie."""
    pairs = [(p, q) for p, q in combinations(range(len(vectors)), 2) if teachers[p] != teachers[q]]
    return min(pairs, key=lambda pair: round(float(vectors[pair[0]] @ vectors[pair[1]]), 6))
