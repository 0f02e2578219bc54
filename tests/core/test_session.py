"""Whole runs with the tiny model, in this process: what a run folder holds, and what is made again when."""

from __future__ import annotations

import json

import project
import pytest

from twt_core import contract, planning, session
from twt_core.errors import InputError
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.run import MANIFEST, ROWS, open_run

QUIET = Progress(quiet=True)

STEPS = [
    "01-annotations", "02-scored", "03-kept", "04-selected", "05-traces", "06-untouched-test-scores",
    "07-full-student", "08-full-test-scores",
    "09-compressed-student-answers", "10-compressed-traces", "11-compressed-student", "12-compressed-test-scores",
    "13-answer_only-traces", "14-answer_only-student", "15-answer_only-test-scores",
]  # fmt: skip


class Listening(Progress):
    """Keeps what is said."""

    def __init__(self):
        super().__init__(quiet=True)
        self.said = []

    def say(self, line):
        self.said.append(line)

    def worked_on(self):
        return [line.removesuffix(": working") for line in self.said if line.endswith(": working")]


def run(finished, *overrides, **options):
    progress = Listening()
    summary = session.run(finished.config, overrides, finished.runs, options.get("name"), progress)
    return summary, progress


def calls(finished):
    ledger = Ledger(finished.runs / "ledger.sqlite")
    return {row.teacher: row.calls for row in ledger.spending("tiny")}


def test_one_folder_a_step(finished):
    assert project.steps(finished.folder) == STEPS
    for step in STEPS:
        manifest = json.loads((finished.folder / step / MANIFEST).read_text(encoding="utf-8"))
        assert manifest["step"] == step[3:]
        assert manifest["whole"]


def test_the_numbers_add_up(finished):
    summary, counts = finished.summary, finished.summary.annotations
    assert counts.queries == 12
    assert counts.asked == 36 == counts.kept + counts.failed + sum(counts.rejected.values())
    assert counts.rejected == {"confidence below 0.95": 9}
    assert counts.kept == 27
    assert counts.selected == len(project.rows_of(finished.folder, "selected")) < 27
    assert [stage.name for stage in summary.stages] == ["untouched", "full", "compressed", "answer_only"]
    assert summary.recommended_stage in [stage.name for stage in summary.stages]
    assert "test set chose the stage" in summary.recommended_because
    assert summary.recommended_on == "test_queries"
    assert summary.teacher_calls == 36 + counts.selected  # each selected rationale was rewritten once
    assert summary.cost_usd == 0
    assert {teacher.label_accuracy for teacher in summary.teachers} == {1.0}
    assert summary.versions["twt-distill"]
    assert summary.seed == 0
    compression = summary.compression["compressed"]
    assert compression.rationales == counts.selected
    assert compression.mean_words_after < compression.mean_words_before
    assert json.loads((finished.folder / "summary.json").read_text(encoding="utf-8"))["name"] == "tiny"


def test_every_row_is_there_with_what_became_of_it(finished):
    rows = project.rows_of(finished.folder, "kept")
    assert [(r["query_id"], r["teacher"]) for r in rows] == [
        (query["id"], teacher) for query in project.queries() for teacher in project.TEACHERS
    ]
    assert all(("rejection" in row) == (row["confidence"] < 0.95) for row in rows)


def test_the_stages_see_full_compressed_and_no_rationales(finished):
    full = project.rows_of(finished.folder, "traces")
    short = project.rows_of(finished.folder, "compressed-traces")
    none = project.rows_of(finished.folder, "answer_only-traces")
    assert {(t["query_id"], t["teacher"]) for t in full} == {(t["query_id"], t["teacher"]) for t in short}
    assert all(len(s["rationale"]) < len(f["rationale"]) for f, s in zip(full, short, strict=True))
    assert all("rationale" not in trace for trace in none)


