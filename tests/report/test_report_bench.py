"""The report of a bench: its arms, its comparisons, its runs; whatever they are called."""

from __future__ import annotations

from pathlib import Path

import made_run
import pytest
import samples
from html_texts import texts_of
from test_report_hostile import CORPUS
from watched import Watched

from twt_core import report
from twt_core.bench.result import RESULT, Arm, BenchResult, Combination
from twt_core.comparisons import compare_all
from twt_core.errors import InputError
from twt_core.metrics import score_stages
from twt_core.report.bench_page import frontier_points

STAGES = {"a": samples.predictions("++-+-", 20), "b": samples.predictions("+++++", 5)}


def result(*names: str, **more: object) -> BenchResult:
    """Two arms that are done and one run that failed."""
    scores = score_stages(STAGES)
    combinations = [
        Combination(name=name, run=f"runs/{place}", values={"selector": name}, seed=0, state="done", steps=9)
        for place, name in enumerate(names)
    ]
    failed = Combination(name="broken", run="runs/broken", values={}, seed=0, state="failed", error=f"no {names[0]}")
    arms = [
        Arm(name=name, values={"selector": name}, score=score, on_frontier=score.on_frontier, stages=scores, kept=3)
        for name, score in zip(names, scores, strict=True)
    ]
    found = BenchResult(
        name="bench", reduced=True, axes={"selector": [*names]}, seeds=[0], stage="last",
        baseline={"selector": names[0]}, combinations=[*combinations, failed], arms=arms,
        comparisons=compare_all(STAGES, ["a"]), budget_usd=None, teacher_calls=12, cost_usd=0.25, maybe_billed_usd=0.0,
        unsandboxed_code=False, simulated=[], notes=[], versions={},
    )  # fmt: skip
    return found.model_copy(update=more)


def write(folder: Path, found: BenchResult) -> Path:
    folder.mkdir()
    (folder / RESULT).write_text(found.model_dump_json(), encoding="utf-8")
    return report.write_bench(folder)


def test_arms_comparisons_and_runs(tmp_path):
    said = texts_of(write(tmp_path / "bench", result("random", "cosine")).read_text(encoding="utf-8"))
    assert "2 of 3 combinations are done, at the reduced size." in said
    for name, share, tokens in (("random", "60.0%", "20.0"), ("cosine", "100.0%", "5.0")):
        row = said[said.index("Arms: the runs that differ in the seed alone, together") :]
        row = row[row.index(name) :]
        assert row[1] == share and tokens in row[:6]
    assert "+40.0" in said and "0.2500 US dollars for 12 teacher calls" in said
    assert "no random" in said and "failed" in said
    assert "Every stage" in said


def test_where_each_stage_is_an_arm_none_is_shown_twice(tmp_path):
    notes = ["REDUCED size: nothing of it counts", "over the seeds"]
    text = write(tmp_path / "bench", result("random", "cosine", stage="each", notes=notes)).read_text(encoding="utf-8")
    assert "Every stage" not in texts_of(text)
    assert '<p class="mark">REDUCED size: nothing of it counts</p>' in text
    assert "<p>over the seeds</p>" in text


def test_only_what_others_are_compared_against_is_called_a_baseline(tmp_path):
    found = result("random", "cosine")
    said = texts_of(write(tmp_path / "both", found).read_text(encoding="utf-8"))
    assert said.count("baseline") == 2  # what it is, and the arm
    lost = [found.arms[0].model_copy(update={"score": None}), found.arms[1].model_copy(update={"on_frontier": None})]
    alone = found.model_copy(update={"arms": lost, "comparisons": []})
    said = texts_of(write(tmp_path / "one", alone).read_text(encoding="utf-8"))
    assert said.count("baseline") == 1  # its run failed, which makes the other none


def test_a_baseline_may_be_on_the_frontier(tmp_path):
    found = result("random", "cosine", baseline={"selector": "cosine"})
    assert "baseline, frontier" in texts_of(write(tmp_path / "bench", found).read_text(encoding="utf-8"))


def test_an_arm_whose_tokens_are_not_all_known_is_not_drawn_on_the_frontier():
    arms = result("random", "cosine").arms
    partly = arms[1].score.model_copy(update={"tokens_unknown": 1})
    wholly = arms[1].score.model_copy(update={"tokens_unknown": 5})
    for score, best in ((arms[1].score, [False, True]), (partly, [False, False]), (wholly, [False])):
        on = True if score is arms[1].score else None
        points = frontier_points([arms[0], arms[1].model_copy(update={"score": score, "on_frontier": on})])
        assert [point.best for point in points] == best
    assert [point.best for point in frontier_points([arms[1].model_copy(update={"on_frontier": None})])] == [True]


def test_it_leads_to_the_reports_that_are_there(tmp_path, page):
    (tmp_path / "bench" / "runs").mkdir(parents=True)
    report.write(made_run.make(tmp_path / "bench" / "runs" / "1"))
    (tmp_path / "bench" / RESULT).write_text(result("random", "cosine").model_dump_json(), encoding="utf-8")
    watched = Watched(page)
    page.goto(report.write_bench(tmp_path / "bench").as_uri())
    assert page.locator("main ul a").all_inner_texts() == ["cosine"]
    page.click("main ul a")
    page.wait_for_selector(".row")
    assert page.inner_text("h1") == "1" and watched.said == []
    elsewhere = report.write_bench(tmp_path / "bench", tmp_path / "elsewhere.html")
    assert 'href="./bench/runs/1/report.html"' in elsewhere.read_text(encoding="utf-8")


def test_hostile_names_are_text(tmp_path, page):
    one, other = CORPUS[1], CORPUS[6]
    marks = {"simulated": [one], "notes": [other], "versions": {one: other}, "name": other}
    bench = tmp_path / "bench"
    found = result(one, other, **marks)
    evil = [run.model_copy(update={"run": f"javascript:{run.run}\u202e'\""}) for run in found.combinations]
    for run in evil:
        (bench / run.run).mkdir(parents=True)
        (bench / run.run / report.REPORT).touch()
    (bench / RESULT).write_text(found.model_copy(update={"combinations": evil}).model_dump_json(), encoding="utf-8")
    watched = Watched(page)
    page.goto(report.write_bench(bench).as_uri())
    assert page.inner_text("h1") == other
    assert f"SIMULATED: the answers of {one} are made up" in page.inner_text("header")
    links = page.locator("main ul a").evaluate_all("(all) => all.map((one) => one.protocol)")
    assert links == ["file:"] * 3
    assert watched.said == [] and page.evaluate("window.hacked") is None


def test_no_bench_and_a_damaged_one_are_refused(tmp_path):
    with pytest.raises(InputError, match="no bench"):
        report.write_bench(tmp_path)
    (tmp_path / RESULT).write_text("{}")
    with pytest.raises(InputError, match="damaged"):
        report.write_bench(tmp_path)
