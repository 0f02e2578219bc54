"""Whether a query's annotations agree on the label, as its task compares labels."""

from __future__ import annotations

from collections.abc import Sequence

from twt_core.components import Context
from twt_core.records import Annotation


def unanimous(annotations: Sequence[Annotation], context: Context) -> bool:
    """Whether all of a query's annotations have the label of the first."""
    return all(_same(annotations[0], other, context) for other in annotations[1:])


def majority(annotations: Sequence[Annotation], context: Context) -> list[Annotation]:
    """Those of a query's annotations that have its most frequent label.

    Of equally frequent labels the one with the higher sum of confidences counts, then the one that comes first.
    """
    camps: list[list[Annotation]] = []
    for annotation in annotations:
        for camp in camps:
            if _same(camp[0], annotation, context):
                camp.append(annotation)
                break
        else:
            camps.append([annotation])
    return max(camps, key=lambda camp: (len(camp), round(sum(a.confidence or 0.0 for a in camp), 6)))


def _same(one: Annotation, other: Annotation, context: Context) -> bool:
    return context.task.same(one.label or "", other.label or "", context.queries[one.query_id])
