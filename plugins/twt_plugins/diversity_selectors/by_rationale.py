"""What selectors that compare rationales have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from twt_core.components import Context, DiversitySelector
from twt_core.models import model_identity
from twt_core.records import Annotation
from twt_core.settings import Json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Cosines are compared to this many decimals: what float32 holds, whatever the order of summation.
DECIMALS = 6


class ByRationale(DiversitySelector):
    """Compares rationales by the cosine of their sentence vectors."""

    embedder: str = Field(
        default="sentence-transformers/all-mpnet-base-v2",
        description="Sentence embedder: a folder, a hub id, or package:NAME/PATH inside an installed package.",
    )

    def identity(self) -> dict[str, Json]:
        """The options, with the embedder by its files."""
        return {**super().identity(), "embedder": model_identity(self.embedder)}

    def vectors(self, annotations: Sequence[Annotation], context: Context) -> NDArray[np.float32]:
        """A unit vector for each annotation's rationale: shape (annotations, dimensions). At least one annotation."""
        texts = {text: row for row, text in enumerate(dict.fromkeys(a.rationale for a in annotations))}
        found = context.embed(self.embedder, list(texts))
        return found if len(texts) == len(annotations) else found[[texts[a.rationale] for a in annotations]]

    def vectors_by_query(
        self, queries: Sequence[Sequence[Annotation]], context: Context
    ) -> Iterator[NDArray[np.float32]]:
        """The unit vectors of each query's annotations: shape (annotations, dimensions)."""
        vectors = self.vectors([annotation for annotations in queries for annotation in annotations], context)
        start = 0
        for size in map(len, queries):
            yield vectors[start : start + size]
            start += size


def cosines(vectors: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines of unit vectors, rounded: shape (vectors, others)."""
    return (vectors @ others.T).round(DECIMALS)
