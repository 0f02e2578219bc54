"""What the viewer finds in a folder of runs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from twt_core.bench.result import Arm, BenchResult
from twt_core.metrics import StageScore
from twt_core.progress import Progress
from twt_core.recorder import recorded
from twt_core.view import pages
from twt_core.view.folders import BenchCard, Folders, RunCard
from twt_core.view.steps import shown_steps


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def copy(finished, runs: Path, name: str) -> Path:
    return Path(shutil.copytree(finished.folder, runs / name))


def unfinished(folder: Path) -> Path:
    (folder / "summary.json").unlink()
    (folder / "progress.json").unlink()
    return folder


def card(runs: Path, name: str) -> RunCard:
    found = Folders(runs).by_name()[name]
    assert isinstance(found, RunCard)
    return found


def score(accuracy: float | None, tokens: float) -> StageScore:
    return StageScore(
        name="answer_only", accuracy=accuracy, accuracy_ci=None, mean_output_tokens=tokens, median_output_tokens=tokens,
        p95_output_tokens=tokens, seconds_per_answer=0.1, usd_per_thousand=None, questions=1, answers=1, graded=1,
        ungraded={}, verdicts={}, pass_at={}, pass_at_ci={}, judged_by=[], unsandboxed=False,
    )  # fmt: skip


def bench(runs: Path, name: str, *arms: Arm) -> Path:
    (runs / name).mkdir()
    result = BenchResult(
        name=name, reduced=False, axes={}, seeds=[0], stage="last", baseline={}, combinations=[], arms=list(arms),
        comparisons=[], budget_usd=None, teacher_calls=0, cost_usd=1.5, maybe_billed_usd=0.0, unsandboxed_code=False,
        simulated=[], notes=[], versions={},
    )  # fmt: skip
    (runs / name / "bench.json").write_text(result.model_dump_json(), encoding="utf-8")
    return runs / name


def test_states(finished, runs):
    copy(finished, runs, "done")
    unfinished(copy(finished, runs, "unfinished"))
    with pytest.raises(KeyboardInterrupt), recorded(unfinished(copy(finished, runs, "stopped")), Progress(quiet=True)):
        raise KeyboardInterrupt
    with pytest.raises(ZeroDivisionError), recorded(unfinished(copy(finished, runs, "failed")), Progress(quiet=True)):
        raise ZeroDivisionError
    with recorded(copy(finished, runs, "working"), Progress(quiet=True), lambda: 0.5):
        found = {name: card(runs, name) for name in ("done", "unfinished", "stopped", "failed", "working")}
        assert {name: one.state for name, one in found.items()} == {name: name for name in found}
    assert found["stopped"].why == "interrupted"
    assert found["done"].summary == finished.summary
    assert found["done"].cost_usd == finished.summary.cost_usd
    assert found["working"].cost_usd == 0.5  # not that of the summary before it


def test_a_finished_run_whose_folder_was_refused_later_is_done(finished, runs):
    """An error that made nothing again leaves the result as it was."""
    folder = copy(finished, runs, "done")
    with pytest.raises(ZeroDivisionError), recorded(folder, Progress(quiet=True)):
        raise ZeroDivisionError
    assert card(runs, "done").state == "done"


@pytest.mark.parametrize(
    ("file", "content"),
    [("config.json", b"{"), ("config.json", b"\xff"), ("summary.json", b'{"name": "of another version"}')],
)
def test_damage_is_said(finished, runs, file, content):
    (copy(finished, runs, "bad") / file).write_bytes(content)
    assert card(runs, "bad").state == "damaged"
    assert file in card(runs, "bad").why


def test_a_pipe_is_not_waited_for(finished, runs):
    folder = copy(finished, runs, "bad")
    (folder / "summary.json").unlink()
    os.mkfifo(folder / "summary.json")
    assert card(runs, "bad").why == "summary.json is no file"


def test_what_is_no_run_is_not_listed(finished, runs):
    copy(finished, runs, "tiny")
    (runs / ".models").mkdir()
    (runs / ".models" / "config.json").write_text("{}")
    (runs / "notes").mkdir()
    (runs / "ledger.sqlite").touch()
    assert list(Folders(runs).by_name()) == ["tiny"]


def test_what_changed_is_read_again_and_what_did_not_is_not(finished, runs, monkeypatch):
    folder, folders = copy(finished, runs, "tiny"), Folders(runs)
    first = folders.by_name()["tiny"]
    again = folders.by_name()["tiny"]
    assert isinstance(first, RunCard) and isinstance(again, RunCard)
    assert again.summary is first.summary
    changed = json.loads((folder / "summary.json").read_text())
    changed["cost_usd"] = 12.5
    (folder / "summary.json").write_text(json.dumps(changed))
    after = folders.by_name()["tiny"]
    assert isinstance(after, RunCard) and after.cost_usd == 12.5
    copy(finished, runs, "later")
    assert set(folders.by_name()) == {"tiny", "later"}


def test_the_latest_is_first(finished, runs):
    for place, name in enumerate(["a", "b", "c"]):
        folder = copy(finished, runs, name)
        (folder / "progress.json").unlink()
        os.utime(folder / "summary.json", (1000 + place, 1000 + place))
    assert [one.name for one in Folders(runs).cards()] == ["c", "b", "a"]


def test_a_bench_holds_its_runs(finished, runs):
    bench(runs, "table", Arm(name="x", values={}, score=score(0.5, 9)), Arm(name="y", values={}, score=score(0.5, 4)))
    copy(finished, runs, "table.x")
    unfinished(copy(finished, runs, "table.y"))
    copy(finished, runs, "tables")
    found = {one.name: one for one in Folders(runs).cards()}
    assert set(found) == {"table", "tables"}
    table = found["table"]
    assert isinstance(table, BenchCard)
    assert [run.name for run in table.runs] == ["table.x", "table.y"]
    assert table.states == {"done": 1, "unfinished": 1}
    assert table.best is not None and table.best.name == "y"  # as accurate, and terser
    assert "table.y" in pages.bench_page(table)


def test_a_bench_that_begins_or_is_damaged_is_shown(finished, runs):
    (runs / "begins").mkdir()
    copy(finished, runs, "begins.x")
    (runs / "bad").mkdir()
    (runs / "bad" / "bench.json").write_text("[]")
    found = Folders(runs).by_name()
    assert isinstance(found["begins"], BenchCard) and found["begins"].result is None
    assert isinstance(found["bad"], BenchCard) and "damaged" in found["bad"].why
    assert "damaged" in pages.index_page(Folders(runs))


def test_links_out_of_the_folder_are_not_followed(finished, runs, tmp_path):
    outside = copy(finished, tmp_path, "outside")
    (runs / "linked").symlink_to(outside)
    inner = copy(finished, runs, "inner")
    (inner / "summary.json").unlink()
    (inner / "summary.json").symlink_to(outside / "summary.json")
    (runs / "bench").mkdir()
    (runs / "bench" / "bench.json").symlink_to(outside / "summary.json")
    (runs / "alias").symlink_to(copy(finished, runs, "tiny"))
    found = Folders(runs).by_name()
    assert {name for name, one in found.items() if "not followed" in one.why} == {"linked", "inner", "bench"}
    assert card(runs, "linked").summary is None
    assert card(runs, "alias").state == "done"  # a link within it is


def test_steps_of_a_run_under_way(finished, runs, monkeypatch):
    folder = unfinished(copy(finished, runs, "tiny"))
    (folder / "10-compressed-traces" / "manifest.json").unlink()
    progress = Progress(quiet=True)
    names = [path.name.partition("-")[2] for path in sorted(folder.glob("[0-9]*"))]
    with recorded(folder, progress):
        progress.expect(names)
        progress.step("10-compressed-traces")
        while (now := card(runs, "tiny")).live is None or now.live.step is None:
            pass
        steps = shown_steps(now)
    assert [step.mark for step in steps] == ["done"] * 9 + ["working"] + ["waiting"] * 5
    assert steps[9].name == "10-compressed-traces" and steps[9].seconds is not None
    assert steps[14].name == "15-answer_only-test-scores"


def test_steps_of_a_run_that_stopped(finished, runs):
    folder = unfinished(copy(finished, runs, "tiny"))
    (folder / "15-answer_only-test-scores" / "manifest.json").unlink()
    (folder / "12a-no-step").mkdir()
    assert [step.mark for step in shown_steps(card(runs, "tiny"))] == ["done"] * 14 + ["broken"]


def test_steps_after_the_one_that_a_run_stopped_at_are_to_come(finished, runs):
    """A changed filter, and a stop before the selection: what lies there is of the old one."""
    folder = unfinished(copy(finished, runs, "tiny"))
    told = json.loads((finished.folder / "progress.json").read_text(encoding="utf-8"))
    told = {**told, "state": "stopped", "step": "03-kept"}
    (folder / "progress.json").write_text(json.dumps(told), encoding="utf-8")
    assert [step.mark for step in shown_steps(card(runs, "tiny"))] == ["done"] * 3 + ["waiting"] * 12
    shutil.copy(finished.folder / "summary.json", folder)  # all was on disk, and the end was reached
    assert {step.mark for step in shown_steps(card(runs, "tiny"))} == {"done"}
