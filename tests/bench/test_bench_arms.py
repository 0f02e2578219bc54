"""The numbers of a bench against those that a hand can work out."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import samples

from twt_core.bench.arms import Answers, arms_of, comparisons, on_frontiers, pooled, with_baselines
from twt_core.bench.checking import baseline_of, groups_of
from twt_core.bench.execution import notes_of
from twt_core.bench.grid import Grid, GridRun
from twt_core.bench.output import as_csv, figure
from twt_core.bench.result import Arm, BenchResult
from twt_core.bench.runs import Done
from twt_core.comparisons import mcnemar
from twt_core.config import load_config
from twt_core.metrics import score_stage, wilson_interval
from twt_core.run import ROWS


@pytest.fixture
def grid_of(fresh, finished, tmp_path):
    """A grid of runs whose last stage gave these verdicts, by ``(label, seed)``; all done."""
    config = load_config(fresh)

    def made(verdicts, tokens=None, stage="last"):
        runs, done = [], []
        for label, seed in verdicts:
            own = config.model_copy(update={"seed": seed})
            run = GridRun(f"{label}+seed-{seed}", f"tiny.{label}+seed-{seed}", {"method": label}, own)
            rows = samples.predictions(verdicts[label, seed], (tokens or {}).get(label, 10))
            path = tmp_path / run.folder
            for name in ("untouched", "answer_only"):
                folder = path / f"06-{name}-test-scores"
                folder.mkdir(parents=True)
                (folder / ROWS).write_text("".join(row.model_dump_json() + "\n" for row in rows), encoding="utf-8")
            stages = [score_stage(name, rows) for name in ("untouched", "answer_only")]
            runs.append(run)
            done.append(Done(run, path, finished.summary.model_copy(update={"stages": stages, "seed": seed})))
        axes = {"method": list(dict.fromkeys(label for label, _ in verdicts))}
        return Grid("tiny", axes, runs, stage, None, "", reduced=False), done

    return made


def arms(grid, done, baseline):
    groups = {run.name: "" for run in grid.runs}
    return with_baselines(on_frontiers(arms_of(grid, [], done, groups)), baseline)


def test_one_seed_is_wilsons_interval_and_mcnemars_test(grid_of):
    one, other = "++++------", "+++++++++-"
    found = arms(*grid_of({("a", 0): one, ("b", 0): other}), {"method": "a"})
    assert [answers.arm.score.accuracy for answers in found] == [0.4, 0.9]
    assert found[0].arm.score.accuracy_ci == tuple(round(end, 4) for end in wilson_interval(4, 10))
    [compared] = comparisons(found)
    assert (compared.first, compared.second, compared.test) == ("a", "b", "mcnemar")
    assert compared.p_value == mcnemar([v == "+" for v in one], [v == "+" for v in other]) == 2 / 2**5
    assert compared.accuracy_difference == 0.5
    assert found[1].arm.accuracy_spread.deviation is None


def test_seeds_count_together_by_question(grid_of):
    verdicts = {("a", 0): "++--", ("a", 1): "+---", ("b", 0): "++++", ("b", 1): "+++-"}
    found = arms(*grid_of(verdicts, {"a": 10, "b": 5}), {"method": "a"})
    first, second = (answers.arm for answers in found)
    assert (first.score.accuracy, second.score.accuracy) == (3 / 8, 7 / 8)
    assert first.seeds == [0, 1] and first.stage == {0: "answer_only", 1: "answer_only"}
    assert first.accuracy_spread.values == [0.5, 0.25]
    assert first.accuracy_spread.deviation == pytest.approx(0.1768, abs=5e-5)  # 0.25 / the root of 2
    assert (first.score.questions, first.score.answers) == (4, 8)
    [compared] = comparisons(found)
    differences = [0.0, 0.5, 1.0, 0.5]  # of the means over the seeds, question by question
    assert compared.accuracy_difference == sum(differences) / 4
    flips = [abs(sum(sign * d for sign, d in zip(signs, differences, strict=True)))
             for signs in itertools.product((-1, 1), repeat=4)]  # fmt: skip
    exact = sum(flip >= sum(differences) for flip in flips) / len(flips)
    assert compared.test == "permutation"
    assert compared.p_value == pytest.approx(exact, abs=0.02)
    assert compared.token_ratio == 0.5


def test_p_values_are_corrected_together(grid_of):
    verdicts = {("a", 0): "-" * 10, ("b", 0): "+" * 10, ("c", 0): "+" * 6 + "-" * 4, ("d", 0): "-" * 10}
    found = comparisons(arms(*grid_of(verdicts), {"method": "a"}))
    assert [one.p_value for one in found] == [2 / 2**10, 2 / 2**6, 1.0]
    assert [one.p_corrected for one in found] == [3 * 2 / 2**10, 2 * 2 / 2**6, 1.0]


def test_the_frontier_is_of_a_group(grid_of):
    grid, done = grid_of({("a", 0): "++--", ("b", 0): "+++-", ("c", 0): "+---"}, {"a": 5, "b": 10, "c": 8})
    assert [one.arm.on_frontier for one in arms(grid, done, {})] == [True, True, False]
    alone = on_frontiers(arms_of(grid, [], done, {run.name: run.name for run in grid.runs}))
    assert {one.arm.on_frontier for one in alone} == {None}


def test_an_arm_that_lacks_a_seed_has_the_others(grid_of):
    grid, done = grid_of({("a", 0): "++--", ("a", 1): "----", ("b", 0): "++++", ("b", 1): "++++"})
    found = arms(grid, [done[0], *done[2:]], {"method": "a"})
    assert (found[0].arm.seeds, found[0].arm.score.accuracy) == ([0], 0.5)
    assert comparisons(found)[0].accuracy_difference == 0.5


def test_each_stage_is_an_arm(grid_of):
    grid, done = grid_of({("a", 0): "++--", ("b", 0): "+++-"}, stage="each")
    grid.axes["stage"] = ["untouched", "full", "answer_only"]
    found = arms(grid, done, {"stage": "untouched"})
    assert [one.arm.name for one in found] == ["a+untouched", "a+answer_only", "b+untouched", "b+answer_only"]
    assert [(one.first, one.second) for one in comparisons(found)] == [
        ("a+untouched", "a+answer_only"), ("b+untouched", "b+answer_only"),
    ]  # fmt: skip


def test_while_no_run_is_done_an_arm_has_the_stages_that_it_may_have(grid_of):
    grid, _ = grid_of({("a", 0): "++--"}, stage="each")
    grid.axes["stage"] = ["untouched", "full", "of_another_scheduler", "answer_only"]
    found = [answers.arm for answers in arms(grid, [], {"stage": "untouched"})]
    assert [arm.name for arm in found] == ["a+untouched", "a+full", "a+answer_only"]
    assert {arm.score for arm in found} == {None}


def test_a_stage_that_a_run_has_not_gives_no_score(grid_of):
    found = arms(*grid_of({("a", 0): "++--"}, stage="compressed"), {})
    assert found[0].arm.score is None and found[0].predictions == []


def test_the_recommended_stage_may_differ_by_seed(grid_of):
    grid, done = grid_of({("a", 0): "++--", ("a", 1): "+++-"}, stage="recommended")
    for place, stage in enumerate(("untouched", "answer_only")):
        done[place] = Done(done[place].run, done[place].path,
                           done[place].summary.model_copy(update={"recommended_stage": stage}))  # fmt: skip
    [found] = arms(grid, done, {})
    assert found.arm.stage == {0: "untouched", 1: "answer_only"}
    assert (found.arm.score.name, found.arm.score.accuracy) == ("answer_only+untouched", 5 / 8)


def test_answers_of_runs_stay_apart():
    rows = samples.predictions("+-")
    twice = [row.model_copy(update={"sample": 1}) for row in rows]
    found = pooled([[*rows, *twice], rows])
    assert sorted((row.query_id, row.sample) for row in found) == [
        ("0", 0),
        ("0", 1),
        ("0", 2),
        ("1", 0),
        ("1", 1),
        ("1", 2),
    ]


def runs_of(**asked):
    return [SimpleNamespace(name=name, values=dict(zip(("task", "method"), name.split("_"), strict=True)))
            for name in asked]  # fmt: skip


def test_groups_are_named_by_what_chooses_the_questions():
    asked = {"x_a": "1", "x_b": "1", "y_a": "2", "y_b": "2"}
    axes = {"task": ["x", "y"], "method": ["a", "b"]}
    grid = Grid("g", axes, runs_of(**asked), "last", None, "", reduced=False)
    groups = groups_of(grid, asked)
    assert groups == {"x_a": "x", "x_b": "x", "y_a": "y", "y_b": "y"}
    assert baseline_of(grid, groups) == {"method": "a"}
    assert set(groups_of(grid, dict.fromkeys(asked, "1")).values()) == {""}


def test_a_bench_without_any_result_still_has_a_table_and_a_figure():
    result = BenchResult(
        name="x", reduced=False, axes={"m": ["a"]}, seeds=[0], stage="last", baseline={}, combinations=[],
        arms=[Arm(name="a", values={"m": "a"})], comparisons=[], budget_usd=None, teacher_calls=0, cost_usd=0,
        maybe_billed_usd=0, unsandboxed_code=False, simulated=[], notes=[], versions={},
    )  # fmt: skip
    header, row = as_csv(result).splitlines()
    assert row.startswith("a,a,0,")
    assert len(header.split(",")) == len(row.split(","))
    assert "<svg" in figure(result)
    assert comparisons([Answers(result.arms[0], [])]) == []


@pytest.mark.parametrize(("stage", "chosen_on", "said"), [
    ("recommended", "test_queries", True), ("recommended", "dev_queries", False), ("last", "test_queries", False),
])  # fmt: skip
def test_stages_that_the_test_questions_chose_are_told(grid_of, stage, chosen_on, said):
    grid, done = grid_of({("a", 0): "++--"}, stage=stage)
    summaries = [one.summary.model_copy(update={"recommended_on": chosen_on}) for one in done]
    assert any("test questions chose" in note for note in notes_of(grid, summaries)) == said
