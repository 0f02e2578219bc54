"""The lean teacher against a scripted server. Its faults are in test_http_faults.py."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys

import pytest
import samples
from pydantic import ValidationError
from scripted_server import Raw, Reply, fault, well

from twt_core import contract
from twt_core.asking import Desk
from twt_core.errors import InputError, TeacherError
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.records import Completion
from twt_plugins.teachers.openai_compatible import _SESSIONS, OpenAICompatible

CANARY = "sk-canary-4f9a1c7e2b6d8035"
QUESTION = samples.request(text="What is 3 plus 4?")
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}


@pytest.fixture
def teacher(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", CANARY)

    def build(**options):
        return OpenAICompatible(**{"name": "ann", "model": "small", "base_url": server.url, **options})

    return build


async def closing(teacher, *requests):
    try:
        return await asyncio.gather(*(contract.complete(teacher, request) for request in requests))
    finally:
        await contract.close(teacher)


def ask(teacher, request=QUESTION):
    return asyncio.run(closing(teacher, request))[0]


def test_what_it_sends_by_default_is_this_and_no_more(server, teacher):
    ask(teacher())
    assert server.asked == [
        {
            "model": "small", "messages": [{"role": "user", "content": "What is 3 plus 4?"}],
            "temperature": 0.7, "top_p": 1.0, "max_tokens": 2048,
        }
    ]  # fmt: skip
    assert server.keys == [""]


def test_it_asks_what_the_options_say(server, teacher):
    options = {"temperature": 0, "top_p": 0.5, "max_tokens": 77, "seed": 5, "logprobs": True}
    more = {"top_k": 20, "min_p": 0.05, "repetition_penalty": 1.1}
    extra = {"chat_template_kwargs": {"enable_thinking": False}}
    request = QUESTION.model_copy(update={"sample": 2, "json_schema": SCHEMA})
    ask(teacher(api_key_env="MY_KEY", extra_body=extra, **options, **more), request)
    [body] = server.asked
    assert {name: body[name] for name in (*options, *more, *extra)} == {**options, **more, **extra, "seed": 7}
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert server.keys == [f"Bearer {CANARY}"]


def test_text_logprobs_and_usage_come_back(server, teacher):
    tokens = [{"token": "\ud83d", "logprob": -0.25}, {"token": "7", "logprob": -1}]
    server.script = lambda body: well(body, "The answer is: 7", logprobs={"content": tokens})
    answer = ask(teacher(logprobs=True, input_usd_per_million=1.0, output_usd_per_million=2.0))
    assert [tuple(token) for token in answer.logprobs] == [("\ufffd", -0.25), ("7", -1.0)]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (20, 10)
    assert answer.cost_usd == pytest.approx(20e-6 + 2 * 10e-6)
    assert Completion.model_validate_json(answer.model_dump_json()) == answer


@pytest.mark.parametrize("logprobs", [{"content": [{"token": "7"}]}, {"content": [{"token": "7", "logprob": None}]},
                                      {"content": None}, {}, [], "x"])  # fmt: skip
def test_logprobs_that_cannot_be_read_are_none(server, teacher, logprobs):
    server.script = lambda body: well(body, "7", logprobs=logprobs)
    assert ask(teacher()).logprobs is None


def test_a_content_in_parts_is_put_together(server, teacher):
    parts = [{"type": "text", "text": "The answer "}, {"type": "image"}, {"type": "text", "text": "is: 7"}]
    server.script = lambda body: well(body, message={"role": "assistant", "content": parts})
    assert ask(teacher()).text == "The answer is: 7"


@pytest.mark.parametrize("body", [[], 7, None, "x", {"choices": {}}, {"choices": [None]}, {"choices": [{}]},
                                  {"choices": [{"message": "x"}]}])  # fmt: skip
def test_any_other_json_is_a_failed_call(server, teacher, body):
    server.script = lambda asked: Reply(200, body)
    with pytest.raises(TeacherError) as failed:
        ask(teacher())
    assert (failed.value.retry, failed.value.maybe_billed) == ("now", True)


@pytest.mark.parametrize(
    "body",
    [
        {"object": "error", "message": "it broke", "type": "BadRequest", "code": 400},
        {"error": {"message": "it broke"}},
        {"error": "it broke"},
        {"detail": "it broke"},
    ],
)
def test_what_a_server_says_of_its_error_is_told(server, teacher, body):
    server.script = lambda asked: Reply(400, body)
    with pytest.raises(TeacherError, match=r"HTTP 400: .*it broke") as failed:
        ask(teacher())
    assert failed.value.retry == "never"


def test_an_error_that_is_no_json_is_told_on_one_line(server, teacher):
    page = b"<html>\n<b>\x1b[31mBad\xff gateway</b>" + b"x" * 5000
    head = f"HTTP/1.1 502 Bad Gateway\r\nContent-Length: {len(page)}\r\n\r\n".encode()
    server.script = lambda body: Raw(lambda wire: wire.send(head + page), billed=True)
    with pytest.raises(TeacherError, match="HTTP 502: <html> <b>") as failed:
        ask(teacher())
    assert str(failed.value).isprintable()
    assert len(str(failed.value)) == 500
    assert failed.value.maybe_billed  # by the server behind the gateway


def test_connections_are_used_again_and_closed_in_the_end(server, teacher):
    one = teacher()

    async def twice():
        await contract.complete(one, QUESTION)
        [session] = _SESSIONS[asyncio.get_running_loop()].values()
        await contract.complete(one, QUESTION)
        assert len(server._open) == 1
        await contract.close(one)
        assert session.closed
        await contract.close(one)
        answer = await contract.complete(one, QUESTION)
        await contract.close(one)
        return answer

    assert asyncio.run(twice()) == ask(one)


def test_two_teachers_do_not_close_each_other(server, teacher):
    one, other = teacher(), teacher(name="ben", api_key_env="MY_KEY")

    async def both():
        await contract.complete(one, QUESTION)
        [session] = _SESSIONS[asyncio.get_running_loop()].values()
        await closing(other, QUESTION)
        assert not session.closed
        await contract.close(one)

    asyncio.run(both())
    assert server.keys == ["", f"Bearer {CANARY}"]


def test_many_at_once_are_each_answered_their_own(server, teacher):
    requests = [samples.request(f"q{n}", text=f"What is {n} plus 1?") for n in range(100)]
    answers = asyncio.run(closing(teacher(), *requests))
    assert [f"The answer is: {n + 1}\n" in answer.text for n, answer in enumerate(answers)] == [True] * 100


def test_the_engine_closes_what_it_opened(server, teacher, tmp_path, caplog):
    server.script = lambda body: well(body) if len(server.asked) > 1 else fault(503)
    one = teacher(input_usd_per_million=1, output_usd_per_million=1)
    [answer] = Desk(Ledger(tmp_path / "l.sqlite"), [one], "run", 1.0, Progress(quiet=True)).ask([QUESTION])
    gc.collect()
    assert isinstance(answer, Completion)
    assert len(server.asked) == 2
    assert not any(_SESSIONS.values())
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def test_the_price_is_unknown_unless_it_is_given(teacher):
    assert teacher().worst_case_usd(QUESTION) is None
    assert teacher(input_usd_per_million=0, output_usd_per_million=0).worst_case_usd(QUESTION) == 0


def test_the_key_is_looked_for_before_the_first_call(teacher):
    with pytest.raises(InputError, match="the environment variable NO_SUCH_KEY is not set or empty"):
        teacher(api_key_env="NO_SUCH_KEY").preflight([])
    teacher(api_key_env="MY_KEY").preflight([])
    teacher().preflight([])


def test_what_determines_the_answer_is_the_key_and_nothing_else(teacher):
    base = teacher().canonical_request(QUESTION)
    same = teacher(concurrency=99, timeout=5, deadline=6, retries=0, api_key_env="MY_KEY", requests_per_minute=3)
    assert same.canonical_request(QUESTION) == base
    for change in ({"top_k": 1}, {"min_p": 0.1}, {"repetition_penalty": 1.1}, {"extra_body": {"a": 1}}, {"seed": 1}):
        assert teacher(**change).canonical_request(QUESTION) != base, change


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "127.0.0.1:8000"}, {"top_k": 0}, {"min_p": 2}, {"repetition_penalty": 0},
        {"extra_body": {"temperature": 1}}, {"extra_body": {"stream": True}}, {"extra_body": {"messages": []}},
        {"samples": 2, "temperature": 0},
    ],
)  # fmt: skip
def test_bad_options_are_refused(teacher, options):
    with pytest.raises(ValidationError):
        teacher(**options)


def test_the_module_is_light_until_it_is_used():
    code = "import twt_plugins.teachers.openai_compatible; print({'litellm', 'aiohttp', 'httpx'} & set(sys.modules))"
    path = [entry for entry in sys.path if entry]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "set()\n"
