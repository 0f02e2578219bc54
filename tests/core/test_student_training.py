"""One LoRA stage on the tiny model: what is learned, where the loss is taken, and that it repeats."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from statistics import mean

import pytest
import tiny_model
from safetensors.torch import load_file

from twt_core.errors import InputError, TwtError
from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.records import Stage
from twt_core.student.batches import IGNORED, Collator, weighted
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import Target, encode_prompt, encode_target
from twt_core.student.launching import train_on_several
from twt_core.student.loading import load_model, load_tokenizer, ready_base
from twt_core.student.training import LOSSES, Training, train_stage

STAGE = Stage(name="full", rationale="full")
TARGETS = [
    Target(f"q{n}", [Message("user", f"What is {n} plus {n + 1}?")], f"Thinking: {'again ' * n}\nThe answer is: {n}")
    for n in range(6)
]
WEIGHTS = "adapter_model.safetensors"


def settings(**options):
    return StudentConfig(**{"model": "tiny", "learning_rate": 1e-3, "batch_size": 4, "epochs": 1, **options})


@pytest.fixture
def train(model, tmp_path):
    """Train a stage; the adapter's folder."""

    def go(name, adapter=None, targets=TARGETS, stage=STAGE, seed=0, base=model, quiet=True, **options):
        job = Training(
            base=base, adapter=adapter, targets=targets, stage=stage, student=settings(**options), seed=seed,
            out=tmp_path / name, work=tmp_path / ".work" / name,
        )  # fmt: skip
        train_stage(job, Progress(quiet=quiet))
        return tmp_path / name

    return go


def digest(folder):
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


def test_the_same_seed_gives_the_same_bytes(train):
    assert digest(train("a")) == digest(train("b"))
    assert digest(train("c", seed=1)) != digest(train("d"))


def test_the_adapter_goes_on_from_stage_to_stage(train):
    first = train("first")
    hardly = train("hardly", adapter=first, learning_rate=1e-12)
    further = train("further", adapter=first)
    before, still, after = (load_file(folder / WEIGHTS) for folder in (first, hardly, further))
    assert all(still[name].allclose(before[name], atol=1e-6) for name in before)
    assert any(not after[name].allclose(before[name], atol=1e-6) for name in before)
    assert digest(train("again", adapter=first)) == digest(further)


def test_a_stage_overrides_epochs_and_learning_rate(train):
    short = train("short", epochs=2, learning_rate=5e-3)
    stage = Stage(name="full", rationale="full", epochs=2, learning_rate=5e-3)
    assert digest(train("own", stage=stage, epochs=1, learning_rate=1e-9)) == digest(short)


def test_what_is_saved_is_an_adapter_and_nothing_else(train):
    folder = train("a", lora={"r": 3, "alpha": 6, "target_modules": ["q_proj"]})
    assert {path.name for path in folder.iterdir()} == {WEIGHTS, "adapter_config.json", LOSSES}
    weights = load_file(folder / WEIGHTS)
    assert all("q_proj" in name for name in weights)
    assert {tensor.shape[0] for name, tensor in weights.items() if "lora_A" in name} == {3}


def test_a_target_that_is_no_module_lists_what_there_is(train):
    with pytest.raises(InputError, match=r"\['query'\] matches no module; the linear ones are: .*down_proj.*q_proj"):
        train("a", lora={"target_modules": ["query"]})


def test_a_text_that_is_too_long_is_left_out_whole(train, model, capsys):
    tokenizer = load_tokenizer(model)
    lengths = [len(encode_target(tokenizer, target)["input_ids"]) for target in TARGETS]
    limit = sorted(lengths)[3]
    fit = [target for target, length in zip(TARGETS, lengths, strict=True) if length <= limit]
    assert digest(train("all", max_length=limit)) == digest(train("fit", targets=fit))
    with pytest.raises(InputError, match="none of the 6 training texts fits 8 tokens"):
        train("none", max_length=8)


