import json
import os

import pytest

from twt_core import run as run_module
from twt_core.errors import InputError, TwtError
from twt_core.progress import Progress
from twt_core.records import Query
from twt_core.run import MANIFEST, ROWS, SUMMARY, Artifact, open_run, step_fingerprint, write_whole
from twt_core.run_plan import Plan
from twt_core.settings import Settings

QUIET = Progress(quiet=True)


class Options(Settings):
    size: int = 1


def rows(*ids):
    return [Query(id=i, query="?") for i in ids]


class Pipeline:
    """Two steps, the second from the first."""

    def __init__(self, path):
        self.path = path
        self.made = []

    def go(self, first=("a",), size=1, steps=None, second=None):
        self.made = []
        if steps is not None:
            return self._steps(steps, first, size, second)
        with open_run(self.path, QUIET) as run:
            found = self._steps(run, first, size, second)
            run.finish()
            return found

    def _steps(self, steps, first, size, second):
        one = steps.rows("one", Query, [], [list(first)], lambda: self._make("one", rows(*first)))
        return steps.rows("two", Query, [one], [Options(size=size)], second or (lambda: self._two(one, size)))

    def _two(self, one, size):
        return self._make("two", one.read()[:size])

    def _make(self, name, made):
        self.made.append(name)
        return made


def on_disk(plan):
    assert [step.name for step in plan.steps] == ["one", "two"]
    return [step.on_disk for step in plan.steps]


@pytest.fixture
def pipeline(tmp_path):
    return Pipeline(tmp_path / "run")


def test_steps_are_made_once(pipeline):
    assert pipeline.go().read() == rows("a")
    assert pipeline.made == ["one", "two"]
    assert [p.name for p in sorted(pipeline.path.glob("[0-9]*"))] == ["01-one", "02-two"]
    assert pipeline.go().read() == rows("a")
    assert pipeline.made == []


def test_a_changed_option_makes_its_step_and_what_follows(pipeline):
    pipeline.go()
    pipeline.go(size=2)
    assert pipeline.made == ["two"]
    pipeline.go(first=("b",), size=2)
    assert pipeline.made == ["one", "two"]


def test_the_same_content_makes_nothing_after_it_again(pipeline):
    pipeline.go(first=("a", "b"))
    with open_run(pipeline.path, QUIET) as run:  # another setting, the same rows
        one = run.rows("one", Query, [], ["another"], lambda: rows("a", "b"))
        run.rows("two", Query, [one], [Options(size=1)], lambda: pytest.fail("made again"))
    assert run.made == ["one"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda p: (p / "01-one" / MANIFEST).unlink(),
        lambda p: (p / "01-one" / MANIFEST).write_text("{", encoding="utf-8"),
        lambda p: (p / "01-one" / MANIFEST).write_text("{}", encoding="utf-8"),
        lambda p: (p / "01-one" / ROWS).unlink(),
        lambda p: (p / "01-one" / ROWS).write_bytes((p / "01-one" / ROWS).read_bytes().replace(b'"a"', b'"b"')),
        lambda p: (p / "01-one" / ROWS).write_bytes((p / "01-one" / ROWS).read_bytes()[:-3]),
        lambda p: (p / "01-one").rename(p / "01-uno"),
    ],
)
def test_a_damaged_step_is_made_again_and_only_it(pipeline, damage):
    pipeline.go()
    damage(pipeline.path)
    assert pipeline.go().read() == rows("a")
    assert pipeline.made == ["one"]


