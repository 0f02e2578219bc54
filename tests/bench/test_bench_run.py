"""A whole bench: what is shared, what is written, what is made again."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import benches
import project
import pytest

from twt_core import finished
from twt_core.bench.planning import plan_bench
from twt_core.bench.result import BenchResult
from twt_core.ledger import Ledger
from twt_core.session import LEDGER


@pytest.fixture
def copied(benched, tmp_path, without_reports):
    """The finished bench, to change."""
    shutil.copytree(benched.config.parent, tmp_path / "bench")
    return tmp_path / "bench" / "run.yaml"


def test_nothing_is_made_twice(benched):
    made = [one for one in benches.manifests(benched.runs).values() if one.get("taken_from") is None]
    # Two selections, four trainings for each of two lengths; the untouched student answers once.
    assert Counter(one["step"] for one in made) == {
        "annotations": 1, "scored": 1, "kept": 1, "untouched-test-scores": 1, "selected": 2, "traces": 2,
        "answer_only-traces": 2, "answer_only-student": 8, "answer_only-test-scores": 8,
    }  # fmt: skip
    assert len({one["fingerprint"] for one in made}) == len(made)


def test_a_shared_step_is_the_same_files(benched):
    first, *others = sorted(benched.runs.glob("tiny.*/01-annotations/rows.jsonl"))
    assert all(other.samefile(first) for other in others)
    assert benched.found.combinations[1].taken["01-annotations"] == f"tiny.{benches.NAMES[0]}"


def test_the_plan_was_what_then_happened(benched):
    planned, made = benched.planned, benches.manifests(benched.runs)
    assert (planned.on_disk, planned.shared, planned.to_do) == (0, len(made) - 26, 26)
    for run in planned.runs:
        for number, step in enumerate(run.steps, start=1):
            folder = f"tiny.{run.name}/{number:02d}-{step.step}"
            maker = made[folder].get("taken_from")
            assert (step.shared_with and f"tiny.{step.shared_with}") == maker, folder
    assert [(row.answers, row.rewrites_at_most) for row in planned.calls] == [(12, 0)] * 3
    assert planned.teacher_calls_at_most == 36 == benched.found.teacher_calls


def test_a_plan_of_a_finished_bench_has_nothing_to_do(benched):
    planned = plan_bench(benched.config, (), benched.runs)
    assert (planned.to_do, planned.shared, planned.teacher_calls_at_most) == (0, 0, 0)


def test_a_run_is_the_same_as_by_itself(benched, fresh, twt):
    fresh.write_text(fresh.read_text(encoding="utf-8") + benches.QUICK, encoding="utf-8")
    said = twt(
        "run", fresh, "--runs-dir", fresh.parent / "alone", "--set", "diversity_selector.use=all", "--set", "seed=1"
    )
    assert said.code == 0
    alone = project.contents(fresh.parent / "alone" / "tiny")
    assert project.contents(benched.runs / "tiny.all+once+seed-1") == alone


def test_a_combination_is_a_run_like_any_other(benched, twt):
    folder = benched.runs / "tiny.all+twice+seed-0"
    assert finished.status(folder).summary.seed == 0
    assert twt("answer", folder, "What is 1 plus 2?").code == 0
    other = benched.runs / "tiny.all+once+seed-0"
    assert twt("compare", f"{folder}:answer_only", f"{other}:answer_only").code == 0


def test_what_is_written(benched):
    folder, found = benched.runs / "tiny", benched.found
    assert BenchResult.model_validate_json((folder / "bench.json").read_text(encoding="utf-8")) == found
    with (folder / "bench.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["arm"] for row in rows] == [arm.name for arm in found.arms]
    assert rows[1]["axis:student.epochs"] == "twice"
    for row, arm in zip(rows, found.arms, strict=True):
        assert (float(row["accuracy"]), int(row["seeds"]), row["stage"]) == (arm.score.accuracy, 2, "answer_only")
        assert float(row["mean_output_tokens"]) == arm.score.mean_output_tokens
    assert {row["baseline"] for row in rows} == {"", "random_pair+once"}
    assert (folder / "frontier.svg").read_text(encoding="utf-8").lstrip().startswith("<")
    assert "tiny" in (folder / "report.html").read_text(encoding="utf-8")
    assert len(list(benched.runs.glob("tiny.*/report.html"))) == 8


def test_the_numbers_of_the_arms(benched):
    found = benched.found
    assert [arm.name for arm in found.arms] == ["random_pair+once", "random_pair+twice", "all+once", "all+twice"]
    assert found.baseline == {"diversity_selector": "random_pair", "student.epochs": "once"}
    assert [(one.first, one.second) for one in found.comparisons] == [
        ("random_pair+once", other) for other in ("random_pair+twice", "all+once", "all+twice")
    ]
    assert {one.compared_together for one in found.comparisons} == {3}
    for arm in found.arms:
        summaries = [finished.summary(benched.runs / "tiny" / run) for run in arm.runs]
        accuracies = [summary.stages[-1].accuracy for summary in summaries]
        assert arm.accuracy_spread.values == accuracies
        assert arm.score.accuracy == pytest.approx(sum(accuracies) / 2, abs=1e-4)
        assert (arm.score.questions, arm.score.answers) == (6, 12)
        assert arm.kept == 27 and arm.kept_right == 1.0
    assert sum(one.teacher_calls for one in found.combinations) == 36
    assert [one.teacher_calls for one in found.combinations][1:] == [0] * 7


def test_a_second_time_does_nothing_and_says_so(copied, twt):
    runs = copied.parent / "runs"
    before = benches.written(runs)
    said = twt("bench", copied, "--runs-dir", runs)
    assert said.code == 0
    assert benches.written(runs) == before
    assert said.err.count("nothing to do: every step is on disk") == 8
    for part in ("± seeds", "random_pair+twice", "shared", "teacher calls: 36, $0.0000", "bench.json"):
        assert part in said.out, part
    as_json = twt("bench", copied, "--runs-dir", runs, "--json", "--quiet")
    assert json.loads(as_json.out) == json.loads((runs / "tiny" / "bench.json").read_text(encoding="utf-8"))


def test_an_edit_makes_again_what_it_changes(copied):
    runs = copied.parent / "runs"
    before = benches.written(runs)
    text = copied.read_text(encoding="utf-8").replace("twice: 2", "twice: 3")
    copied.write_text(text, encoding="utf-8")
    planned = plan_bench(copied, (), runs)
    assert planned.to_do == 8  # a training and its scores, for two selections and two seeds
    found = benches.bench(copied)
    after = benches.written(runs)
    assert len({step for step in after if after[step] != before[step]}) == 8
    assert {one.state for one in found.combinations} == {"done"}


def test_a_value_of_another_name_takes_the_steps_of_the_old_one(copied):
    runs = copied.parent / "runs"
    before = benches.written(runs)
    copied.write_text(copied.read_text(encoding="utf-8").replace("twice: 2", "double: 2"), encoding="utf-8")
    assert plan_bench(copied, (), runs).to_do == 0
    damaged = runs / "tiny.all+once+seed-1" / "09-answer_only-test-scores"
    (damaged / "rows.jsonl").write_text("{", encoding="utf-8")
    found = benches.bench(copied)
    assert {one.state for one in found.combinations} == {"done"}
    assert [arm.name for arm in found.arms] == ["random_pair+once", "random_pair+double", "all+once", "all+double"]
    after = benches.written(runs)
    assert [step for step in before if after[step] != before[step]] == [str(damaged)]
    assert {Path(step).parent.name.split("+")[1] for step in after if step not in before} == {"double"}
    assert all(len(one.taken) == one.steps for one in found.combinations if "double" in one.name)


def test_a_run_in_a_benchs_folder_is_refused(benched, fresh, twt):
    said = twt("run", fresh, "--runs-dir", benched.runs)
    assert (said.code, "a bench's folder. Give the run another --name" in said.err) == (2, True)
    assert not (benched.runs / "tiny" / "config.json").exists()


def test_the_tables_of_a_plan(benched, twt):
    said = twt("bench", benched.config, "--plan", "--runs-dir", benched.runs.parent / "none")
    assert said.code == 0
    assert "random_pair+once+seed-1: 0 on disk, 7 shared, 2 to do" in said.out
    assert "  as in random_pair+once+seed-0: annotations, scored, kept" in said.out
    assert "8 runs, 72 steps: 0 on disk, 46 shared, 26 to do" in said.out
    assert twt("plan", benched.config, "--runs-dir", benched.runs.parent / "none").out == said.out
    as_json = json.loads(twt("bench", benched.config, "--plan", "--json", "--runs-dir", benched.runs).out)
    assert (as_json["to_do"], as_json["on_disk"]) == (0, 72)


def test_the_ledger_and_the_models_are_shared(benched):
    assert (benched.runs / LEDGER).is_file()
    ledger = Ledger(benched.runs / LEDGER)
    try:
        assert sum(row.calls for row in ledger.spending(f"tiny.{benches.NAMES[0]}")) == 36
    finally:
        ledger.close()