def test_those_left_out_are_named(train, capsys):
    long = Target("q99", TARGETS[0].messages, "again " * 200)
    train("a", targets=[*TARGETS, long], max_length=150, quiet=False)
    assert "left out 1 training texts over max_length=150 tokens: q99" in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_the_run(train):
    with pytest.raises(TwtError, match=r"stage full: the loss became .* Lower student\.learning_rate"):
        train("a", learning_rate=1e38, epochs=4)


def test_every_step_is_told(train, capsys):
    train("a", epochs=2, quiet=False)
    assert "training full: 4/4" in capsys.readouterr().err


def rows(*shapes):
    return [
        {"input_ids": list(range(1, total + 1)), "prompt_length": prompt, "weight": 1.0} for total, prompt in shapes
    ]


def test_the_collator_pads_left_and_labels_the_end():
    batch = Collator(0, "completion")(rows((5, 3), (3, 2)))
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4, 5], [0, 0, 1, 2, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4], [0, 0, 0, 1, 2]]
    assert batch["labels"].tolist() == [[IGNORED, 4, 5], [IGNORED, IGNORED, 3]]


def test_the_loss_may_be_on_the_sequence():
    batch = Collator(0, "sequence")(rows((4, 3), (2, 1)))
    assert batch["labels"].tolist() == [[IGNORED, 2, 3, 4], [IGNORED, IGNORED, IGNORED, 2]]


@pytest.mark.parametrize("loss_on", ["completion", "sequence"])
def test_the_loss_is_the_models_own_on_each_text_alone(model, loss_on):
    """Padding, positions and the kept logits together change nothing: token by token as without a batch."""
    import torch

    tokenizer, network = load_tokenizer(model), load_model(model, torch.float32, "cpu").eval()
    encoded = [encode_target(tokenizer, target) for target in TARGETS]
    alone = []
    with torch.inference_mode():
        for row in encoded:
            ids = torch.tensor([row["input_ids"]])
            scores = network(input_ids=ids).logits[0, :-1].log_softmax(-1)
            losses = -scores.gather(1, ids[0, 1:, None])[:, 0]
            alone.append(losses[row["prompt_length"] - 1 :] if loss_on == "completion" else losses)
        batch = Collator(int(tokenizer.pad_token_id), loss_on)(encoded)
        labels = batch.pop("labels")
        assert batch.pop("weights").tolist() == [1.0] * len(encoded)
        logits = network(**batch, logits_to_keep=labels.shape[1]).logits
        together = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED
        )
    assert together.item() == pytest.approx(torch.cat(alone).mean().item(), abs=1e-5)


def test_the_loss_on_the_prompt_changes_what_is_learned(train):
    assert digest(train("a")) != digest(train("b", loss_on="sequence"))


def test_a_target_is_prompt_completion_and_end(model):
    tokenizer = load_tokenizer(model)
    row = encode_target(tokenizer, TARGETS[1])
    assert row["input_ids"][: row["prompt_length"]] == encode_prompt(tokenizer, TARGETS[1].messages)
    assert tokenizer.decode(row["input_ids"][row["prompt_length"] : -1]) == TARGETS[1].completion
    assert row["input_ids"][-1] == tokenizer.eos_token_id
    assert row["input_ids"].count(tokenizer.eos_token_id) == 2  # the user's turn ends, too


def test_a_model_without_a_chat_template(train, tmp_path):
    base = tiny_model.build(tmp_path / "plain", ["What is it?"], chat=False)
    tokenizer = load_tokenizer(base)
    row = encode_target(tokenizer, Target("q", [Message("system", "Be brief."), Message("user", "What is it?")], "It."))
    assert tokenizer.decode(row["input_ids"][:-1]) == "Be brief.\nWhat is it?\nIt."
    assert (train("out", base=base, targets=TARGETS[:1]) / WEIGHTS).is_file()


def test_the_tokenizer_pads_on_the_left(model):
    assert load_tokenizer(model).padding_side == "left"


def test_models_that_cannot_be_loaded(tmp_path):
    import torch

    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"student\.model: cannot load a tokenizer from"):
        load_tokenizer(tmp_path / "empty")
    with pytest.raises(InputError, match=r"student\.model: cannot load .* \(HF_HUB_OFFLINE is set\)"):
        load_model("nobody/nothing", torch.float32, "cpu")
    with pytest.raises(InputError, match="no model at"):
        ready_base(str(tmp_path / "none.gguf"), tmp_path)


