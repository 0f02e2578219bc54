import pytest
import samples

from twt_core.accounting import ACCOUNTING, AnnotationCounts, count
from twt_core.errors import TwtError

ROWS = [
    samples.annotation("q1", "ann"), samples.annotation("q1", "ben", rejection="low"),
    samples.annotation("q2", "ann", failure="gone"), samples.annotation("q2", "ben", rejection="low"),
]  # fmt: skip


def whole(counts):
    return counts.pending + counts.failed + sum(counts.rejected.values()) + counts.kept


def test_every_row_is_somewhere():
    counts = count(4, 2, ROWS, judged=True, selected=1)
    assert (counts.pending, counts.failed, counts.rejected, counts.kept) == (0, 1, {"low": 2}, 1)
    assert counts.failed_by_cause == {"gone": 1}
    assert whole(counts) == counts.asked == 4


def test_rows_without_a_verdict_are_pending():
    asked = [samples.annotation("q1", "ann"), samples.annotation("q1", "ben", failure="gone")]
    counts = count(4, 2, asked, judged=False, selected=0)
    assert (counts.pending, counts.failed, counts.kept) == (3, 1, 0)
    assert whole(counts) == 4
    assert count(4, 2, [], judged=False, selected=0).pending == 4


def read(run):
    return AnnotationCounts.model_validate_json((run / ACCOUNTING).read_text(encoding="utf-8"))


def test_a_run_that_fails_says_where_its_rows_are(fresh, twt, monkeypatch):
    def broken(*_):
        raise TwtError("the teachers are gone")

    monkeypatch.setattr("twt_core.pipeline.Method.annotate", broken)
    runs = fresh.parent / "runs"
    assert twt("run", fresh, "--runs-dir", runs).code == 1
    counts = read(runs / "tiny")
    assert whole(counts) == counts.asked == counts.pending == 36


def test_a_config_that_a_component_refuses_leaves_nothing(fresh, twt):
    runs = fresh.parent / "runs"
    assert twt("run", fresh, "--runs-dir", runs, "--set", "confidence_scorer.use=tests_passed").code != 0
    assert not list((runs / "tiny").glob("[!.]*"))


@pytest.mark.parametrize("kept", [True, False])
def test_a_runs_rows_are_accounted_for_to_the_end(fresh, kept, monkeypatch):
    from twt_core import session
    from twt_core.progress import Progress

    seen = []
    write = session.write_whole

    def note(path, text):
        write(path, text)
        if path.name == ACCOUNTING:
            seen.append(read(path.parent))

    def enough(*_):
        raise TwtError("far enough")

    monkeypatch.setattr(session, "write_whole", note)
    monkeypatch.setattr(session.pipeline.distillation, "evaluate", enough)
    minimum = 0.0 if kept else 0.99
    with pytest.raises(TwtError, match="far enough" if kept else "no annotation was kept"):
        session.run(fresh, [f"quality_filter.minimum={minimum}", "diversity_selector.use=all"], fresh.parent / "r",
                    None, Progress(quiet=True))  # fmt: skip
    assert {whole(counts) for counts in seen} == {36}
    assert [counts.pending for counts in seen][:2] == [36, 36 - seen[1].failed]
    assert seen[-1].pending == 0
    assert (seen[-1].kept, seen[-1].selected) == (36, 36) if kept else (0, 0)
