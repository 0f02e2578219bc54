"""Where every row of sampling is, at every moment: ``sampling.json`` in the run folder, and part of its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from twt_core.config import RunConfig
from twt_core.data import Data
from twt_core.records import Annotation
from twt_core.run import Rows

ACCOUNTING = "sampling.json"


class AnnotationCounts(BaseModel):
    """Row accounting: queries x teachers x samples = asked = pending + failed + rejected + kept.

    A row is pending until sampling has come to its verdict; in a finished run none is.
    """

    queries: int
    asked: int
    pending: int
    failed: int
    failed_by_cause: dict[str, int]
    kept: int
    rejected: dict[str, int]
    selected: int


def count(asked: int, queries: int, annotations: Sequence[Annotation], *, judged: bool, selected: int) -> (
    AnnotationCounts
):  # fmt: skip
    """The accounting of the rows that there are.

    Args:
        asked: how many rows there will be.
        queries: of how many queries.
        annotations: those that there are so far.
        judged: whether the quality filter has seen them.
        selected: how many form the distillation set.
    """
    failed = Counter(a.failure for a in annotations if a.failure is not None)
    rejected = Counter(a.rejection for a in annotations if a.failure is None and a.rejection is not None)
    kept = len(annotations) - failed.total() - rejected.total() if judged else 0
    return AnnotationCounts(
        queries=queries,
        asked=asked,
        pending=asked - failed.total() - rejected.total() - kept,
        failed=failed.total(),
        failed_by_cause=dict(sorted(failed.items())),
        kept=kept,
        rejected=dict(sorted(rejected.items())),
        selected=selected,
    )


def count_on_disk(config: RunConfig, data: Data, steps: Mapping[str, Path]) -> AnnotationCounts:
    """The accounting by the steps that are whole so far.

    Args:
        config: the run's config.
        data: its queries.
        steps: the folders of the steps that are whole and current, by name.
    """
    rows: list[Annotation] = []
    for name in ("kept", "scored", "annotations"):
        if name in steps:
            rows = Rows(steps[name], None, Annotation).read()
            break
    selected = len(Rows(steps["selected"], None, Annotation).read()) if "selected" in steps else 0
    asked = len(data.queries) * sum(teacher.samples for teacher in config.teachers)
    return count(asked, len(data.queries), rows, judged="kept" in steps, selected=selected)
