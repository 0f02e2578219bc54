import json

import project
import pytest
import samples

from twt_core import session, summary, tables
from twt_core.course import Course
from twt_core.errors import InputError
from twt_core.progress import Progress
from twt_core.records import Stage, StudentAnswer, Trace
from twt_core.sandbox import contained
from twt_core.style import style_distance
from twt_core.summary import CompressionCounts


class OnDisk:
    """Rows as a step leaves them."""

    def __init__(self, rows):
        self._rows = rows

    def read(self):
        return self._rows


class Config:
    """What of a config compression is counted by."""

    def __init__(self):
        self.task_evaluator = samples.context().task
        self.compressor = self
        self.use = "teacher_guided"


class Data:
    """What of a run's data it is counted by."""

    def __init__(self):
        self.unlabeled = {name: samples.QUERY.model_copy(update={"id": name}).unlabeled() for name in ("q1", "q2")}


LONG = ("First, one has to add them up. It is three and four. So seven!", "Add 3 and 4. 7.", "One adds. Seven, then.")
SHORT = ("3 + 4. 7.", "7.", "One adds. Seven, then.")


def traces(texts, kept=()):
    return OnDisk(
        [
            Trace(query_id=query, teacher=teacher, label="7", rationale=text, kept_original=why)
            for query, teacher, text, why in zip(
                ("q1", "q1", "q2"), "aba", texts, (None, None, *(kept or (None,))), strict=True
            )
        ]
    )


def counted(stage, answers=None):
    """What is counted of one compressed stage after a full one."""
    course = Course(full=traces(LONG))
    for one, shown in ((Stage(name="full", rationale="full"), LONG), (stage, SHORT)):
        course.enter(one)
        course.traces[one.name] = traces(shown, ("not shorter",) if one is stage else ())
    if answers is not None:
        course.answers[stage.name] = OnDisk([StudentAnswer(query_id=q, text=t) for q, t in answers.items()])
    found = summary._compression(Config(), Data(), course)
    assert list(found) == [stage.name]
    return found[stage.name]


STAGE = Stage(name="compressed", rationale="compressed")
ANSWER = "Thinking: 3 + 4 = 7.\nThe answer is: 7"


def test_lengths_before_and_after():
    counts = counted(STAGE)
    assert (counts.compressor, counts.rationales) == ("teacher_guided", 3)
    assert (counts.mean_words_before, counts.mean_words_after) == (7.67, 3.0)
    assert (counts.mean_steps_before, counts.mean_steps_after) == (2.33, 1.67)
    assert counts.kept_original == {"not shorter": 1}


def test_a_stage_may_have_a_compressor_of_its_own():
    stage = Stage(name="compressed", rationale="compressed", compressor={"use": "step_dropping", "keep": 0.5})
    assert counted(stage).compressor == "step_dropping"


def test_style_is_compared_where_the_student_wrote_a_rationale():
    counts = counted(STAGE, {"q1": ANSWER, "q2": "The answer is: 9"})
    assert counts.style_distance_before == pytest.approx(style_distance(LONG[:2], ["3 + 4 = 7."]), abs=1e-4)
    assert counts.style_distance_after == pytest.approx(style_distance(SHORT[:2], ["3 + 4 = 7."]), abs=1e-4)
    assert counts.style_distance_after < counts.style_distance_before


@pytest.mark.parametrize("answers", [None, {}, {"q1": "The answer is: 7"}])
def test_without_a_rationale_of_the_students_there_is_no_distance(answers):
    counts = counted(STAGE, answers)
    assert counts.style_distance_before is counts.style_distance_after is None


def test_what_is_printed_of_a_compressed_stage():
    counts = CompressionCounts(
        compressor="selective", rationales=20, mean_words_before=41.25, mean_words_after=20.5, mean_steps_before=4,
        mean_steps_after=2.2, style_distance_before=0.314, style_distance_after=0.2, kept_original={"not shorter": 3},
    )  # fmt: skip
    assert tables._compression(counts) == (
        "selective took 20 rationales from 41.2 to 20.5 words and 4.0 to 2.2 steps; "
        "style distance to the student 0.31 to 0.20; originals kept: 3 not shorter"
    )
    bare = counts.model_copy(update={"style_distance_before": None, "style_distance_after": None, "kept_original": {}})
    assert tables._compression(bare) == "selective took 20 rationales from 41.2 to 20.5 words and 4.0 to 2.2 steps"


def test_a_run_says_what_compression_did(finished, twt):
    counts = finished.summary.compression["compressed"]
    assert counts.compressor == "teacher_guided"
    assert counts.mean_words_after < counts.mean_words_before
    said = twt("status", finished.folder)
    assert f"compressed: {tables._compression(counts)}\n" in said.out


