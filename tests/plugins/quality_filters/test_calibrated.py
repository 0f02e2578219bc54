import json
from math import comb
from pathlib import Path
from random import Random

import pytest
import samples
from pydantic import ValidationError

from twt_core.errors import InputError
from twt_core.records import Query
from twt_plugins.quality_filters.calibrated import Calibrated, Verdict, lower_bound, lowest_threshold

CONFIDENCES = [n / 100 for n in range(1, 101)]


def run(accuracy, teachers="abc", seed=0):
    """Queries and annotations of a run: ``accuracy(confidence)`` is the chance that a label is right ("7")."""
    random = Random(seed)
    queries = [Query(id=f"q{n}", query="What?") for n in range(len(CONFIDENCES))]
    rows = [
        samples.annotation(
            query.id, teacher, confidence=c, label="7" if random.random() < accuracy(c) else f"x{teacher}"
        )
        for query, c in zip(queries, CONFIDENCES, strict=True)
        for teacher in teachers
    ]
    return rows, samples.context(queries=queries)


def labels(path: Path, ids, answer="7"):
    path.write_text("".join(json.dumps({"id": name, "answer": answer}) + "\n" for name in ids))
    return path


def test_clopper_pearson():
    # At the bound, so many right or more have just the probability that is allowed.
    for right, total, error in [(29, 29, 0.05), (58, 60, 0.05), (3, 10, 0.1)]:
        p = lower_bound(right, total, error)
        tail = sum(comb(total, k) * p**k * (1 - p) ** (total - k) for k in range(right, total + 1))
        assert tail == pytest.approx(error)
    assert lower_bound(0, 5, 0.05) == 0.0 == lower_bound(0, 0, 0.05)


def test_29_right_labels_are_the_fewest_that_show_nine_in_ten():
    assert lowest_threshold([0.5] * 100, [Verdict(0.5, True)] * 29, 0.9, 0.05) == 0.5
    assert lowest_threshold([0.5] * 100, [Verdict(0.5, True)] * 28, 0.9, 0.05) is None


def test_the_lowest_threshold_that_the_labels_bear():
    # Right from 0.5 on, wrong below: the threshold must lie just there.
    verdicts = [Verdict(c, c >= 0.5) for c in CONFIDENCES * 10]
    assert 0.45 <= lowest_threshold(CONFIDENCES * 10, verdicts, 0.9, 0.05) <= 0.5


def test_it_goes_no_further_than_the_first_failure():
    # Wrong in a band, right below it: what lies below the band cannot be reached.
    verdicts = [Verdict(c, not 0.5 < c <= 0.8) for c in CONFIDENCES * 10]
    assert lowest_threshold(CONFIDENCES * 10, verdicts, 0.6, 0.05) > 0.5


def test_each_teacher_by_labels(tmp_path):
    rows, context = run(lambda c: c >= 0.3, "ab")
    rows = [r.model_copy(update={"label": "wrong"}) if r.teacher == "b" else r for r in rows]
    verdicts = Calibrated(labels=labels(tmp_path / "l.jsonl", context.queries)).judge(rows, context)
    assert {v for r, v in zip(rows, verdicts, strict=True) if r.teacher == "b"} == {
        "no threshold reaches precision 0.9"
    }
    kept = [r for r, v in zip(rows, verdicts, strict=True) if v is None]
    assert len(kept) >= 60
    assert sum(r.label == "7" for r in kept) / len(kept) >= 0.9
    [why] = {v for r, v in zip(rows, verdicts, strict=True) if r.teacher == "a"} - {None}
    assert why.startswith("confidence below 0.") and why.endswith(", calibrated for a")


def test_without_labels_agreement_stands_in_and_says_so():
    rows, context = run(lambda c: c >= 0.3)
    verdicts = Calibrated().judge(rows, context)
    kept = [r for r, v in zip(rows, verdicts, strict=True) if v is None]
    assert len(kept) > 150 and sum(r.label == "7" for r in kept) / len(kept) >= 0.9
    assert all(v is None or v.endswith("by agreement with the other teachers, a proxy") for v in verdicts)
    assert any(v is not None for v in verdicts)


def test_a_teacher_alone_has_no_proxy():
    rows, context = run(lambda c: True, "a")
    reason = "no threshold reaches precision 0.9 by agreement with the other teachers, a proxy"
    assert set(Calibrated().judge(rows, context)) == {reason}


