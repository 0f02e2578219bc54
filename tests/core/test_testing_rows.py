"""The kit on scorers, filters, selectors and compressors: what is sound passes, and each fault is found and named."""

from __future__ import annotations

import itertools
import os
import random
import sys
import threading
from collections import Counter
from dataclasses import replace
from itertools import groupby
from random import Random

import pytest
from pydantic import Field, SerializeAsAny

from twt_core.components import Compressor, ConfidenceScorer, DiversitySelector, QualityFilter, RunComponent, Teacher
from twt_core.errors import InputError
from twt_core.prompts import Message
from twt_core.records import Annotation, Failed, Query, Request, Rewrite
from twt_core.testing import (
    Nonconformity,
    check_component,
    check_compressor,
    check_confidence_scorer,
    check_diversity_selector,
    check_quality_filter,
    findings,
    sample_annotations,
    sample_context,
    sample_drafts,
    speed,
)
from twt_core.testing.checks import try_all
from twt_core.testing.kinds import checks_of
from twt_core.testing.sample import HashEmbed

COUNT = itertools.count()


class Brief(ConfidenceScorer):
    """The shorter, the surer."""

    longest: int = Field(default=400, ge=1, description="Characters from which on the confidence is 0.")

    def score(self, annotations, context):
        return [max(0.0, 1 - len(a.rationale) / self.longest) if a.rationale else None for a in annotations]


class AtLeast(QualityFilter):
    """Keeps what is sure enough."""

    minimum: float = Field(default=0.9, ge=0, le=1, description="The lowest confidence that is kept.")

    def judge(self, annotations, context):
        return [None if (a.confidence or 0.0) >= self.minimum else "not sure enough" for a in annotations]


class FirstOfEach(DiversitySelector):
    """The first annotation of each query."""

    def select(self, pool, context):
        return [next(group) for _, group in groupby(pool, key=lambda a: a.query_id)]


class HalfOfIt(Compressor):
    """The first half of the words."""

    reads_student = False

    def compress(self, drafts, context):
        return [Rewrite(rationale=half(d.annotation.rationale), label=d.annotation.label) for d in drafts]


class Salted(FirstOfEach):
    """Draws by a hash that is another one in each process."""

    def select(self, pool, context):
        return [Random(hash(key)).choice(list(group)) for key, group in groupby(pool, key=lambda a: a.query_id)]


class Judged(Brief):
    """Asks its judge."""

    judge: SerializeAsAny[Teacher] = Field(description="Who.")

    def score(self, annotations, context):
        return [None if isinstance(one, Failed) else 0.5 for one in context.ask([ask(a) for a in annotations])]