def test_a_tokenizer_without_an_end_token_is_refused(model, tmp_path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="has no end token"):
        load_tokenizer(tmp_path)


def test_passes_and_checkpointed_activations_learn_what_one_pass_learns(train):
    whole = load_file(train("whole", epochs=3) / WEIGHTS)
    for name, options in (("passes", {"micro_batch_size": 1}), ("activations", {"gradient_checkpointing": True})):
        other = load_file(train(name, epochs=3, **options) / WEIGHTS)
        assert all(other[key].allclose(whole[key], atol=1e-5) for key in whole), name


def test_every_weight_may_be_trained(train, model):
    """Full fine-tuning saves a whole model, and goes on from one."""
    import torch

    first = train("first", tuning="full")
    further = train("further", adapter=first, tuning="full")
    before, after, later = (load_model(folder, torch.float32, "cpu").state_dict() for folder in (model, first, further))
    assert all(not after[name].equal(before[name]) for name in before)
    assert any(not later[name].equal(after[name]) for name in after)


def tasks(weight):
    """The same texts as two tasks: their answers, and much longer rationales."""
    short = [target._replace(completion="The answer is: 7", task="answer") for target in TARGETS]
    long = [target._replace(completion="again " * 30, task="rationale", weight=weight) for target in TARGETS]
    return [*short, *long]


def test_a_task_counts_by_its_weight_whatever_its_length(model):
    """The loss is the sum over tasks of weight x mean over the task's tokens (Hsieh et al. 2023, eq. 4)."""
    import torch

    tokenizer, network = load_tokenizer(model), load_model(model, torch.float32, "cpu").eval()

    def loss(targets, weigh):
        rows = [(target, encode_target(tokenizer, target)) for target in targets]
        batch = Collator(int(tokenizer.pad_token_id), "completion")(
            weighted(rows, "completion") if weigh else [row for _, row in rows]
        )
        labels, weights = batch.pop("labels"), batch.pop("weights")
        with torch.inference_mode():
            logits = network(**batch, logits_to_keep=labels.shape[1]).logits
        each = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="none"
        ).view(len(labels), -1)
        return float((each.sum(1) * weights).sum() / (labels != IGNORED).sum())

    targets = tasks(0.25)
    short, long = targets[: len(TARGETS)], [target._replace(weight=1.0) for target in targets[len(TARGETS) :]]
    assert loss(targets, True) == pytest.approx(loss(short, False) + 0.25 * loss(long, False), rel=1e-5)
    assert loss(short, True) == loss(short, False)


def test_the_weight_of_a_task_changes_what_is_learned(train):
    assert digest(train("a", targets=tasks(1.0))) != digest(train("b", targets=tasks(0.1)))


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / LOSSES).read_text(encoding="utf-8").splitlines()]


def test_two_processes_learn_what_one_learns(model, tmp_path, train):
    """By `accelerate launch`, with gloo on the CPU: the same losses and weights, to the tolerance of float32 sums."""
    alone = train("alone", epochs=2)
    job = Training(
        base=model, targets=TARGETS, stage=STAGE, seed=0, out=tmp_path / "two", work=tmp_path / ".work" / "two",
        student=settings(epochs=2, processes=2, micro_batch_size=1, checkpoint_seconds=0),
    )  # fmt: skip
    job.out.mkdir()
    train_on_several(job, Progress(quiet=True))
    assert losses(job.out) == pytest.approx(losses(alone), abs=2e-4)
    one, two = load_file(alone / WEIGHTS), load_file(job.out / WEIGHTS)
    assert all(two[name].allclose(one[name], atol=1e-5) for name in one)
    assert len(list(job.work.glob("*/checkpoint-*/checkpoint.json"))) == 2


