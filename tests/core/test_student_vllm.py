"""vLLM as what writes the answers: our side beside a stand-in for its engine, and vLLM itself where it is installed."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

import pytest

from twt_core.errors import InputError
from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import encode_prompt
from twt_core.student.generation import generate
from twt_core.student.loading import load_tokenizer
from twt_core.student.vllm_generation import require_vllm

PROMPTS = [(f"q{n}", [Message("user", f"What is {n} plus {n}?")]) for n in range(4)]
END = "<|im_end|>"
#: What the stand-in writes, a prompt each.
WRITTEN = [
    f"The answer is: 7{END}",
    f"Thinking: 3\nThe answer is: 7\nScore: 0.97\n{END}",
    "The answer is: 7\n" * 9,
    f"The answer is: 7\n{END}",
]


def settings(**options):
    return StudentConfig(**{"model": "tiny", "generator": "vllm", "max_new_tokens": 20, "precision": "fp32", **options})


def texts(model, adapter=None, prompts=PROMPTS, seed=0, answered=lambda text, _: "7\n" in text, **options):
    return generate(model, adapter, prompts, settings(**options), seed, Progress(quiet=True), answered)


class Engine:
    """Stands for vLLM's: two tokens a request and step, and one step more after a request is taken out."""

    def __init__(self, arguments, written):
        self.arguments, self.written = arguments, written
        self.requests, self.params, self.aborted, self.steps, self.closed = {}, [], {}, 0, False
        self.engine_core = SimpleNamespace(shutdown=self._shutdown)

    def _shutdown(self):
        self.closed = True

    def add_request(self, request_id, prompt, params):
        self.requests[request_id] = prompt["prompt_token_ids"]
        self.params.append(params)

    def has_unfinished_requests(self):
        return bool(self.requests)

    def abort_request(self, request_ids):
        self.aborted |= {one: self.steps for one in request_ids}

    def step(self):
        self.steps += 1
        return [output for name in list(self.requests) if (output := self._output(name))]

    def _output(self, name):
        most = self.params[0].max_tokens
        ids = self.written[int(name)][: min(2 * self.steps, most)]
        finished = len(ids) == min(len(self.written[int(name)]), most)
        if finished or name in self.aborted:
            del self.requests[name]
        return SimpleNamespace(request_id=name, outputs=[SimpleNamespace(token_ids=ids)], finished=finished)


@pytest.fixture
def engines(model, monkeypatch):
    """The stand-ins that were made; vLLM is a module of them."""
    tokenizer, made = load_tokenizer(model), []

    def start(arguments):
        written = [tokenizer(text).input_ids for text in WRITTEN]
        made.append(Engine(arguments, written))
        return made[-1]

    vllm, platforms = ModuleType("vllm"), ModuleType("vllm.platforms")
    vllm.EngineArgs = vllm.SamplingParams = SimpleNamespace
    vllm.LLMEngine = SimpleNamespace(from_engine_args=start)
    platforms.current_platform = SimpleNamespace(device_type="cpu")
    for module in (vllm, platforms):
        module.__spec__ = ModuleSpec(module.__name__, None)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.delenv("VLLM_NO_USAGE_STATS", raising=False)
    monkeypatch.delenv("VLLM_LOGGING_LEVEL", raising=False)
    return made


def count(model, text):
    return len(load_tokenizer(model)(text).input_ids)


def test_a_text_is_cut_and_counted_where_its_answer_is_complete(model, engines):
    made = texts(model)
    line = count(model, "The answer is: 7\n")
    thinking = "Thinking: 3\nThe answer is: 7"
    assert [(row.query_id, row.text, row.tokens) for row in made] == [
        ("q0", "The answer is: 7", count(model, WRITTEN[0])),  # by its end token, which counts
        ("q1", thinking, count(model, f"{thinking}\n")),
        ("q2", "The answer is: 7", line),
        ("q3", "The answer is: 7", line),
    ]
    assert all(row.seconds > 0 for row in made)


def test_what_is_complete_is_taken_out_of_the_engine(model, engines):
    texts(model)
    [engine] = engines
    assert set(engine.aborted) == {"1", "2", "3"}
    assert engine.steps < 20 / 2
    assert engine.closed