def half(text):
    words = text.split()
    return " ".join(words[: len(words) // 2]) or None


def ask(annotation, teacher="judge"):
    return Request(
        query_id=annotation.query_id, teacher=teacher, purpose="grade", messages=(Message("user", annotation.text),)
    )


SOUND = [Brief(), AtLeast(), FirstOfEach(), HalfOfIt()]


@pytest.mark.parametrize("component", SOUND, ids=lambda c: type(c).__name__)
def test_what_is_sound_passes_every_check(component):
    assert check_component(component) is None
    assert {result.passed for result in try_all(component, checks_of(component))} == {True}


def test_each_kind_has_a_function_of_its_own():
    check_confidence_scorer(Brief(), rows=0)
    check_quality_filter(AtLeast(), rows=0)
    check_diversity_selector(FirstOfEach(), rows=0)
    check_compressor(HalfOfIt(), rows=0)


def test_a_kind_takes_what_its_check_takes():
    with pytest.raises(ValueError, match="a quality_filter is not tried with drafts: it takes annotations, context"):
        check_component(AtLeast(), drafts=[])
    with pytest.raises(ValueError, match="annotations: give at least one"):
        check_quality_filter(AtLeast(), annotations=[])
    with pytest.raises(ValueError, match="context: it has no query 'q99'"):
        check_quality_filter(AtLeast(), annotations=[Annotation(query_id="q99", teacher="a")])
    with pytest.raises(ValueError, match="drafts: give at least one"):
        check_compressor(HalfOfIt(), drafts=[])


def broken(base, **members):
    """A class that differs from a sound one in these members."""
    return type("Broken", (base,), {"__doc__": "Broken.", "__module__": __name__, **members})


def scoring(score):
    return Brief, {"score": score}


def judging(judge):
    return AtLeast, {"judge": judge}


def selecting(select):
    return FirstOfEach, {"select": select}


def compressing(compress, **more):
    return HalfOfIt, {"compress": compress, **more}


def changed(method):
    """The sound method, after something else was done to its input."""

    def change(base, name):
        sound = getattr(base, name)

        def wrapped(self, rows, context):
            method(self, rows, context)
            return sound(self, rows, context)

        return base, {name: wrapped}

    return change


def meddle(self, rows, context):
    for row in rows:
        row.factors["kit"] = 1.0


def forget(self, rows, context):
    context.queries.clear()


def creep(self, rows, context):
    object.__setattr__(self, "minimum", 0.1)


def first_seen(self, pool, context):
    known = self.__dict__.setdefault("known", set())
    fresh = [a for a in pool if a.key not in known]
    known.update(a.key for a in pool)
    return fresh


FIRST = []


def by_object(self, annotations, context):
    FIRST.append(self)
    return [0.5 if FIRST[0] is self else 0.6 for _ in annotations]


def every_pair(self, annotations, context):
    """Looks at every row for every other."""
    labels = [a.rationale for a in annotations]
    return [None if sum(1 for other in labels if other == own) < 3 else "common" for own in labels]


def by_the_others(self, annotations, context):
    border = sum(a.confidence or 0.0 for a in annotations) / (len(annotations) - 1)
    return [None if (a.confidence or 0.0) >= border else "low" for a in annotations]


def asking(teacher, query_id=None):
    def score(self, annotations, context):
        requests = [ask(a, teacher).model_copy(update={"query_id": query_id or a.query_id}) for a in annotations]
        return [0.5 for _ in context.ask(requests)]

    return score


def trusting(self, annotations, context):
    return [float(one.text == "Good") for one in context.ask([ask(a, "ann") for a in annotations])]


def parsing(self, annotations, context):
    return [
        None if isinstance(one, Failed) else len(one.text.split()[0]) / 10
        for one in context.ask([ask(a, "ann") for a in annotations])
    ]


def rewriting(self, drafts, context):
    requests = [
        Request(query_id=d.query.id, teacher=d.annotation.teacher, purpose="rewrite", messages=(Message("user", "?"),))
        for d in drafts
    ]
    context.ask(requests)
    return HalfOfIt.compress(self, drafts, context)


def peeking(self, drafts, context):
    context.student_logprobs([([Message("user", d.query.query)], d.annotation.rationale) for d in drafts])
    return HalfOfIt.compress(self, drafts, context)


def imitating(self, drafts, context):
    return [
        Rewrite(rationale=half(d.annotation.rationale + d.student_rationale), label=d.annotation.label) for d in drafts
    ]


FAULTS = {
    # scorers
    "too few confidences": (*scoring(lambda s, a, c: [0.5] * (len(a) - 1)), "values, expected"),
    "a confidence of 97": (*scoring(lambda s, a, c: [97.0] * len(a)), "returned 97.0 at position 0"),
    "a confidence that is true": (*scoring(lambda s, a, c: [True] * len(a)), "returned bool at position 0"),
    "a confidence that is no number": (*scoring(lambda s, a, c: [float("nan")] * len(a)), "returned nan at position 0"),
    "an array": (*scoring(lambda s, a, c: tuple(0.5 for _ in a)), "score(), on 82 rows: plugin"),
    "a mean over nothing": (
        *scoring(lambda s, a, c: [sum(map(len, (x.text for x in a))) / len(a) % 1] * len(a)),
        "score(), on no rows: plugin test_testing_rows: ConfidenceScorer 'test_testing_rows.Broken' raised "
        "ZeroDivisionError",
    ),
    "a spread of one": (
        *scoring(lambda s, a, c: [0.5 / (len(a) - 1)] * len(a)),
        "score(), on one row: plugin",
    ),
    "a score taken for granted": (
        *scoring(lambda s, a, c: [min(1.0, abs(x.score + 0.0)) for x in a]),
        "raised TypeError: unsupported operand",
    ),
    "a score taken at its word": (
        *scoring(lambda s, a, c: [x.score for x in a]),
        "score(), on rows with scores out of range: plugin",
    ),
    "a mood": (*scoring(lambda s, a, c: [random.random() for _ in a]), "score(): another result for the same rows"),
    "a process ended": (*scoring(lambda s, a, c: sys.exit(3) if not a else [0.5] * len(a)), "raised SystemExit: 3"),
    "rows changed": (*changed(meddle)(Brief, "score"), "score(): it changed the rows that it was given"),
    "queries forgotten": (*changed(forget)(Brief, "score"), "score(): it changed context.queries"),
    "a stranger asked": (*scoring(asking("polly")), "score(): it asks 'polly', whom the run does not have"),
    "a strange query": (*scoring(asking("ann", "no such")), "it asks about a query 'no such' that the run"),
    "a failed call not thought of": (*scoring(trusting), "raised AttributeError: 'Failed' object has no attribute"),
    "an answer taken for granted": (*scoring(parsing), "score(), with nonsense for every answer: plugin"),
    "an option that differs by object": (
        Brief,
        {"score": by_object},
        "score(): another result from an equal component",
    ),
    # filters
    "a verdict that is true": (*judging(lambda s, a, c: [True] * len(a)), "returned bool at position 0, expected str"),
    "an empty reason": (*judging(lambda s, a, c: [" "] * len(a)), "judge(): an empty reason"),
    "a reason for each row": (
        *judging(lambda s, a, c: [f"{x.query_id} is not sure" for x in a]),
        "different reasons on 1000 rows, such as",
    ),
    "a reason of two lines": (*judging(lambda s, a, c: ["no\nno"] * len(a)), r"'no\nno' has more than one line"),
    "a confidence taken for granted": (
        *judging(lambda s, a, c: [None if x.confidence >= 0.5 else "no" for x in a]),
        "judge(), on rows without confidence, score, factors and log-probabilities: plugin",
    ),
    "its own option changed": (*changed(creep)(AtLeast, "judge"), "judge(): it changed its own options"),
    "a border out of nothing": (*judging(by_the_others), "judge(), on one row: plugin"),
    "no verdicts": (*judging(lambda s, a, c: None), "returned NoneType, expected a list of"),
    # selectors
    "an annotation twice": (*selecting(lambda s, p, c: [*p, *p]), "was changed, or was chosen twice"),
    "an annotation changed": (
        *selecting(lambda s, p, c: [a.model_copy(update={"label": "x"}) for a in p]),
        "not in the pool, was changed",
    ),
    "no annotation": (*selecting(lambda s, p, c: []), "select(): it chooses none of 82 annotations"),
    "positions": (*selecting(lambda s, p, c: list(range(len(p)))), "returned int at position 0, expected Annotation"),
    "the first without a look": (*selecting(lambda s, p, c: [p[0]]), "select(), on no rows: plugin"),
    "two without a look": (*selecting(lambda s, p, c: [p[0], p[1]] if p else []), "select(), on one row: plugin"),
    "global chance": (
        *selecting(lambda s, p, c: random.sample(list(p), len(p) // 2) or list(p)),
        "select(): another result for the same rows: draw from random.Random",
    ),
    "what was met before": (*selecting(first_seen), "from an equal component: it keeps what it met in earlier calls"),
    "one text embedded": (
        *selecting(lambda s, p, c: list(p) if len(c.embed("m", p[0].rationale if p else ())) >= 0 else []),
        "embed(embedder, texts) takes a list of texts",
    ),
    "confidences compared": (
        *selecting(lambda s, p, c: sorted(p, key=lambda a: -a.confidence)[:3]),
        "select(), on rows without confidence, score, factors and log-probabilities: plugin",
    ),
    "teachers counted on": (
        *selecting(lambda s, p, c: (p and [next(a for a in p if a.teacher == t) for t in ("ann", "ben")]) or []),
        "select(), on one row: plugin",
    ),
    # compressors
    "texts for rewrites": (*compressing(lambda s, d, c: ["short"] * len(d)), "returned str at position 0"),
    "too many rewrites": (*compressing(lambda s, d, c: [Rewrite()] * (len(d) + 1)), "values, expected"),
    "no label": (
        *compressing(lambda s, d, c: [Rewrite(rationale=half(x.annotation.rationale)) for x in d]),
        "compress(): no rewrite of 82 is of use, most because the answer is lost: put the draft's label",
    ),
    "no shorter": (
        *compressing(lambda s, d, c: [Rewrite(rationale=x.annotation.rationale, label=x.annotation.label) for x in d]),
        "most because it is no shorter than the original",
    ),
    "empty rewrites": (
        *compressing(lambda s, d, c: [Rewrite(label=x.annotation.label) for x in d]),
        "most because it is empty",
    ),
    "no reason given": (*compressing(lambda s, d, c: [Rewrite(reason=" ") for _ in d]), "compress(): an empty reason"),
    "a first word taken for granted": (
        *compressing(
            lambda s, d, c: [Rewrite(rationale=x.annotation.rationale.split()[0], label=x.annotation.label) for x in d]
        ),
        "compress(), on drafts with odd rationales: plugin",
    ),
    "teachers asked in silence": (*compressing(rewriting), "compress(): it asks teachers, and the class does not"),
    "the student asked in silence": (*compressing(peeking), "for compressors whose class says so: reads_logprobs"),
    "the student read in silence": (*compressing(imitating), "it depends on student_rationale, and the class says"),
    "another rewrite each time": (
        *compressing(lambda s, d, c: [Rewrite(rationale=str(next(COUNT)), label=x.annotation.label) for x in d]),
        "compress(): another result for the same rows",
    ),
    # all of them
    "a question before the run": (
        AtLeast,
        {"check_run": lambda s, c: c.ask([ask(Annotation(query_id="q0", teacher="a"))]) and None},
        "check_run(): it asks teachers",
    ),
    "a bug before the run": (AtLeast, {"check_run": lambda s, c: c.no_such}, "check_run(): plugin"),
    "a refusal without a word": (
        AtLeast,
        {"check_run": lambda s, c: (_ for _ in ()).throw(InputError(" "))},
        "an InputError without a message",
    ),
    "a password among the options": (
        AtLeast,
        {"__annotations__": {"api_key": str}, "api_key": Field(default="", description="The key.")},
        "its option api_key would hold a secret",
    ),
    "an inner component cut short": (
        AtLeast,
        {"__annotations__": {"inner": QualityFilter}, "inner": Field(default=AtLeast(), description="Another.")},
        "its option inner is another once written into a config and read again",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_and_named(fault):
    base, members, says = FAULTS[fault]
    with pytest.raises(Nonconformity) as found:
        check_component(broken(base, **members)(), rows=0)
    assert says in str(found.value)


def test_all_that_is_wrong_is_told_at_once():
    members = {"judge": lambda s, a, c: [True] * len(a), "__doc__": None, "not_identity": frozenset({"speed"})}
    with pytest.raises(Nonconformity) as found:
        check_quality_filter(broken(AtLeast, **members)(), rows=0)
    for says in ("returned bool at position 0", "it has no docstring", "not_identity names 'speed'"):
        assert says in str(found.value)


def test_what_differs_in_another_process_is_found():
    with pytest.raises(Nonconformity, match="select\\(\\): another result in another process: hash\\(\\) of a text"):
        check_diversity_selector(Salted(), rows=0)


class Homesick(AtLeast):
    """Works at home alone."""

    def judge(self, annotations, context):
        print("It talks while it works.")
        if os.environ.get("PYTHONHASHSEED") == "4711":
            raise OSError("no such\nfile")
        return super().judge(annotations, context)


def test_what_fails_in_another_process_is_found():
    with pytest.raises(
        Nonconformity, match=r"judge\(\), pickled and called in another process: .* raised OSError: no such"
    ):
        check_quality_filter(Homesick(), rows=0)


def test_what_another_process_cannot_have_is_not_tried():
    def embed(embedder, texts):
        return HashEmbed()(embedder, texts)

    context = replace(sample_context(), embed=embed)
    results = {one.name: one for one in try_all(AtLeast(), checks_of(AtLeast(), context=context, rows=0))}
    assert results["process"].passed is None
    assert "it cannot be handed to another process" in results["process"].not_tried
    check_quality_filter(AtLeast(), context=context, rows=0)


class Locked(AtLeast):
    """Holds what no pickle can."""

    lock: object = Field(default_factory=threading.Lock, description="A lock.", exclude=True)

    def identity(self):
        return {"use": self.use, "minimum": self.minimum}


def test_what_cannot_be_pickled_is_found():
    with pytest.raises(Nonconformity, match="pickle, of one that is new, raised TypeError: cannot pickle"):
        check_quality_filter(Locked(), rows=0)


def test_work_that_grows_with_the_square_is_found(monkeypatch):
    monkeypatch.setattr(speed, "LEAST_SECONDS", 0.02)
    with pytest.raises(Nonconformity, match="times what a quarter of them takes: it looks at every row for every"):
        check_quality_filter(broken(AtLeast, judge=every_pair)(), rows=4000)


def test_work_without_an_end_is_ended(monkeypatch):
    def judge(self, annotations, context):
        while len(annotations) > 500:
            pass
        return AtLeast.judge(self, annotations, context)

    monkeypatch.setattr(findings, "MOST_SECONDS", 0.3)
    with pytest.raises(Nonconformity, match=r"judge\(\) on 1000 rows takes more than 0.3 s: look for work that grows"):
        check_quality_filter(broken(AtLeast, judge=judge)(), rows=1000)
    results = list(try_all(broken(AtLeast, judge=judge)(), checks_of(broken(AtLeast, judge=judge)(), rows=1000)))
    assert Counter(result.passed for result in results)[False] == 1
    assert results[-1].not_tried == "speed took too long"


def test_slow_work_in_step_with_its_rows_is_let_go(monkeypatch):
    def judge(self, annotations, context):
        for _ in range(len(annotations) * 3000):
            pass
        return AtLeast.judge(self, annotations, context)

    monkeypatch.setattr(speed, "MOST_SECONDS", 0.05)
    component = broken(AtLeast, judge=judge)()
    result = {one.name: one for one in try_all(component, checks_of(component, rows=10_000))}["speed"]
    assert result.passed is None and "in step with their number" in result.not_tried
    check_quality_filter(component, rows=10_000)  # so it is no error


def test_what_cannot_be_tried_is_no_success():
    refusing = broken(AtLeast, check_run=lambda s, c: (_ for _ in ()).throw(InputError("no such queries")))()
    with pytest.raises(ValueError, match=r"check_run\(\) refuses the rows that are there to try: no such queries"):
        check_quality_filter(refusing, rows=0)
    with pytest.raises(ValueError, match=r"score\(\) has no confidence for any of 82 rows"):
        check_confidence_scorer(broken(Brief, score=lambda s, a, c: [None] * len(a))(), rows=0)


def test_a_judge_of_its_own_may_be_asked():
    judge = {"use": "openai_compatible", "name": "judge", "model": "none", "base_url": "http://127.0.0.1:9/v1"}
    check_confidence_scorer(Judged(judge=judge), rows=1000)


def test_rows_and_queries_of_ones_own():
    queries = [Query(id=f"mine {n}", query="Which?", choices=("3", "7"), answer="A") for n in range(4)]
    context = sample_context(queries=queries)
    assert all(query.answer is None for query in context.queries.values())
    rows = sample_annotations(context)
    seen = []

    def judge(self, annotations, context):
        seen.extend(a.query_id for a in annotations)
        return AtLeast.judge(self, annotations, context)

    check_quality_filter(broken(AtLeast, judge=judge)(), rows[:5], context, rows=20)
    assert {key.partition("/")[0] for key in seen} <= {query.id for query in queries}
    check_compressor(HalfOfIt(), sample_drafts(rows, context), context, rows=20)


def test_the_sample_is_as_a_run_would_have_it():
    rows = sample_annotations(sample_context())
    keys = [(list(sample_context().queries).index(a.query_id), a.teacher, a.sample) for a in rows]
    assert keys == sorted(keys) and len(set(keys)) == len(keys)
    assert {len(list(group)) for _, group in groupby(rows, key=lambda a: a.query_id)} >= {1, 2, 3, 4, 5}
    assert all(0 <= a.confidence <= 1 and a.rationale and a.label for a in rows)
    assert len({a.rationale for a in rows}) < len(rows) < len({a.rationale for a in rows}) * 2
    assert all(isinstance(component, RunComponent) for component in SOUND)
