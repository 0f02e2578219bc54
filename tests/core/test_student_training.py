"""One LoRA stage on the tiny model: what is learned, where the loss is taken, and that it repeats."""

from __future__ import annotations

import hashlib

import pytest
import tiny_model
from safetensors.torch import load_file

from twt_core.errors import InputError, TwtError
from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.records import Stage
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import Target, encode_prompt, encode_target
from twt_core.student.loading import load_model, load_tokenizer, ready_base
from twt_core.student.training import IGNORED, Collator, train_stage

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

    def go(name, adapter=None, targets=TARGETS, stage=STAGE, seed=0, **options):
        train_stage(model, adapter, targets, stage, settings(**options), seed, tmp_path / name, Progress(quiet=True))
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
    assert {path.name for path in folder.iterdir()} == {WEIGHTS, "adapter_config.json"}
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


def test_those_left_out_are_named(model, tmp_path, capsys):
    long = Target("q99", TARGETS[0].messages, "again " * 200)
    train_stage(model, None, [*TARGETS, long], STAGE, settings(max_length=150), 0, tmp_path / "a", Progress())
    assert "left out 1 training texts over max_length=150 tokens: q99" in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_the_run(train):
    with pytest.raises(TwtError, match=r"stage full: the loss became .* Lower student\.learning_rate"):
        train("a", learning_rate=1e38, epochs=4)


def test_every_step_is_told(model, tmp_path, capsys):
    train_stage(model, None, TARGETS, STAGE, settings(epochs=2), 0, tmp_path / "a", Progress())
    assert "training full: 4/4" in capsys.readouterr().err


def rows(*shapes):
    return [{"input_ids": list(range(1, total + 1)), "prompt_length": prompt} for total, prompt in shapes]


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


def test_a_model_without_a_chat_template(tmp_path):
    base = tiny_model.build(tmp_path / "plain", ["What is it?"], chat=False)
    tokenizer = load_tokenizer(base)
    row = encode_target(tokenizer, Target("q", [Message("system", "Be brief."), Message("user", "What is it?")], "It."))
    assert tokenizer.decode(row["input_ids"][:-1]) == "Be brief.\nWhat is it?\nIt."
    train_stage(base, None, TARGETS[:1], STAGE, settings(), 0, tmp_path / "out", Progress(quiet=True))
    assert (tmp_path / "out" / WEIGHTS).is_file()


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