def test_the_method_never_sees_an_answer(again):
    rows = project.queries()
    for row in rows:
        row["answer"] = "a wrong one"
    project.write_rows(again.config.parent / "queries.jsonl", rows)
    summary, progress = run(again)
    assert {teacher.label_accuracy for teacher in summary.teachers} == {0.0}
    assert progress.worked_on() == []  # the answers are no part of any step
    assert "a wrong one" not in (again.folder / "queries.jsonl").read_text(encoding="utf-8")


def test_a_second_run_does_nothing(again):
    before = project.contents(again.folder), (again.folder / "summary.json").read_bytes()
    summary, progress = run(again)
    assert progress.worked_on() == []
    assert "nothing to do: every step is on disk" in progress.said
    assert summary == again.summary
    assert (project.contents(again.folder), (again.folder / "summary.json").read_bytes()) == before


def test_another_selector_makes_selection_and_what_follows_and_asks_nobody(again):
    asked = calls(again)
    summary, progress = run(again, "diversity_selector.seed=3")
    assert set(STEPS) - set(progress.worked_on()) == {*STEPS[:3], STEPS[5]}  # nor the untouched student's scores
    assert any("diversity_selector.seed: 0 → 3" in line for line in progress.said)
    assert summary.annotations.kept == again.summary.annotations.kept
    rewrites = sum(calls(again).values()) - sum(asked.values())
    new = {(r["query_id"], r["teacher"]) for r in project.rows_of(again.folder, "selected")}
    assert rewrites <= len(new)  # those newly selected, and none that was rewritten before


def test_back_to_the_old_selector_gives_the_old_result(again):
    before = project.contents(again.folder)
    run(again, "diversity_selector.seed=3", "stage_scheduler.use=standard_kd")
    assert project.contents(again.folder) != before
    summary, _ = run(again)
    assert project.contents(again.folder) == before
    assert project.timeless(summary.model_dump()) == project.timeless(again.summary.model_dump())


def test_a_flipped_byte_makes_that_step_again(again):
    file = again.folder / "04-selected" / ROWS
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    before = project.contents(again.folder)
    _, progress = run(again)
    assert progress.worked_on() == ["04-selected"]
    after = project.contents(again.folder)
    assert {name for name in after if after[name] != before[name]} == {"04-selected/rows.jsonl"}


def test_a_damaged_adapter_is_trained_again_to_the_same_bytes(again):
    before = project.contents(again.folder)
    file = again.folder / "11-compressed-student" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-9])
    _, progress = run(again)
    assert progress.worked_on() == ["11-compressed-student"]
    assert project.contents(again.folder) == before


def test_a_setting_of_generation_trains_nothing_again(again):
    _, progress = run(again, "student.max_new_tokens=5")
    assert "07-full-student" not in progress.worked_on()
    assert {"06-untouched-test-scores", "08-full-test-scores"} <= set(progress.worked_on())


def test_a_setting_of_how_work_is_done_makes_nothing_again(again):
    _, progress = run(again, "teachers.0.concurrency=1")
    assert progress.worked_on() == []


def test_ten_queries_more_are_ten_calls_more_to_each_teacher(again):
    before = calls(again)
    folder = again.config.parent
    more = project.queries(22)
    project.write_rows(folder / "queries.jsonl", more)
    project.write_rows(folder / "recordings.jsonl", project.recordings(more))
    planned = planning.plan(again.config, ["stage_scheduler.use=standard_kd"], again.runs)
    assert [row.answers for row in planned.calls] == [10, 10, 10]
    run(again, "stage_scheduler.use=standard_kd")  # which asks for no rewrites
    assert {name: count - before[name] for name, count in calls(again).items()} == dict.fromkeys(project.TEACHERS, 10)


def test_a_refused_change_leaves_a_finished_run_as_it_is(again):
    before = project.contents(again.folder)
    with pytest.raises(InputError, match="adaptive steers by accuracy"):
        run(again, "stage_scheduler.use=adaptive")
    assert project.contents(again.folder) == before


