"""A threshold for each teacher, chosen so that what it keeps is right often enough, with stated confidence."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, field_validator

from twt_core.components import Context, QualityFilter
from twt_core.errors import InputError
from twt_core.jsonl import read_jsonl
from twt_core.records import Annotation
from twt_core.settings import ConfigPath, Json

#: The most thresholds that are tried. Each further one is a further chance to stop early.
STEPS = 20


class Verdict(NamedTuple):
    """A confidence whose label was found right or wrong."""

    confidence: float
    right: bool


class Calibrated(QualityFilter):
    """Chooses each teacher's threshold so that the labels it keeps are right at least as often as `precision` says.

    With `labels`, a random sample of the run's queries with their answers, this holds for each teacher (not for all
    jointly) with probability `confidence` or more over the draw of that sample. Thresholds are tested from the highest
    down, each by the Clopper-Pearson lower bound (Clopper and Pearson 1934) of the precision above it, until one fails;
    the last that passed is taken. Testing in an order that was fixed before any label was seen needs no further
    correction for the search (fixed-sequence testing; Learn then Test, Angelopoulos et al. 2021, arXiv:2110.01052). No
    threshold passes on fewer labels than log(1 - confidence) / log(precision): 29 rows of a teacher at the defaults.
    Of several samples to one query only the first counts, since they err together.

    Without `labels`, an answer is taken for right where a majority of the query's other teachers gave it. That is a
    proxy and no guarantee: teachers err alike, and the scorer `agreement` is then measured by itself. The reasons say
    so.

    A teacher for which no threshold passes has all its rows rejected with that reason.
    """

    labels: ConfigPath | None = Field(
        default=None,
        description="JSONL with id and answer: some of the run's queries, drawn at random. null: agreement as a proxy.",
    )
    precision: float = Field(default=0.9, gt=0, lt=1, description="The share of kept labels that must be right.")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="How sure that is, for each teacher.")

    @field_validator("labels")
    @classmethod
    def _readable(cls, path: Path | None) -> Path | None:
        if path is not None:
            try:
                read_labels(path)
            except InputError as error:
                raise ValueError(str(error)) from error
        return path

    def check_run(self, context: Context) -> None:
        """Refuse labels of other queries.

        Raises:
            InputError: `labels` has an id that is none of the run's.
        """
        if unknown := next((id_ for id_ in self._answers() or () if id_ not in context.queries), None):
            raise InputError(f"{self.labels}: id {unknown!r} is none of the run's queries: label a sample of those")

    def judge(self, annotations: Sequence[Annotation], context: Context) -> list[str | None]:
        """See `QualityFilter.judge`."""
        verdicts = self._verdicts(annotations, context)
        by_teacher: dict[str, list[float]] = defaultdict(list)
        for annotation in annotations:
            by_teacher[annotation.teacher].append(annotation.confidence or 0.0)
        thresholds = {
            teacher: lowest_threshold(confidences, verdicts.get(teacher, []), self.precision, 1 - self.confidence)
            for teacher, confidences in by_teacher.items()
        }
        return [self._reason(annotation, thresholds[annotation.teacher]) for annotation in annotations]

    def _verdicts(self, annotations: Sequence[Annotation], context: Context) -> dict[str, list[Verdict]]:
        first: dict[tuple[str, str], Annotation] = {}
        for annotation in annotations:
            first.setdefault((annotation.query_id, annotation.teacher), annotation)
        answers = self._answers()
        right = _by_majority(list(first.values()), context) if answers is None else _by_labels(answers, context)
        found: dict[str, list[Verdict]] = defaultdict(list)
        for annotation in first.values():
            if (verdict := right(annotation)) is not None:
                found[annotation.teacher].append(Verdict(annotation.confidence or 0.0, verdict))
        return found

    def _answers(self) -> dict[str, str] | None:
        return None if self.labels is None else read_labels(self.labels)

    def _reason(self, annotation: Annotation, threshold: float | None) -> str | None:
        by = "" if self.labels else " by agreement with the other teachers, a proxy"
        if threshold is None:
            return f"no threshold reaches precision {self.precision:g}{by}"
        if (annotation.confidence or 0.0) >= threshold:
            return None
        return f"confidence below {threshold:g}, calibrated for {annotation.teacher}{by}"


def read_labels(path: Path) -> dict[str, str]:
    """The answers in a JSONL file by id. Other columns are passed over.

    Raises:
        InputError: what is wrong with the file, or with which line.
    """
    answers: dict[str, str] = {}
    for number, row in read_jsonl(path):
        values = [_text(row.get(name)) for name in ("id", "answer")]
        if None in values:
            raise InputError(f'{path}:{number}:1 a label needs "id" and "answer", each a text or a number')
        name, answer = (value or "" for value in values)
        if name in answers:
            raise InputError(f"{path}:{number}:1 id {name!r} is there twice: keep one")
        answers[name] = answer
    return answers


def _text(value: Json) -> str | None:
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None


def _by_labels(answers: dict[str, str], context: Context) -> Callable[[Annotation], bool | None]:
    def right(annotation: Annotation) -> bool | None:
        answer = answers.get(annotation.query_id)
        query = context.queries.get(annotation.query_id)
        return None if answer is None or query is None else context.task.same(annotation.label or "", answer, query)

    return right


def _by_majority(annotations: Sequence[Annotation], context: Context) -> Callable[[Annotation], bool | None]:
    by_query: dict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        by_query[annotation.query_id].append(annotation)

    def right(annotation: Annotation) -> bool | None:
        others = [a for a in by_query[annotation.query_id] if a.teacher != annotation.teacher]
        if not others:
            return None
        query, label = context.queries[annotation.query_id], annotation.label or ""
        agreeing = sum(a.label == label or context.task.same(label, a.label or "", query) for a in others)
        return 2 * agreeing > len(others)

    return right


def lowest_threshold(
    confidences: Sequence[float], verdicts: Sequence[Verdict], precision: float, error: float
) -> float | None:
    """The lowest threshold above which the precision is shown to be reached; None: none is.

    Args:
        confidences: all of the teacher's, which fix the thresholds to test and their order.
        verdicts: those of a random part of them.
        precision: the share that is to be right.
        error: the probability, over the draw of that part, that a threshold is given which does not reach it.
    """
    found = None
    for threshold in _sequence(confidences, len(verdicts), precision, error):
        above = [verdict.right for verdict in verdicts if verdict.confidence >= threshold]
        if lower_bound(sum(above), len(above), error) < precision:
            break
        found = threshold
    return found


def _sequence(confidences: Sequence[float], labelled: int, precision: float, error: float) -> list[float]:
    """Thresholds from the highest down, at equal steps of the share kept.

    It starts where so many labels are to be expected above the threshold that one wrong one does not end the search.
    Which rows are labelled does not enter, or the order would not be fixed before.
    """
    ranked, n = sorted(confidences), len(confidences)
    needed = next((k for k in range(1, labelled) if _chance_of_one_wrong(k, precision) <= error), labelled)
    borders = dict.fromkeys(ranked[n - ceil(step * n / STEPS)] for step in range(1, STEPS + 1) if n)
    return [border for border in borders if (n - bisect_left(ranked, border)) * labelled >= needed * n]


def _chance_of_one_wrong(total: int, precision: float) -> float:
    """The probability of at most one wrong among so many, at just this precision."""
    return float(precision**total + total * (1 - precision) * precision ** (total - 1))


def lower_bound(right: int, total: int, error: float) -> float:
    """The one-sided Clopper-Pearson bound: the precision is below it with probability `error` at most."""
    from scipy.stats import beta

    return float(beta.ppf(error, right, total - right + 1)) if right else 0.0
