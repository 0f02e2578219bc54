import pytest
import samples

from twt_core import session, summary, tables
from twt_core.course import Course
from twt_core.progress import Progress
from twt_core.records import Stage, StudentAnswer, Trace
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
