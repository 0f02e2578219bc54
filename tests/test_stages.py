"""Whole runs of other schedules: going back, replay, tasks by prefix; and trainings killed with SIGKILL."""

from __future__ import annotations

import copy
import json
import signal
import subprocess
import sys
from pathlib import Path

import project
import pytest

from twt_core import finished as looking
from twt_core import planning, plugins, session
from twt_core.components import StageScheduler
from twt_core.errors import InputError, PluginError, TwtError
from twt_core.hookspecs import hookimpl
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.records import Objective, Stage

DYING = str(Path(__file__).with_name("dying.py"))
EVERY_STEP = ("--set", "student.checkpoint_seconds=0", "--set", "student.epochs=3")


class GivenStages(StageScheduler):
    """The stages it is given."""

    stages_given: tuple[str, ...] = ()

    def stages(self) -> list[Stage]:
        """See `StageScheduler.stages`."""
        return [Stage.model_validate_json(text) for text in self.stages_given]


class Plugin:
    @hookimpl
    def register_stage_schedulers(self, register):
        register("given_stages", GivenStages)


@pytest.fixture
def run(fresh, monkeypatch):
    """Run a project with the stages given; summary and run folder."""
    registry = copy.deepcopy(plugins.registry())
    plugins.join(registry, Plugin(), "tests 0")
    monkeypatch.setattr(plugins, "registry", lambda: registry)

    def go(*stages, **options):
        texts = [stage.model_dump_json() for stage in stages]
        sets = [f"stage_scheduler={{use: given_stages, stages_given: {json.dumps(texts)}}}"]
        sets += [f"{key}={value}" for key, value in options.items()]
        folder = fresh.parent / "runs"
        return session.run(fresh, sets, folder, None, Progress(quiet=True)), folder / "tiny"

    return go


def adapter(run, stage):
    [file] = run.glob(f"*-{stage}-student/adapter_model.safetensors")
    return file.read_bytes()


def test_a_stage_may_go_back_and_start_anew(run):
    full = Stage(name="full", rationale="full")
    none = Stage(name="none", rationale="none", after="full")
    anew = Stage(name="anew", rationale="none", after="untouched")
    again = Stage(name="again", rationale="same", of="full", after="untouched")
    summary, folder = run(full, none, anew, again)
    assert [score.name for score in summary.stages] == ["untouched", "full", "none", "anew", "again"]
    assert adapter(folder, "again") == adapter(folder, "full")
    assert adapter(folder, "anew") != adapter(folder, "none")
    assert summary.schedule == [full, none, anew, again]


