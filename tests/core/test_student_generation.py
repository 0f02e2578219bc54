"""What the student writes: counted exactly, in order, and the same in any batch."""

from __future__ import annotations

import pytest

from twt_core.errors import InputError
from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.records import Stage
from twt_core.student import loading
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import Target
from twt_core.student.generation import generate
from twt_core.student.loading import device_of, half_precision, load_model, load_tokenizer
from twt_core.student.training import train_stage

PROMPTS = [(f"q{n}", [Message("user", f"What is {n} plus {n}?{' Again?' * n}")]) for n in (3, 0, 5, 1, 4)]
LEARNED = "The answer is: 7"
QUIET = Progress(quiet=True)


def settings(**options):
    return StudentConfig(**{"model": "tiny", "max_new_tokens": 8, "precision": "fp32", **options})


def teach(model, out, answers):
    config = settings(learning_rate=0.02, epochs=40, batch_size=5, lora={"r": 16, "alpha": 32})
    targets = [Target(name, messages, answer) for (name, messages), answer in zip(PROMPTS, answers, strict=True)]
    train_stage(model, None, targets, Stage(name="full", rationale="full"), config, 0, out, QUIET)
    return out


@pytest.fixture(scope="module")
def taught(model, tmp_path_factory):
    """An adapter that answers everything alike."""
    return teach(model, tmp_path_factory.mktemp("taught"), [LEARNED] * len(PROMPTS))


@pytest.fixture(scope="module")
def lively(model, tmp_path_factory):
    """The tiny model with larger weights: what it writes depends on all of the prompt."""
    import torch

    network = load_model(model, torch.float32, "cpu")
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(8 if weight.dim() > 1 else 1)
    folder = tmp_path_factory.mktemp("lively")
    network.save_pretrained(folder)
    load_tokenizer(model).save_pretrained(folder)
    return folder


def texts(model, adapter=None, prompts=PROMPTS, seed=0, **options):
    return generate(model, adapter, prompts, settings(**options), seed, QUIET)


def test_a_stage_learns_what_it_is_taught_and_the_end_is_counted(model, taught):
    tokenizer = load_tokenizer(model)
    made = texts(model, taught, max_new_tokens=40)
    assert {row.text for row in made} == {LEARNED}
    assert {row.tokens for row in made} == {len(tokenizer(LEARNED).input_ids) + 1}


def test_the_limit_cuts_and_counts(model, taught):
    made = texts(model, taught, max_new_tokens=3)
    assert {row.tokens for row in made} == {3}
    assert all(LEARNED.startswith(row.text) for row in made)


def test_one_text_a_prompt_in_their_order(model, taught):
    made = texts(model, taught, generation_batch_size=2)
    assert [row.query_id for row in made] == [name for name, _ in PROMPTS]
    assert all(row.seconds > 0 for row in made)


@pytest.mark.parametrize("size", [2, 5])
def test_padding_changes_nothing(lively, size):
    alone = texts(lively, generation_batch_size=1)
    together = texts(lively, generation_batch_size=size)
    assert [(row.text, row.tokens) for row in together] == [(row.text, row.tokens) for row in alone]
    assert len({row.text for row in alone}) > 2  # else this would prove nothing


def test_greedy_repeats_and_samples_follow_the_seed(model):
    assert [r.text for r in texts(model)] == [r.text for r in texts(model, seed=1)]
    hot = [[r.text for r in texts(model, seed=seed, temperature=1.5, top_p=1.0)] for seed in (0, 0, 1)]
    assert hot[0] == hot[1] != hot[2]


def test_no_prompts_no_texts(model):
    assert texts(model, prompts=[]) == []


def test_bf16_where_the_cpu_has_it(monkeypatch):
    import torch

    monkeypatch.setattr(loading, "_cpu_has_bf16", lambda: True)
    assert half_precision(settings(precision="auto", device="cpu")) == torch.bfloat16
    assert half_precision(settings(precision="fp32", device="cpu")) == torch.float32
    monkeypatch.setattr(loading, "_cpu_has_bf16", lambda: False)
    assert half_precision(settings(precision="auto", device="cpu")) == torch.float32
    with pytest.raises(InputError, match="the cpu here has no bf16 instructions"):
        half_precision(settings(precision="bf16", device="cpu"))


def test_a_device_that_is_not_there_is_refused():
    import torch

    for device, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())):
        if there:
            assert device_of(settings(device=device)) == device
        else:
            with pytest.raises(InputError, match=f'student.device: "{device}" is not on this machine'):
                device_of(settings(device=device))