def test_half_of_the_others_is_no_majority():
    rows, context = run(lambda c: True)
    rows = [r.model_copy(update={"label": "8"}) if r.teacher == "c" else r for r in rows]
    assert None not in Calibrated().judge(rows, context)  # a and b agree, but each has c against it


def test_of_several_samples_the_first_counts(tmp_path):
    context = samples.context(queries=[Query(id=f"q{n}", query="What?") for n in range(20)])
    rows = [samples.annotation(f"q{n}", "a", sample=s) for n in range(20) for s in range(2)]
    path = labels(tmp_path / "l.jsonl", context.queries)
    # 40 right rows, but 20 queries: too few for 0.9, enough for 0.85.
    assert set(Calibrated(labels=path).judge(rows, context)) == {"no threshold reaches precision 0.9"}
    assert set(Calibrated(labels=path, precision=0.85).judge(rows, context)) == {None}


def test_nothing_to_judge():
    assert Calibrated().judge([], samples.context()) == []


def simulate(seed, accuracy, labelled=100):
    """A run of 500 queries, of which a random part is labelled."""
    random = Random(seed)
    confidences = [random.random() for _ in range(500)]
    verdicts = [Verdict(c, random.random() < accuracy(c)) for c in confidences]
    return confidences, verdicts, random.sample(verdicts, labelled)


def naive(confidences, labelled, precision):
    """The lowest threshold above which the labelled are right often enough, without any bound."""
    fit = []
    for threshold in sorted(set(confidences)):
        above = [v.right for v in labelled if v.confidence >= threshold]
        if above and sum(above) / len(above) >= precision:
            fit.append(threshold)
    return min(fit, default=None)


def violated(threshold, verdicts, precision):
    above = [v.right for v in verdicts if threshold is not None and v.confidence >= threshold]
    return bool(above) and sum(above) / len(above) < precision


@pytest.mark.parametrize(
    ("accuracy", "findable"),
    [(lambda c: 0.62 + 0.38 * c, 0.3), (lambda c: 0.95 if c > 0.5 else 0.7, 0.3), (lambda c: 0.84, 0.0)],
    ids=["rising", "a step", "always just too low"],
)
def test_the_guarantee_holds_where_a_naive_threshold_breaks_it(accuracy, findable):
    runs, ours, theirs, found = 200, 0, 0, 0
    for seed in range(runs):
        confidences, verdicts, labelled = simulate(seed, accuracy)
        threshold = lowest_threshold(confidences, labelled, 0.85, 0.1)
        found += threshold is not None
        ours += violated(threshold, verdicts, 0.85)
        theirs += violated(naive(confidences, labelled, 0.85), verdicts, 0.85)
    assert found >= findable * runs  # a threshold that is never found breaks no promise
    assert ours / runs <= 0.1 + 3 * (0.1 * 0.9 / runs) ** 0.5
    assert theirs / runs > 0.3


BAD = {
    "no answer": ({"id": "q1"}, 'needs "id" and "answer"'),
    "no id": ({"answer": "7"}, 'needs "id" and "answer"'),
    "a boolean": ({"id": "q1", "answer": True}, 'needs "id" and "answer"'),
}


@pytest.mark.parametrize(("row", "message"), BAD.values(), ids=BAD)
def test_bad_labels_are_found_with_the_config(tmp_path, row, message):
    path = tmp_path / "l.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(ValidationError, match=message):
        Calibrated(labels=path)


def test_labels_that_are_not_there_or_twice_there(tmp_path):
    with pytest.raises(ValidationError, match="no such file"):
        Calibrated(labels=tmp_path / "none.jsonl")
    with pytest.raises(ValidationError, match=r":2:1 id 'q1' is there twice"):
        Calibrated(labels=labels(tmp_path / "l.jsonl", ["q1", "q1"]))


def test_labels_of_another_run_are_named(tmp_path):
    _, context = run(lambda c: True)
    path = labels(tmp_path / "l.jsonl", ["q1", "other"])
    with pytest.raises(InputError, match="id 'other' is none of the run's queries"):
        Calibrated(labels=path).check_run(context)


def test_a_changed_label_changes_the_identity(tmp_path):
    first = Calibrated(labels=labels(tmp_path / "l.jsonl", ["q1"])).identity()
    assert Calibrated(labels=labels(tmp_path / "l.jsonl", ["q1"], answer="8")).identity() != first


@pytest.mark.parametrize("options", [{"precision": 1}, {"precision": 0}, {"confidence": 1}])
def test_what_no_sample_can_show_is_refused(options):
    with pytest.raises(ValidationError):
        Calibrated(**options)
