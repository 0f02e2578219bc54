"""Checkpoints of a stage: from each of them the training ends bitwise as it would have; a bad one is not used."""

from __future__ import annotations

import hashlib
import resource
import shutil
import signal

import pytest

from twt_core.errors import TwtError
from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.records import Stage
from twt_core.student import checkpoints
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import Target
from twt_core.student.training import Training, train_stage

TARGETS = [
    Target(f"q{n}", [Message("user", f"What is {n} plus {n + 1}?")], f"Thinking: {'again ' * n}\nThe answer is: {n}")
    for n in range(10)
]
#: Three steps an epoch, the last one short; dropout, so that random numbers count.
SETTINGS = {"learning_rate": 1e-3, "batch_size": 4, "epochs": 2, "checkpoint_seconds": 0, "lora": {"dropout": 0.2}}
STEPS = 6
EVERY_FILE = [
    "adapter_model.safetensors", "adapter_config.json", "optimizer.pt", "scheduler.pt", "rng_state.pth",
    "trainer_state.json",
]  # fmt: skip


@pytest.fixture
def job(model, tmp_path):
    """A stage of training, under way or done in a folder of a name."""

    def make(name, **changes):
        student = StudentConfig.model_validate({"model": "tiny", **SETTINGS, **changes.pop("student", {})})
        given = {
            "base": model, "targets": TARGETS, "stage": Stage(name="full", rationale="full"), "seed": 0,
            "student": student, "out": tmp_path / name, "work": tmp_path / ".work" / name,
            "identity": student.identity(), **changes,
        }  # fmt: skip
        return Training(**given)

    return make


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def train(job):
    train_stage(job, Progress(quiet=True))
    return digests(job.out)


@pytest.fixture
def stopped(job, monkeypatch):
    """A training that ended right after its checkpoint at a step."""
    seal = checkpoints.seal

    def until(step, **changes):
        def then_end(checkpoint, inputs):
            seal(checkpoint, inputs)
            if checkpoint.name == f"checkpoint-{step}":
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(checkpoints, "seal", then_end)
            with pytest.raises(KeyboardInterrupt):
                train_stage(job("a", **changes), Progress(quiet=True))
        return job("a", **changes)

    return until


@pytest.fixture
def whole(job):
    return train(job("whole"))


def steps_said(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if "checkpoint" in line]


@pytest.mark.parametrize("step", range(1, STEPS))
def test_from_each_step_it_ends_bitwise_the_same(stopped, whole, step, capsys):
    unfinished = stopped(step)
    train_stage(unfinished, Progress())
    assert digests(unfinished.out) == whole
    assert steps_said(capsys) == [f"stage full: goes on from checkpoint-{step}"]


@pytest.mark.parametrize("student", [{"micro_batch_size": 2}, {"tuning": "full"}, {"gradient_checkpointing": True}])
def test_so_it_does_with_other_ways_to_train(job, stopped, student):
    unfinished = stopped(4, student=student)
    assert train(unfinished) == train(job("whole", student=student))


def test_two_checkpoints_are_kept(stopped):
    unfinished = stopped(4)
    assert {path.name for path in unfinished.work.glob("*/checkpoint-*")} == {"checkpoint-3", "checkpoint-4"}


@pytest.mark.parametrize("name", EVERY_FILE)
@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_damaged_one_is_told_and_the_one_before_is_taken(stopped, whole, capsys, name, damage):
    unfinished = stopped(4)
    [file] = unfinished.work.glob(f"*/checkpoint-4/{name}")
    if damage == "missing":
        file.unlink()
    else:
        flipped = bytearray(file.read_bytes())
        flipped[len(flipped) // 2] ^= 1
        file.write_bytes(flipped)
    train_stage(unfinished, Progress())
    assert steps_said(capsys) == [
        f"checkpoint-4 is not used: {name} is {damage}",
        "stage full: goes on from checkpoint-3",
    ]
    assert digests(unfinished.out) == whole


def test_one_that_was_not_finished_is_not_taken(stopped, whole, capsys):
    unfinished = stopped(4)
    [folder] = unfinished.work.iterdir()
    (folder / "checkpoint-4" / "checkpoint.json").unlink()
    (folder / "checkpoint-3" / "checkpoint.json").write_text("{")
    train_stage(unfinished, Progress())
    assert [line.partition(" is not used: ")[2] for line in steps_said(capsys)] == ["it was not finished"] * 2
    assert digests(unfinished.out) == whole


def test_changed_inputs_are_named_and_harm_no_checkpoint(stopped, job, whole, capsys):
    unfinished = stopped(2)
    changed = job("a", student={"learning_rate": 2e-3}, targets=TARGETS[1:], seed=1)
    train_stage(changed, Progress())
    line, _ = steps_said(capsys)  # and the one before it
    assert line.startswith("checkpoint-1 of another training is not used; changed since: ")
    assert "student.learning_rate: 0.001 → 0.002" in line
    assert "seed: 0 → 1" in line
    assert "training texts" in line
    assert digests(changed.out) == train(job("b", student={"learning_rate": 2e-3}, targets=TARGETS[1:], seed=1))
    train_stage(unfinished, Progress())
    assert "goes on from checkpoint-2" in capsys.readouterr().err
    assert digests(unfinished.out) == whole


def test_another_start_is_another_training(stopped, job, whole, capsys, tmp_path):
    first = job("first")
    train(first)
    stopped(2, adapter=first.out)
    train_stage(job("a"), Progress())
    assert "student of the stage before" in capsys.readouterr().err


def test_a_full_disk_ends_in_a_message_and_goes_on(job, whole):
    unfinished = job("a")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))  # what a disk does when nothing more fits
        with pytest.raises(TwtError, match=r"cannot write: .*Make room and run again"):
            train(unfinished)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert train(unfinished) == whole


def test_no_checkpoint_is_made_before_its_time(job):
    slow = job("a", student={"checkpoint_seconds": 3600})
    train(slow)
    assert not list(slow.work.glob("*/checkpoint-*"))
    shutil.rmtree(slow.work, ignore_errors=True)
