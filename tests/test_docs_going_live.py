"""Each config of docs/going-live.md, asked through a server on loopback: where it goes, with which key and options."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import samples
import test_docs
import yaml
from scripted_server import well

from twt_core import contract, tables
from twt_core.config import load_config
from twt_core.planning import plan

PAGE = Path(__file__).parent.parent / "docs" / "going-live.md"
CONFIGS = {
    yaml.safe_load(block.text)["name"]: block.text
    for block in test_docs.blocks_of(PAGE)
    if block.note == test_docs.FULL
}
#: By config: the path that its first teacher asks, and the header that its key is in.
ASKED = {
    "openai": ("/v1/chat/completions", ("authorization", "Bearer openai-key")),
    "mistral": ("/v1/chat/completions", ("authorization", "Bearer mistral-key")),
    "azure": (
        "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21",
        ("api-key", "azure-key"),
    ),
    "vllm": ("/v1/chat/completions", None),
    "llama-cpp": ("/v1/chat/completions", None),
    "ollama": ("/v1/chat/completions", None),
}

#: Configs with what their plan ends in, which comes next but for a sentence.
PLANS = re.findall(
    r"^twt run ([\w-]+)\.yaml\n```\n[^`]*```text\n(teacher .*?)^```",
    PAGE.read_text(encoding="utf-8"),
    re.DOTALL | re.MULTILINE,
)


class Heard(NamedTuple):
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Server(ThreadingHTTPServer):
    """Answers every chat request, whatever its path, and remembers it."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.heard.append(Heard(self.path, headers, body))
        answer = json.dumps(well(body, "Thinking: Two days on.\nThe answer is: Sunday\nScore: 0.97").body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    with Server() as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        for name, value in {
            "OPENAI_API_KEY": "openai-key", "OPENAI_API_BASE": f"{listening.url}/v1",
            "MISTRAL_API_KEY": "mistral-key", "MISTRAL_AZURE_API_BASE": f"{listening.url}/v1",
            "AZURE_API_KEY": "azure-key", "AZURE_API_BASE": listening.url, "AZURE_API_VERSION": "2024-10-21",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        yield listening
        listening.shutdown()


def test_every_config_of_the_page_is_asked_here():
    assert set(CONFIGS) == {*ASKED, "mixed"}
    assert {name for name, _ in PLANS} == {"openai", "mistral", "azure", "vllm"}


@pytest.mark.parametrize("name", ASKED)
def test_it_asks_where_it_says_and_reads_the_answer(name, server, tmp_path):
    for file in ("queries.jsonl", "test.jsonl"):
        (tmp_path / file).write_text('{"id": "q1", "query": "Which day is it?", "answer": "Sunday"}\n')
    (tmp_path / "run.yaml").write_text(CONFIGS[name])
    teachers = yaml.safe_load(CONFIGS[name])["teachers"]
    local = [f"teachers.{n}.base_url={server.url}/v1" for n, one in enumerate(teachers) if "base_url" in one]
    config = load_config(tmp_path / "run.yaml", local)
    for teacher in config.teachers:
        teacher.preflight([])
        question = samples.request(teacher=teacher.name, text="Which day is it?")
        said = asyncio.run(contract.complete(teacher, question))
        assert config.task_evaluator.read(said.text, samples.QUERY).label == "Sunday"
        assert said.usage is not None and said.cost_usd is not None and teacher.worst_case_usd(question) is not None
    path, key = ASKED[name]
    assert [one.path for one in server.heard] == [path] * len(teachers)
    for asked, written in zip(server.heard, teachers, strict=True):
        assert asked.body["model"] == written["model"].removeprefix("openai/").removeprefix("mistral/").removeprefix(
            "azure/"
        )
        assert asked.body["max_tokens"] == written["max_tokens"]
        assert asked.body.get("logprobs", False) == written.get("logprobs", False)
        sent = asked.headers.get(key[0]) if key else asked.headers.get("authorization")
        assert sent == (key[1] if key else None)


@pytest.mark.parametrize(("name", "shown"), PLANS, ids=[name for name, _ in PLANS])
def test_the_plan_of_the_quickstarts_questions_is_as_the_page_has_it(name, shown, tmp_path, capsys):
    (tmp_path / "run.yaml").write_text(CONFIGS[name])
    questions = PAGE.parent.parent / "examples" / "quickstart" / "queries.jsonl"
    tested = questions.with_name("test.jsonl")
    overrides = [f"queries.path={questions}", f"test_queries.path={tested}", "student.model=."]
    tables.print_plan(plan(tmp_path / "run.yaml", overrides, tmp_path / "runs"))
    assert capsys.readouterr().out.endswith(shown)