def test_a_step_that_failed_is_not_taken_for_whole(pipeline):
    def fail():
        yield from rows("half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pipeline.go(second=fail)
    assert not (pipeline.path / "02-two" / MANIFEST).exists()
    assert pipeline.go().read() == rows("a")
    assert pipeline.made == ["two"]


def test_what_is_left_of_another_try_is_cleared(pipeline):
    (pipeline.path / "01-one" / "deep").mkdir(parents=True)
    (pipeline.path / "01-one" / "deep" / "stale").touch()
    pipeline.go()
    assert sorted(p.name for p in (pipeline.path / "01-one").iterdir()) == [MANIFEST, ROWS]


def test_a_step_with_failures_that_may_pass_is_made_by_the_next_run(pipeline):
    with open_run(pipeline.path, QUIET) as run:
        run.whole = lambda: False
        run.rows("one", Query, [], [["a"]], lambda: rows("a"))
    pipeline.go()
    assert pipeline.made == ["one", "two"]


def test_steps_that_are_no_longer_part_are_removed(pipeline):
    pipeline.go()
    (pipeline.path / "03-three").mkdir()
    (pipeline.path / "notes").mkdir()
    pipeline.go()
    assert sorted(p.name for p in pipeline.path.iterdir() if p.is_dir()) == ["01-one", "02-two", "notes"]


def test_a_step_that_gets_another_number_is_moved_and_not_made_again(pipeline):
    pipeline.go()
    with open_run(pipeline.path, QUIET) as run:
        one = run.rows("one", Query, [], [["a"]], lambda: pytest.fail("made again"))
        run.rows("between", Query, [], [], lambda: rows("b"))
        two = run.rows("two", Query, [one], [Options()], lambda: pytest.fail("made again"))
        assert two.read() == rows("a")
        run.finish()
    assert [p.name for p in sorted(pipeline.path.glob("[0-9]*"))] == ["01-one", "02-between", "03-two"]
    plan = Plan(pipeline.path)
    pipeline.go(steps=plan)
    assert on_disk(plan) == [True, True]
    pipeline.go()
    assert pipeline.made == []
    assert [p.name for p in sorted(pipeline.path.glob("[0-9]*"))] == ["01-one", "02-two"]


def test_a_folder_step_lists_every_file(tmp_path):
    def fill(folder):
        (folder / "deep").mkdir()
        (folder / "deep" / "weights").write_bytes(b"123")

    with open_run(tmp_path / "run", QUIET) as run:
        made = run.folder("student", [], [], fill)
    manifest = json.loads((made.path / MANIFEST).read_text(encoding="utf-8"))
    assert list(manifest["files"]) == [os.path.join("deep", "weights")]  # noqa: PTH118  # as the system writes it
    assert manifest["step"] == "student"


def test_a_plan_looks_and_changes_nothing(pipeline):
    before = Plan(pipeline.path)
    pipeline.go(steps=before)
    assert on_disk(before) == [False, False]
    assert not pipeline.path.exists()
    pipeline.go()
    after, changed = Plan(pipeline.path), Plan(pipeline.path)
    pipeline.go(steps=after)
    pipeline.go(steps=changed, first=("b",))
    assert on_disk(after) == [True, True]
    assert on_disk(changed) == [False, False]
    assert pipeline.made == []


def test_a_fingerprint_depends_on_all_of_it(monkeypatch, tmp_path):
    def fingerprint(name="step", digest="d", size=1, path="p"):
        return step_fingerprint(name, [Artifact(tmp_path / path, digest)], [Options(size=size), {"k": [1]}])

    base = fingerprint()
    assert fingerprint(path="elsewhere") == base
    assert len({base, fingerprint(name="other"), fingerprint(digest="e"), fingerprint(size=2)}) == 4
    monkeypatch.setattr(run_module, "engine_version", lambda: "9.9")
    assert fingerprint() != base


def test_one_process_at_a_time(tmp_path):
    with (
        open_run(tmp_path / "run", QUIET),
        pytest.raises(InputError, match="another process works on this run"),
        open_run(tmp_path / "run", QUIET),
    ):
        pass
    with open_run(tmp_path / "run", QUIET):
        pass


def test_a_place_that_is_a_file(tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(InputError, match="cannot write there"), open_run(tmp_path / "run", QUIET):
        pass


def test_a_file_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    write_whole(tmp_path / "file", "old\n")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_module.os, "fsync", full)
    with pytest.raises(TwtError, match="cannot write: No space left on device"):
        write_whole(tmp_path / "file", "new\n")
    assert (tmp_path / "file").read_bytes() == b"old\n"


def test_a_summary_goes_with_the_steps_that_it_is_of(tmp_path):
    def run(options):
        with open_run(tmp_path / "run", QUIET) as opened:
            opened.rows("one", Query, [], [options], lambda: [Query(id="q", query="?")])

    run(1)
    (tmp_path / "run" / SUMMARY).touch()
    run(1)
    assert (tmp_path / "run" / SUMMARY).exists()
    run(2)
    assert not (tmp_path / "run" / SUMMARY).exists()


def test_each_step_that_is_whole_is_told_of(tmp_path):
    told = []
    for _ in range(2):
        with open_run(tmp_path / "run", QUIET) as opened:
            opened.after = told.append
            opened.rows("one", Query, [], [], lambda: [])
            assert opened.done == {"one": tmp_path / "run" / "01-one"}
    assert told == ["one", "one"]


@pytest.fixture
def beside(tmp_path):
    """Goes through the two steps in a run folder of its own, beside others."""

    def go(name, *others, **more):
        made = Pipeline(tmp_path / name)
        with open_run(made.path, QUIET) as run:
            run.beside = [tmp_path / other for other in others]
            made.go(steps=run, **more)
            run.finish()
        return made

    return go


def taken_from(pipeline, step):
    return json.loads((pipeline.path / step / MANIFEST).read_text(encoding="utf-8")).get("taken_from")


def test_a_step_that_a_run_beside_has_is_taken_and_not_made(beside):
    first = beside("first")
    second = beside("second", "none", "first")
    third = beside("third", "second", size=0)
    assert (first.made, second.made, third.made) == (["one", "two"], [], ["two"])
    assert taken_from(second, "02-two") == taken_from(third, "01-one") == "first"
    assert taken_from(first, "01-one") is taken_from(third, "02-two") is None
    rows_of = [one.path / "01-one" / ROWS for one in (first, second, third)]
    assert rows_of[0].samefile(rows_of[1]) and rows_of[1].samefile(rows_of[2])
    assert not list(second.path.glob(".work"))
    assert beside("second").made == []  # it is its own now


def test_what_is_taken_outlives_the_run_that_made_it(beside):
    first = beside("first")
    second = beside("second", "first")
    before = (second.path / "01-one" / ROWS).read_bytes()
    assert beside("first", first=("b",)).made == ["one", "two"]
    assert (second.path / "01-one" / ROWS).read_bytes() == before
    assert first.path.exists() and beside("second").made == []


def test_without_hard_links_it_is_copied(beside, monkeypatch):
    def refuse(*_):
        raise PermissionError("this file system has none")

    first = beside("first")
    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    second = beside("second", "first")
    copies = [one.path / "02-two" / ROWS for one in (first, second)]
    assert second.made == [] and not copies[0].samefile(copies[1])
    assert copies[0].read_bytes() == copies[1].read_bytes()


@pytest.mark.parametrize("harm", ["rows", "manifest", "to be retried"])
def test_a_step_beside_that_is_not_whole_is_not_taken(beside, harm):
    first = beside("first")
    manifest = first.path / "01-one" / MANIFEST
    if harm == "rows":
        (first.path / "01-one" / ROWS).write_text("", encoding="utf-8")
    elif harm == "manifest":
        manifest.unlink()
    else:
        manifest.write_text(manifest.read_text(encoding="utf-8").replace('"whole": true', '"whole": false'))
    second = beside("second", "first")
    assert second.made == ["one"]  # the other one is of what it contains, which is the same
    assert taken_from(second, "02-two") == "first"


@pytest.mark.parametrize("moment", ["cleared", "made anew"])
def test_a_step_beside_that_is_being_made_anew_is_not_taken(beside, monkeypatch, moment):
    first = beside("first")
    rows, link = first.path / "01-one" / ROWS, run_module._link_files

    def make_anew(step, manifest, target):
        if step == rows.parent:
            rows.unlink()
            if moment == "made anew":
                rows.write_text("", encoding="utf-8")
        link(step, manifest, target)

    monkeypatch.setattr(run_module, "_link_files", make_anew)
    second = beside("second", "first")
    assert second.made == ["one"] and taken_from(second, "02-two") == "first"
    assert not list(second.path.glob(".work"))


def test_a_taken_step_puts_an_old_summary_away(beside):
    beside("first")
    second = beside("second", size=0)
    (second.path / SUMMARY).write_text("{}", encoding="utf-8")
    beside("second", "first")
    assert not (second.path / SUMMARY).exists()


def test_a_plan_counts_what_runs_before_it_make(tmp_path, beside):
    planned = {}
    first, second, third = (Plan(tmp_path / name, planned=planned) for name in ("first", "second", "third"))
    for plan, size in ((first, 1), (second, 1), (third, 0)):
        Pipeline(plan.path).go(steps=plan, size=size)
    assert [[step.of for step in plan.steps] for plan in (first, second, third)] == [
        [None, None], ["first", "first"], ["first", None],
    ]  # fmt: skip
    beside("first")
    later = Plan(tmp_path / "second", beside=[tmp_path / "first"])
    Pipeline(later.path).go(steps=later)
    assert [(step.on_disk, step.of) for step in later.steps] == [(False, "first")] * 2
