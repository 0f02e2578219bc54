"""Agreement: how many others came to the same answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from twt_core.components import ConfidenceScorer, Context
from twt_core.records import Annotation, Query


class Agreement(ConfidenceScorer):
    """The share of the other answers to a query that are the same answer, over teachers and samples.

    Self-consistency (Wang et al. 2022, arXiv:2203.11171) across teachers. Each teacher weighs the same, however many
    samples it gave: its share is that of its own answers. The answer in question is no witness for itself, so of three
    teachers an answer gets 0, 0.5 or 1; `own` counts it, too, which is self-consistency's vote share: 1/3, 2/3 or 1.
    Failed rows have no voice. An answer without any other has nothing to agree with, and no confidence, with `own` or
    without. Teachers that err alike agree on errors.
    """

    own: bool = Field(default=False, description="Whether an answer counts among those that agree with it.")

    def score(self, annotations: Sequence[Annotation], context: Context) -> list[float | None]:
        """See `ConfidenceScorer.score`."""
        groups: dict[str, list[int]] = defaultdict(list)
        for index, annotation in enumerate(annotations):
            groups[annotation.query_id].append(index)
        found: dict[int, float | None] = {}
        for query_id, group in groups.items():
            same = _sameness([annotations[i].label or "" for i in group], context.queries[query_id], context)
            for i in group:
                found[i] = self._share(i, group, annotations, same)
        return [found[index] for index in range(len(annotations))]

    def _share(
        self, index: int, group: Sequence[int], annotations: Sequence[Annotation], same: Mapping[tuple[str, str], bool]
    ) -> float | None:
        if len(group) < 2:
            return None
        label = annotations[index].label or ""
        witnesses = [i for i in group if self.own or i != index]
        return _mean_by_teacher((annotations[i].teacher, same[label, annotations[i].label or ""]) for i in witnesses)


def _sameness(labels: Sequence[str], query: Query, context: Context) -> dict[tuple[str, str], bool]:
    """Whether each label is the same answer as each: once a pair, since comparing may cost algebra."""
    distinct = list(dict.fromkeys(labels))
    return {(a, b): a == b or context.task.same(a, b, query) for a in distinct for b in distinct}


def _mean_by_teacher(verdicts: Iterable[tuple[str, bool]]) -> float:
    by_teacher: dict[str, list[bool]] = defaultdict(list)
    for teacher, verdict in verdicts:
        by_teacher[teacher].append(verdict)
    shares = [sum(given) / len(given) for given in by_teacher.values()]
    return round(sum(shares) / len(shares), 6)