def test_texts_of_earlier_stages_are_mixed_in(run, capsys):
    full, none = Stage(name="full", rationale="full"), Stage(name="none", rationale="none", replay=0.5)
    _, folder = run(full, none)
    mixed = adapter(folder, "none")
    [losses] = folder.glob("*-none-student/losses.jsonl")
    texts = len(project.rows_of(folder, "selected"))
    assert len(losses.read_text(encoding="utf-8").splitlines()) == -(-(texts + round(texts / 2)) // 8)
    run(full, none.model_copy(update={"replay": 0.0}))
    assert adapter(folder, "none") != mixed


def test_a_student_taught_by_prefix_is_asked_by_prefix(run):
    objectives = (Objective(target="rationale", prefix="[why] "), Objective(target="answer", prefix="[what] "))
    summary, folder = run(Stage(name="both", rationale="full", objectives=objectives))
    assert summary.asked_with("both") == "[what] "
    assert looking.answer(folder, "What is 3 plus 4?", "both").stage == "both"


def test_every_weight_may_be_trained(run):
    summary, folder = run(
        Stage(name="full", rationale="full"), Stage(name="none", rationale="none"), **{"student.tuning": "full"}
    )
    assert [score.name for score in summary.stages] == ["untouched", "full", "none"]
    assert len(list(folder.glob("*-student/model.safetensors"))) == 2
    assert looking.answer(folder, "What is 3 plus 4?", "none").stage == "none"


def test_a_compressor_of_its_own(run):
    own = {"use": "fixed_length", "ratio": 0.3}
    short = Stage(name="short", rationale="compressed", compressor=own, student_answers=False)
    summary, _ = run(Stage(name="full", rationale="full"), short)
    assert summary.compression["short"].mean_words_after < summary.compression["short"].mean_words_before / 2
    assert summary.teacher_calls == 36  # none of them a rewrite
    with pytest.raises(PluginError, match=r"compressor of stage 'short': .*ratios"):
        run(short.model_copy(update={"compressor": {"use": "fixed_length", "ratios": 0.3}}))


def test_a_compressor_that_reads_the_student_needs_its_answers(run):
    with pytest.raises(InputError, match=r"teacher_guided reads the student's own answers, and stage 'short'"):
        run(Stage(name="short", rationale="compressed", student_answers=False))


def test_a_schedule_that_steers_needs_dev_queries(fresh):
    with pytest.raises(InputError, match="adaptive steers by accuracy, so it needs dev_queries"):
        planning.plan(fresh, ["stage_scheduler.use=adaptive"], fresh.parent / "runs")


def test_an_extra_that_is_not_there_is_named_before_anything_is_paid(fresh):
    with pytest.raises(InputError, match=r"student\.report_to: mlflow is not installed.*twt-distill\[mlflow\]"):
        planning.plan(fresh, ["student.report_to=[mlflow]"], fresh.parent / "runs")


@pytest.mark.parametrize(
    ("event", "ending"),
    [
        ("open", "checkpoint-1/adapter_config.json"),
        ("open", "checkpoint-2/trainer_state.json"),
        ("open", "checkpoint-2/.checkpoint.json.partial"),
        ("os.rename", "checkpoint-3/checkpoint.json"),
        ("open", "07-full-student/losses.jsonl"),
        ("os.rename", "07-full-student/manifest.json"),
    ],
)
def test_killed_while_a_stage_trains_it_ends_bitwise_the_same(fresh, unbroken, event, ending):
    command = ["run", fresh, "--runs-dir", fresh.parent / "runs", *EVERY_STEP]
    died = subprocess.run(
        [sys.executable, DYING, event, ending, "--", *map(str, command)], check=False, capture_output=True
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()[-2000:]
    folder = fresh.parent / "runs" / "tiny"
    assert not (folder / "07-full-student" / "manifest.json").exists()
    sets = [text for text in EVERY_STEP if text != "--set"]
    session.run(fresh, sets, fresh.parent / "runs", None, Progress(quiet=True))
    assert project.contents(folder) == unbroken
    assert not (folder / ".work").exists()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, model):
    """What a run that nothing interrupts leaves."""
    config = project.make(tmp_path_factory.mktemp("unbroken"), model)
    sets = [text for text in EVERY_STEP if text != "--set"]
    session.run(config, sets, config.parent / "runs", None, Progress(quiet=True))
    return project.contents(config.parent / "runs" / "tiny")


def test_a_stage_damaged_in_the_midst_of_a_run_is_found_before_the_next_one_trains_on_it(fresh, monkeypatch):
    from twt_core import distillation

    made = distillation.answer_only_traces

    def damaging(traces):
        [file] = (fresh.parent / "runs" / "tiny").glob("*-compressed-student/adapter_model.safetensors")
        file.write_bytes(file.read_bytes()[:-8] + b"\0" * 8)
        return made(traces)

    monkeypatch.setattr(distillation, "answer_only_traces", damaging)
    with pytest.raises(Exception, match=r"-compressed-student: damaged since it was made: adapter_model\.safetensors"):
        session.run(fresh, (), fresh.parent / "runs", None, Progress(quiet=True))


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("student.lora.target_modules=[query_key_value]", r"matches no module; the linear ones are: .*q_proj"),
        ("student.device=cuda", 'student.device: "cuda" is not on this machine'),
    ],
)
def test_what_the_student_cannot_do_is_found_before_a_teacher_is_asked(fresh, setting, says):
    runs = fresh.parent / "runs"
    with pytest.raises(InputError, match=says):
        session.run(fresh, [setting], runs, None, Progress(quiet=True))
    assert not (runs / "tiny" / "01-annotations" / "rows.jsonl").exists()
    assert Ledger(runs / "ledger.sqlite").spending("tiny") == []


def test_a_stage_with_a_loss_that_is_no_number_leaves_a_run_that_goes_on(fresh, unbroken):
    runs, sets = fresh.parent / "runs", [text for text in EVERY_STEP if text != "--set"]
    with pytest.raises(TwtError, match=r"stage full: the loss became .* in step \d+\. Lower student\.learning_rate"):
        session.run(fresh, [*sets, "student.learning_rate=1e38"], runs, None, Progress(quiet=True))
    session.run(fresh, sets, runs, None, Progress(quiet=True))
    assert project.contents(runs / "tiny") == unbroken


def test_a_plan_counts_what_each_stages_own_compressor_asks(fresh):
    def rewrites(*sets):
        planned = planning.plan(fresh, sets, fresh.parent / "runs")
        return [row.rewrites_at_most for row in planned.calls]

    assert rewrites("stage_scheduler.use=gradual") == [0, 0, 0]
    assert rewrites("stage_scheduler={use: n_stage, n: 4}") == [24, 24, 24]


def test_a_plan_of_a_steered_run_that_stopped_early(fresh):
    runs, dev = fresh.parent / "runs", fresh.parent / "dev.jsonl"
    project.write_rows(dev, project.queries(4, "d", step=3))
    sets = ["stage_scheduler={use: adaptive, most_rounds: 3, margin: 0}", "dev_queries={path: dev.jsonl}"]
    longest = [step.step for step in planning.plan(fresh, sets, runs).steps]
    assert "compressed_3-traces" in longest
    session.run(fresh, sets, runs, None, Progress(quiet=True))
    done = planning.plan(fresh, sets, runs)
    assert all(step.cached for step in done.steps)
    assert done.teacher_calls_at_most == 0


def test_how_a_step_is_divided_makes_no_stage_again(fresh, unbroken):
    runs, sets = fresh.parent / "runs", [text for text in EVERY_STEP if text != "--set"]
    session.run(fresh, sets, runs, None, Progress(quiet=True))
    planned = planning.plan(fresh, [*sets, "student.micro_batch_size=2", "student.gradient_checkpointing=true"], runs)
    assert all(step.cached for step in planned.steps)
