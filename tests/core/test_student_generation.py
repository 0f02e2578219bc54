"""What the student writes: counted exactly, in order, and the same in any batch."""

from __future__ import annotations

import pytest

from twt_core.errors import InputError
from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.records import Stage
from twt_core.student import endings, generation, loading
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import Target, encode_prompt
from twt_core.student.endings import AnswerEnd, RowEnds
from twt_core.student.generation import generate
from twt_core.student.loading import device_of, half_precision, load_model, load_tokenizer
from twt_core.student.training import Training, train_stage

PROMPTS = [(f"q{n}", [Message("user", f"What is {n} plus {n}?{' Again?' * n}")]) for n in (3, 0, 5, 1, 4)]
LEARNED = "The answer is: 7"
QUIET = Progress(quiet=True)


def settings(**options):
    return StudentConfig(**{"model": "tiny", "max_new_tokens": 8, "precision": "fp32", **options})


def teach(model, out, answers):
    config = settings(learning_rate=0.02, epochs=40, batch_size=5, lora={"r": 16, "alpha": 32})
    targets = [Target(name, messages, answer) for (name, messages), answer in zip(PROMPTS, answers, strict=True)]
    stage = Stage(name="full", rationale="full")
    job = Training(
        base=model, targets=targets, stage=stage, student=config, seed=0, out=out / "adapter", work=out / "work"
    )
    train_stage(job, QUIET)
    return out / "adapter"


@pytest.fixture(scope="module")
def taught(model, tmp_path_factory):
    """An adapter that answers everything alike."""
    return teach(model, tmp_path_factory.mktemp("taught"), [LEARNED] * len(PROMPTS))


