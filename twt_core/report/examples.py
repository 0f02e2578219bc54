"""The lists to look into: queries with what teachers said of them, test questions with what the student answered.

Rows are lists and numbers where names would be repeated ten thousand times; report.js reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from twt_core.records import Annotation, Prediction, Query, Trace
from twt_core.report.blocks import Choice, Examples, Section, Text
from twt_core.report.differences import difference
from twt_core.report.funnel import outcome
from twt_core.report.reading import Key, Material
from twt_core.report.similarity import Vectors, shared_words
from twt_core.report.texts import shown
from twt_core.settings import Json

_ANY = ("", "any")
_RIGHT = [("right", "right"), ("wrong", "wrong"), ("unknown", "not known")]


def queries_section(material: Material) -> Section:
    """Every query that is distilled from."""
    title = "Training queries"
    if not material.annotations:
        return Section("queries", title, [Text("No teacher has answered yet.")])
    return Section("queries", title, [_queries(material)])


def _queries(material: Material) -> Examples:
    teachers = list(dict.fromkeys(a.teacher for a in material.annotations))
    outcomes = {a.key: outcome(a, material.selected, judged=material.judged) for a in material.annotations}
    names = sorted(set(outcomes.values()))
    rows = _Rows(material, teachers, names, outcomes)
    choices = [
        Choice("teacher", "Teacher", [_ANY, *_numbered(teachers)]),
        Choice("outcome", "Outcome", [("", "any"), *_numbered(names)]),
        Choice("label", "Label", [_ANY, *_RIGHT]),
        Choice("teachers", "Agreement", [_ANY, ("disagree", "teachers disagree"), ("agree", "teachers agree")]),
        Choice("compression", "Compression", [_ANY, ("changed", "compressed"), ("original", "original kept")]),
    ]
    data: dict[str, Json] = {
        "teachers": [*map(shown, teachers)],
        "outcomes": [*map(shown, names)],
        "stages": [*map(shown, material.compressed)],
        "rows": rows.all(),
    }
    hint = "question, id, label, rationale"
    return Examples("queries", "queries", hint, choices, data)


def _numbered(names: list[str]) -> list[tuple[str, str]]:
    return [(str(place), shown(name)) for place, name in enumerate(names)]


class _Rows:
    """Makes the rows of the queries."""

    def __init__(self, material: Material, teachers: list[str], names: list[str], outcomes: Mapping[Key, str]) -> None:
        self._material, self._outcomes = material, outcomes
        self._teachers = {name: place for place, name in enumerate(teachers)}
        self._names = {name: place for place, name in enumerate(names)}
        self._traces = [{(t.query_id, t.teacher, t.sample): t for t in rows} for rows in material.compressed.values()]
        chosen = [a.rationale for a in material.annotations if a.key in material.selected]
        self._vectors = Vectors(material.run, material.recipe, chosen)
        self._own = [{a.query_id: a.text for a in rows} for rows in material.student_answers.values()]

    def all(self) -> list[Json]:
        """One a query, in the order of the queries: [id, question, right answers, task, annotations, pairs, own]."""
        of_query: dict[str, list[Annotation]] = {}
        for one in self._material.annotations:
            of_query.setdefault(one.query_id, []).append(one)
        return [self._row(query_id, rows) for query_id, rows in of_query.items()]

    def _row(self, query_id: str, rows: list[Annotation]) -> Json:
        query = self._material.queries.get(query_id)
        return [
            shown(query_id),
            shown(_question(query)),
            [*map(shown, self._material.known.get(query_id, ()))],
            shown(query.task) if query and query.task else None,
            [self._annotation(one) for one in rows],
            self._pairs(rows),
            [shown(own[query_id]) if query_id in own else None for own in self._own],
        ]

    def _annotation(self, one: Annotation) -> Json:
        """[teacher, sample, outcome, label, right, confidence, score, factors, rationale, else the text, traces]."""
        right = self._material.right.get(one.key)
        rationale = shown(one.rationale)
        return [
            self._teachers[one.teacher],
            one.sample,
            self._names[self._outcomes[one.key]],
            None if one.label is None else shown(one.label),
            None if right is None else int(right),
            _rounded(one.confidence),
            _rounded(one.score),
            {shown(name): round(value, 4) for name, value in one.factors.items()} or None,
            rationale,
            None if one.rationale else shown(one.text),
            [self._trace(rationale, traces.get(one.key)) for traces in self._traces],
        ]

    @staticmethod
    def _trace(rationale: str, trace: Trace | None) -> Json:
        """[difference to the teacher's rationale, why the original was kept]; None where the stage does not show it."""
        if trace is None or trace.rationale is None:
            return None
        return [
            difference(rationale, shown(trace.rationale)),
            shown(trace.kept_original) if trace.kept_original else None,
        ]

    def _pairs(self, rows: list[Annotation]) -> list[Json]:
        """[one, other, cosine, share of words that both have] of the selected annotations, by their places."""
        chosen = [(place, row) for place, row in enumerate(rows) if row.key in self._material.selected]
        found: list[Json] = []
        for (i, one), (j, other) in combinations(chosen, 2):
            cosine = self._vectors.cosine(one.rationale, other.rationale)
            found.append([i, j, cosine, shared_words(one.rationale, other.rationale)])
        return found


def _question(query: Query | None) -> str:
    if query is None:
        return "(the question is not in the run folder)"
    choices = "".join(f"\n{choice}" for choice in query.choices or ())
    return query.query + choices


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def questions_section(material: Material) -> Section:
    """Every test question, with the answers of each stage."""
    title = "Test questions"
    if not material.test:
        return Section("questions", title, [Text("No stage has answered the test questions yet.")])
    stages = list(material.test)
    by_stage = _numbered(stages)
    choices = [
        Choice("from", "Stage", [_ANY, *by_stage]),
        Choice("was", "answer is", [_ANY, *_RIGHT]),
        Choice("to", "and stage", [_ANY, *by_stage]),
        Choice("becomes", "answer is", [_ANY, *_RIGHT]),
    ]
    data: dict[str, Json] = {"stages": [*map(shown, stages)], "rows": _questions(material)}
    hint = "question, id, label, answer"
    return Section("questions", title, [Examples("questions", "questions", hint, choices, data)])


def _questions(material: Material) -> list[Json]:
    """One a question: [id, question, right answers, task, answers by stage]."""
    found: dict[str, list[list[Json]]] = {}
    for place, rows in enumerate(material.test.values()):
        for row in rows:
            found.setdefault(row.query_id, [[] for _ in material.test])[place].append(_answer(row))
    tasks = {row.query_id: row.task for rows in material.test.values() for row in rows if row.task}
    return [
        [
            shown(query_id),
            shown(_question(material.questions.get(query_id))),
            [shown(answer) for answer in _answers(material.questions.get(query_id))],
            shown(tasks[query_id]) if query_id in tasks else None,
            [*answers],
        ]
        for query_id, answers in found.items()
    ]


def _answers(query: Query | None) -> tuple[str, ...]:
    return query.answers if query else ()


def _answer(one: Prediction) -> Json:
    """[text, label, right, tokens, verdict]."""
    right = None if one.correct is None else int(one.correct)
    verdict = one.verdict if one.verdict not in {"right", "wrong"} else ""
    return [shown(one.text), None if one.label is None else shown(one.label), right, one.tokens, shown(verdict)]