def test_without_stop_at_answer_a_text_goes_on(model, engines):
    made = texts(model, stop_at_answer=False, answered=pytest.fail)
    assert [row.tokens for row in made] == [min(20, count(model, text)) for text in WRITTEN]
    assert engines[0].aborted == {}


def test_the_engine_is_told_what_the_student_is(model, engines):
    texts(model, temperature=0.7, generation_batch_size=3)
    arguments, params = engines[0].arguments, engines[0].params
    tokenizer = load_tokenizer(model)
    longest = max(len(encode_prompt(tokenizer, chat)) for _, chat in PROMPTS)
    assert (arguments.model, arguments.dtype, arguments.max_num_seqs) == (str(model), "float32", 3)
    assert arguments.max_model_len == longest + 20
    assert {(p.temperature, p.top_p, p.max_tokens) for p in params} == {(0.7, 0.95, 20)}
    assert {tuple(p.stop_token_ids) for p in params} == {(tokenizer.eos_token_id,)}
    assert len({p.seed for p in params}) == len(PROMPTS)
    texts(model, temperature=0.7)
    texts(model, temperature=0.7, seed=1)
    seeds = [[p.seed for p in engine.params] for engine in engines]
    assert seeds[0] == seeds[1] != seeds[2]


def test_it_phones_nobody(model, engines):
    texts(model)
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1"
    assert os.environ["VLLM_LOGGING_LEVEL"] == "ERROR"


def test_an_adapter_is_merged_for_it_and_nothing_stays(model, engines, tmp_path, monkeypatch):
    import tempfile

    import torch
    from peft import LoraConfig, get_peft_model

    from twt_core.student.loading import load_merged, load_model

    network = get_peft_model(load_model(model, torch.float32, "cpu"), LoraConfig(target_modules="all-linear"))
    network.save_pretrained(tmp_path / "adapter")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    start, seen = sys.modules["vllm"].LLMEngine.from_engine_args, []

    def look(arguments):
        seen.append(load_merged(arguments.model, None, torch.float32, "cpu").state_dict())
        return start(arguments)

    sys.modules["vllm"].LLMEngine.from_engine_args = look
    texts(model, tmp_path / "adapter")
    merged = load_merged(model, tmp_path / "adapter", torch.float32, "cpu").state_dict()
    assert seen[0].keys() == merged.keys() and all(torch.equal(seen[0][name], merged[name]) for name in merged)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_an_engine_that_does_not_start_is_told(model, engines):
    def fail(arguments):
        raise RuntimeError("Engine core initialization failed.\nSee above")

    sys.modules["vllm"].LLMEngine.from_engine_args = fail
    with pytest.raises(InputError, match=r"vllm cannot start: Engine core initialization failed\.$"):
        texts(model)


def test_another_device_is_refused(model, engines):
    sys.modules["vllm.platforms"].current_platform.device_type = "cuda"
    with pytest.raises(InputError, match="this vllm is built for cuda, not cpu"):
        texts(model, device="cpu")


def test_no_prompts_no_engine(model, engines):
    assert texts(model, prompts=[]) == []
    assert engines == []


def test_without_the_package_the_message_says_what_to_install(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)  # as if it were not installed
    with pytest.raises(InputError, match=r'pip install "twt-distill\[vllm\]"'):
        require_vllm()
    with pytest.raises(InputError, match="vllm is not installed"):
        texts(model)


if find_spec("vllm") is not None:  # a GPU library of gigabytes: run where somebody has it

    def test_vllm_itself_writes_what_transformers_writes(model, tmp_path):
        """With heads of 32 dimensions, the least that its attention takes."""
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        tokenizer = load_tokenizer(model)
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=256,
        )  # fmt: skip
        network = LlamaForCausalLM(config)
        with torch.no_grad():
            for weight in network.parameters():
                weight.mul_(8 if weight.dim() > 1 else 1)
        network.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        names = ("vllm", "transformers")
        both = [texts(tmp_path, generator=name, answered=lambda text, _: len(text) > 20) for name in names]
        assert [(row.text, row.tokens) for row in both[0]] == [(row.text, row.tokens) for row in both[1]]