def test_old_numbers_never_stand_beside_new_settings(again, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(session.pipeline, "follow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(again)
    assert (again.folder / "summary.json").exists()  # of the same settings
    with pytest.raises(KeyboardInterrupt):
        run(again, "student.epochs=2")
    assert not (again.folder / "summary.json").exists()


def test_labels_are_graded_once(again, monkeypatch):
    """Which may take a program for each."""
    graded, grade = [], contract.grade
    monkeypatch.setattr(contract, "grade", lambda task, rows, at: graded.append(len(rows)) or grade(task, rows, at))
    found, progress = run(again)
    assert progress.worked_on() == []
    assert graded == [36]
    assert found.teachers[0].label_accuracy is not None


def test_a_plan_changes_nothing_and_is_right(again, fresh):
    planned = planning.plan(fresh, (), fresh.parent / "runs")
    assert [step.step for step in planned.steps] == [step[3:] for step in STEPS]
    assert not any(step.cached for step in planned.steps)
    assert [(row.answers, row.rewrites_at_most, row.worst_case_usd) for row in planned.calls] == [(12, 12, 0)] * 3
    assert not (fresh.parent / "runs" / "tiny").exists()
    done = planning.plan(again.config, (), again.runs)
    assert all(step.cached for step in done.steps)
    assert done.teacher_calls_at_most == 0
    before = project.contents(again.folder)
    partly = planning.plan(again.config, ["quality_filter.minimum=0.2"], again.runs)
    assert [step.cached for step in partly.steps[:6]] == [True, True, False, False, False, True]
    assert not any(step.cached for step in partly.steps[6:])
    assert project.contents(again.folder) == before


def test_every_kind_is_swapped_by_config(again, embedder):
    """Four kinds at once, and a fourth stage; teachers are swapped in test_live.py, tasks below."""
    summary, progress = run(
        again, "confidence_scorer.use=logprob", "quality_filter={use: hard_rejection, good: 0.9, medium: 0.1}",
        f"diversity_selector={{use: min_similarity_pair, embedder: {embedder}}}", "compressor.use=fixed_length",
        "stage_scheduler={use: n_stage, n: 4, student_answers: false}",
    )  # fmt: skip
    assert "01-annotations" not in progress.worked_on()
    assert [stage.name for stage in summary.stages] == [
        "untouched", "full", "compressed_1", "compressed_2", "answer_only"
    ]  # fmt: skip
    assert summary.annotations.rejected == {"graded Medium": 9}
    confidences = {round(row["confidence"], 4) for row in project.rows_of(again.folder, "kept")}
    assert confidences == {0.9802, 0.6035}  # exp(-0.02) and exp(-0.505)
    assert not list(again.folder.glob("*student-answers"))  # fixed_length does not read the student
    words = [
        len(" ".join(t["rationale"] for t in project.rows_of(again.folder, step)).split())
        for step in ("traces", "compressed_1-traces", "compressed_2-traces")
    ]
    assert words[0] > words[1] > words[2]


def test_all_and_standard_kd(again):
    summary, _ = run(again, "diversity_selector.use=all", "stage_scheduler.use=standard_kd")
    assert summary.annotations.selected == summary.annotations.kept
    assert [stage.name for stage in summary.stages] == ["untouched", "answer_only"]
    assert project.steps(again.folder)[-1] == "09-answer_only-test-scores"  # the old stages' folders are gone


def test_the_math_task(again):
    summary, _ = run(again, "task_evaluator.use=math", "stage_scheduler.use=standard_kd")
    assert {teacher.label_accuracy for teacher in summary.teachers} == {1.0}


def test_the_multiple_choice_task(fresh):
    folder = fresh.parent
    for name, prefix, step in (("queries", "q", 1), ("test", "t", 2)):
        rows = [
            {**row, "choices": ["0.5", row["answer"], "99"], "answer": "B"} for row in project.queries(6, prefix, step)
        ]
        project.write_rows(folder / f"{name}.jsonl", rows)
    said = [
        {"id": f"q{n}", "teacher": teacher, "text": f"Thinking: It is the second.\nThe answer is: {letter}\nScore: 1"}
        for n in range(6)
        for teacher, letter in zip(project.TEACHERS, "BBA", strict=True)
    ]
    project.write_rows(folder / "recordings.jsonl", said)
    summary = session.run(
        fresh, ["task_evaluator.use=multiple_choice", "stage_scheduler.use=standard_kd"], folder / "runs", None, QUIET
    )
    assert [teacher.label_accuracy for teacher in summary.teachers] == [1.0, 1.0, 0.0]


def test_dev_queries_choose_the_stage(again):
    project.write_rows(again.config.parent / "dev.jsonl", project.queries(4, "d", step=3))
    summary, progress = run(again, "dev_queries={path: dev.jsonl}")
    assert summary.recommended_on == "dev_queries"
    assert "dev_queries" in summary.recommended_because
    assert not [step for step in progress.worked_on() if step.endswith("-student")]
    assert len(list(again.folder.glob("*-dev-scores"))) == 4
    back, progress = run(again)
    assert progress.worked_on() == []
    assert project.timeless(back.model_dump()) == project.timeless(again.summary.model_dump())
    assert project.steps(again.folder) == STEPS


def test_another_seed_is_another_training(again):
    before = project.contents(again.folder)
    run(again, "seed=1", "stage_scheduler.use=n_stage", "stage_scheduler.n=2")
    assert (
        project.contents(again.folder)["07-full-student/adapter_model.safetensors"]
        != (before["07-full-student/adapter_model.safetensors"])
    )


def test_the_folder_of_another_config_is_refused_with_the_difference(again):
    with pytest.raises(InputError, match=r'made by another config.*\n  .*name: "tiny" → "other"') as error:
        run(again, "name=other", "seed=7", name="tiny")
    assert "seed: 0 → 7" in str(error.value)


def test_a_locked_folder_is_refused(again):
    with open_run(again.folder, QUIET), pytest.raises(InputError, match="another process works on this run"):
        run(again)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden"])
def test_a_name_that_is_no_folder_name(fresh, name):
    with pytest.raises(InputError, match="give a plain folder name"):
        session.run(fresh, (), fresh.parent / "runs", name, QUIET)


def test_runs_of_one_folder_share_the_ledger(again):
    before = calls(again)
    run(again, "stage_scheduler.use=standard_kd", name="second")
    assert calls(again) == before
    assert Ledger(again.runs / "ledger.sqlite").spending("second") == []
    assert (again.runs / "second" / "summary.json").is_file()


class Breaks(Progress):
    """Ends the work at one point of it, as Ctrl-C would."""

    def __init__(self, label, part, at):
        super().__init__(quiet=True)
        self.wanted, self.at = (label, part), at

    def task(self, label, totals):
        outer = self

        class Counting:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                pass

            def advance(self, part, amount=1, note=""):
                if (label, part) == outer.wanted:
                    outer.at -= amount
                    if outer.at <= 0:
                        raise KeyboardInterrupt

        return Counting()


def test_interrupted_anywhere_and_gone_on_with_it_is_the_same_run(fresh, finished):
    runs = fresh.parent / "runs"
    for label, part, at in [
        ("answering", "questions", 1), ("training", "full", 2), ("training", "compressed", 1),
        ("training", "answer_only", 3),
    ]:  # fmt: skip
        with pytest.raises(KeyboardInterrupt):
            session.run(fresh, (), runs, None, Breaks(label, part, at))
        assert not (runs / "tiny" / "summary.json").exists()
    summary = session.run(fresh, (), runs, None, QUIET)
    assert project.contents(runs / "tiny") == project.contents(finished.folder)
    assert project.timeless(summary.model_dump()) == project.timeless(finished.summary.model_dump())