def test_what_one_of_several_processes_finds_wrong_is_told(model, tmp_path):
    job = Training(
        base=model, targets=TARGETS, stage=STAGE, seed=0, out=tmp_path / "two", work=tmp_path / ".work" / "two",
        student=settings(processes=2, max_length=8),
    )  # fmt: skip
    with pytest.raises(InputError, match="none of the 6 training texts fits 8 tokens"):
        train_on_several(job, Progress(quiet=True))


@pytest.mark.parametrize("loss_on", ["completion", "sequence"])
def test_trl_trains_to_the_same(train, loss_on):
    """The same texts in the same order: TRL's loss differs from ours by rounding alone."""
    ours, theirs = (train(name, trainer=name, epochs=2, loss_on=loss_on) for name in ("transformers", "trl"))
    assert losses(theirs) == pytest.approx(losses(ours), abs=2e-3)
    one, two = load_file(ours / WEIGHTS), load_file(theirs / WEIGHTS)
    assert all(two[name].allclose(one[name], atol=1e-3) for name in one)
    with pytest.raises(InputError, match="trl cannot weigh texts"):
        train("weighed", trainer="trl", targets=tasks(0.5))


def test_a_tracker_is_told_when_it_is_asked_for(train, tmp_path):
    train("silent")
    assert not (tmp_path / "trackers").exists()
    train("told", report_to=["tensorboard"])
    assert list((tmp_path / "trackers").rglob("events.out.tfevents.*"))


def test_over_an_epoch_weights_hold_however_texts_are_grouped(train):
    """Texts of like length are learned together, so that most steps hold one task alone."""
    short, long = tasks(1.0)[: len(TARGETS)], tasks(1.0)[len(TARGETS) :]
    still = {"learning_rate": 1e-12, "batch_size": 2}
    alone = [mean(losses(train(name, targets=texts, **still))) for name, texts in (("s", short), ("l", long))]
    for weight in (1.0, 0.25):
        both = mean(losses(train(f"both{weight}", targets=tasks(weight), **still)))
        assert both == pytest.approx(alone[0] + weight * alone[1], rel=0.01)


def alive(marker):
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found += [entry] if marker in entry.read_bytes() else []
    return found


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_processes_that_train_together_end_with_the_one_that_launched_them(model, tmp_path, sent):
    job = Training(
        base=model, targets=TARGETS, stage=STAGE, seed=0, out=tmp_path / "two", work=tmp_path / ".work" / "two",
        student=settings(epochs=100_000, processes=2, checkpoint_seconds=0),
    )  # fmt: skip
    job.out.mkdir()
    (tmp_path / "job.json").write_text(job.model_dump_json(), encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from twt_core.progress import Progress\n"
        "from twt_core.student.launching import *\n"
        "import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))\n"
        "train_on_several(Training.model_validate_json(Path(sys.argv[1]).read_text()), Progress(quiet=True))"
    )
    launcher = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "job.json")], stderr=subprocess.DEVNULL)
    marker = str(job.work / "job.json").encode()
    while not list(job.work.glob("*/checkpoint-*/checkpoint.json")):
        assert launcher.poll() is None
        time.sleep(0.05)
    assert len(alive(marker)) >= 2
    launcher.send_signal(sent)
    launcher.wait()
    limit = time.monotonic() + 60
    while alive(marker) and time.monotonic() < limit:
        time.sleep(0.1)
    assert alive(marker) == []


def test_a_stage_without_texts_says_so(train):
    with pytest.raises(InputError, match="stage full: there is no text to learn"):
        train("a", targets=[])


def test_a_text_longer_than_the_model_reads_is_left_out(train, capsys):
    long = Target("q99", TARGETS[0].messages, "again " * 600)
    train("a", targets=[*TARGETS, long], max_length=100_000, quiet=False)
    assert "left out 1 training texts over max_length=512 tokens: q99" in capsys.readouterr().err


def test_a_device_that_runs_out_of_memory_says_what_to_lower(train, monkeypatch):
    import torch
    from transformers import Trainer

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(Trainer, "training_step", full)
    with pytest.raises(TwtError, match=r"too little memory\. Lower student\.micro_batch_size"):
        train("a")
