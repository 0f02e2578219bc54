"""What selectors of one pair a query have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from twt_core.records import Annotation

#: Indices of two of a query's annotations, the lower first.
Pair = tuple[int, int]


def select_pairs(pool: Sequence[Annotation], choose: Callable[[Sequence[Annotation]], Pair]) -> list[Annotation]:
    """One pair for each query with annotations of three or more teachers; with fewer, all of the query's annotations.

    Args:
        pool: kept annotations, ordered by query.
        choose: the pair among one query's annotations.
    """
    chosen: list[Annotation] = []
    for _, group in groupby(pool, key=lambda annotation: annotation.query_id):
        annotations = list(group)
        if len({annotation.teacher for annotation in annotations}) < 3:
            chosen += annotations
        else:
            chosen += [annotations[index] for index in choose(annotations)]
    return chosen