@pytest.fixture(scope="module")
def talkative(model, tmp_path_factory):
    """A model that says the answer again and again: its next token hangs on the last one alone."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = load_tokenizer(model)
    size = len(tokenizer) + len(tokenizer) % 2
    config = LlamaConfig(
        vocab_size=size, hidden_size=size, intermediate_size=2, num_hidden_layers=1, num_attention_heads=1
    )
    network = LlamaForCausalLM(config)
    ids = tokenizer(f"\n{LEARNED}\n").input_ids
    assert ids[0] == ids[-1] == encode_prompt(tokenizer, PROMPTS[0][1])[-1] and len(set(ids)) == len(ids) - 1
    with torch.no_grad():
        network.model.embed_tokens.weight.copy_(torch.eye(size))
        for nothing in (
            network.model.layers[0].self_attn.o_proj,
            network.model.layers[0].mlp.down_proj,
            network.lm_head,
        ):
            nothing.weight.zero_()
        network.lm_head.weight[ids[1:], ids[:-1]] = 1
    folder = tmp_path_factory.mktemp("talkative")
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


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


def texts(model, adapter=None, prompts=PROMPTS, seed=0, answered=endings.never, **options):
    return generate(model, adapter, prompts, settings(**options), seed, QUIET, answered)


def said(rows):
    return [(row.text, row.tokens) for row in rows]


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
    assert said(together) == said(alone)
    assert len({row.text for row in alone}) > 2  # else this would prove nothing


def test_greedy_repeats_and_samples_follow_the_seed(model):
    assert [r.text for r in texts(model)] == [r.text for r in texts(model, seed=1)]
    hot = [[r.text for r in texts(model, seed=seed, temperature=1.5, top_p=1.0)] for seed in (0, 0, 1)]
    assert hot[0] == hot[1] != hot[2]


def test_no_prompts_no_texts(model):
    assert texts(model, prompts=[]) == []


def test_the_longest_prompts_come_first_so_that_memory_fails_early(model, monkeypatch):
    tokenizer, lengths = load_tokenizer(model), []

    def spy(network, batch, *rest):
        lengths.append([len(ids) for _, ids in batch])
        return [[tokenizer.eos_token_id] for _ in batch]

    monkeypatch.setattr(generation, "_new_tokens", spy)
    texts(model, generation_batch_size=2)
    every = [length for batch in lengths for length in batch]
    assert [len(batch) for batch in lengths] == [2, 2, 1]
    assert every == sorted((len(encode_prompt(tokenizer, chat)) for _, chat in PROMPTS), reverse=True)
    assert every[0] > every[-1]


@pytest.mark.parametrize("size", [1, 5])
def test_a_text_ends_with_the_token_that_completes_it(talkative, size):
    line = len(load_tokenizer(talkative)(f"{LEARNED}\n").input_ids)
    for lines in (1, 2):
        made = texts(talkative, max_new_tokens=60, generation_batch_size=size, answered=has_lines(lines))
        assert set(said(made)) == {("\n".join([LEARNED] * lines), lines * line)}


def has_lines(count):
    return lambda text, _: text.count("\n") == count


def test_without_stop_at_answer_nobody_is_asked(talkative):
    def never(text, _):
        raise AssertionError(text)

    made = texts(talkative, max_new_tokens=20, stop_at_answer=False, answered=never)
    assert {row.tokens for row in made} == {20}


def test_whoever_says_of_a_text_that_it_is_complete_sees_whole_lines(talkative):
    seen = []
    texts(talkative, prompts=PROMPTS[:1], max_new_tokens=20, answered=lambda text, _: bool(seen.append(text)))
    assert seen == [f"{LEARNED}\n" * (n + 1) for n in range(len(seen))] and len(seen) > 1


def test_rows_of_a_batch_end_one_by_one(lively, monkeypatch):
    monkeypatch.setattr(AnswerEnd, "holds_break", lambda self, token: True)
    monkeypatch.setattr(AnswerEnd, "complete", lambda self, ids, _: sum(ids) % 11 == 0)  # anywhere, by the row alone
    together = texts(lively, max_new_tokens=30, generation_batch_size=5)
    assert said(together) == said(texts(lively, max_new_tokens=30, generation_batch_size=1))
    assert len({row.tokens for row in together}) > 2  # else this would prove nothing


class Letters:
    """A tokenizer whose ids are characters."""

    def decode(self, ids, skip_special_tokens):
        return "".join(map(chr, ids))


def test_the_count_is_right_where_padding_is_the_end_token():
    import torch

    end = ord("|")
    ends = RowEnds(1, list("abcde"), end, AnswerEnd(Letters(), lambda text, _: text.endswith("7\n")))
    rows = ["?7\n||||", "?ab|||", "?7\nx|||", "?12345", "?\n7\nab"]
    stopped = [
        ends(torch.tensor([[ord(c) for c in row[:width]] for row in rows]), None).tolist() for width in range(2, 7)
    ]
    assert ends.lengths == {0: 2, 1: 3, 2: 2, 4: 3}
    assert stopped[1] == [True, False, True, False, False]
    assert stopped[-1] == [True, True, True, False, True]


def test_a_text_is_decoded_only_where_a_line_ends():
    read = []
    at = AnswerEnd(Letters(), lambda text, _: bool(read.append(text)) or "7" in text)
    ids = [ord(c) for c in "ab\ncd7\nef\n"]
    assert at.length(ids, "q") == 7
    assert read == ["ab\n", "ab\ncd7\n"]
    assert at.length(ids[:6], "q") is None
    assert at.length(ids, "q", checked=7) == len(ids)


def test_the_models_own_settings_of_generation_do_not_count(lively, tmp_path):
    import torch
    from transformers import GenerationConfig

    network = load_model(lively, torch.float32, "cpu")
    network.generation_config = GenerationConfig(num_beams=2, repetition_penalty=1.5, no_repeat_ngram_size=2)
    network.save_pretrained(tmp_path)
    load_tokenizer(lively).save_pretrained(tmp_path)
    assert said(texts(tmp_path)) == said(texts(lively))


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