def test_a_gradual_run_drops_steps(fresh):
    recorded = fresh.parent / "recordings.jsonl"
    in_steps = recorded.read_text(encoding="utf-8").replace(" together, slowly, in way", " together. Slowly. In way")
    recorded.write_text(in_steps, encoding="utf-8")
    options = ["stage_scheduler.use=gradual", "stage_scheduler.n=4", "stage_scheduler.student_answers=false"]
    found = session.run(fresh, options, fresh.parent / "runs", None, Progress(quiet=True)).compression
    assert [(counts.compressor, counts.mean_steps_before, counts.mean_steps_after) for counts in found.values()] == [
        ("step_dropping", 3.0, 2.0), ("step_dropping", 3.0, 1.0)
    ]  # fmt: skip
    assert {counts.style_distance_after for counts in found.values()} == {None}
    assert all(counts.kept_original == {} for counts in found.values())


def test_a_run_compares_its_stages(finished):
    found = finished.summary
    assert [(one.first, one.second) for one in found.comparisons] == [
        ("untouched", "full"), ("untouched", "compressed"), ("untouched", "answer_only"),
        ("full", "compressed"), ("full", "answer_only"),
    ]  # fmt: skip
    assert {one.questions for one in found.comparisons} == {6}
    assert {one.compared_together for one in found.comparisons} == {5}
    assert (found.tasks, found.ungraded, found.unsandboxed_code) == ({}, 0, False)
    assert found.stages[0].tokens_saved_vs_untouched == 0.0
    assert any(stage.on_frontier for stage in found.stages)


def test_a_runs_numbers_fit_a_hundred_columns(finished, twt):
    said = twt("status", finished.folder)
    table, _, _ = said.out.partition("recommended: ")
    assert max(map(len, table.splitlines())) <= 100
    for part in ("median", "p95", "saved", "to untouched", "to full", "accuracy-per-token frontier"):
        assert part in table, part
    for mark in ("JUDGED", "UNSANDBOXED", "not graded", "$/1000", "pass@", "task "):
        assert mark not in said.out, mark


def test_evaluation_settings_reach_the_numbers(again):
    options = ["evaluation.input_usd_per_million=1", "evaluation.output_usd_per_million=10"]
    found = session.run(again.config, options, again.runs, None, Progress(quiet=True))
    rows = project.rows_of(again.folder, "full-test-scores")
    price = sum(row["prompt_tokens"] + 10 * row["tokens"] for row in rows) / len(rows) / 1000
    assert found.stages[1].usd_per_thousand == pytest.approx(price)


def test_several_samples_give_pass_at_k(fresh, twt):
    options = ["evaluation.samples=3", "evaluation.pass_at=[1, 3]", "student.temperature=1.0",
               "stage_scheduler.use=standard_kd"]  # fmt: skip
    found = session.run(fresh, options, fresh.parent / "runs", None, Progress(quiet=True))
    assert {(stage.questions, stage.answers) for stage in found.stages} == {(6, 18)}
    assert all(list(stage.pass_at) == [1, 3] and stage.pass_at[1] == stage.accuracy for stage in found.stages)
    assert {one.test for one in found.comparisons} == {"permutation"}
    assert "untouched: pass@3 " in twt("status", fresh.parent / "runs" / "tiny").out


@pytest.fixture
def no_walls():
    """A machine on which nothing can be contained, and nobody who allowed to go without."""
    with contained.only():
        yield
    contained.allow_unsandboxed_code(False)


def test_code_without_walls_takes_the_option(no_walls, again, twt):
    with pytest.raises(InputError, match="--allow-unsandboxed-code"):
        contained.require()
    assert twt("run", again.config, "--runs-dir", again.runs).code == 0
    with pytest.raises(InputError):
        contained.require()
    assert twt("run", again.config, "--runs-dir", again.runs, "--allow-unsandboxed-code").code == 0
    contained.require()


def test_a_mixture_reports_each_task_and_all(fresh):
    tests = fresh.parent / "test.jsonl"
    for file in (tests, fresh.parent / "queries.jsonl"):
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        project.write_rows(file, [{**row, "task": "even" if n % 2 else "odd"} for n, row in enumerate(rows)])
    options = ["task_evaluator={use: mixture, tasks: {odd: {use: exact_match}, even: {use: exact_match}}}",
               "stage_scheduler.use=standard_kd"]  # fmt: skip
    found = session.run(fresh, options, fresh.parent / "runs", None, Progress(quiet=True))
    assert list(found.tasks) == ["odd", "even"]
    names = [stage.name for stage in found.stages]
    assert all([stage.name for stage in own] == names for own in found.tasks.values())
    for place, stage in enumerate(found.stages):
        assert [own[place].questions for own in found.tasks.values()] == [3, 3]
        assert sum(own[place].accuracy for own in found.tasks.values()) / 2 == pytest.approx(stage.accuracy, abs=1e-4)
