"""Every fault of `scripted_faults` x the teachers that ask a server: one request a try, and what the engine hears."""

from __future__ import annotations

import asyncio
import gc
from typing import NamedTuple

import pytest
import samples
from scripted_faults import FAULTS, LONG, play_named
from scripted_server import Raw, ScriptedServer, fault, well

from twt_core import contract
from twt_core.errors import TeacherError
from twt_core.records import Completion
from twt_plugins.teachers.http_faults import retry_of, seconds, without_secrets
from twt_plugins.teachers.litellm import LiteLLM
from twt_plugins.teachers.litellm_library import library
from twt_plugins.teachers.openai_compatible import OpenAICompatible

CANARY = "sk-canary-4f9a1c7e2b6d8035"
QUESTION = samples.request(text="What is 3 plus 4?")
PRICES = {"input_usd_per_million": 1.0, "output_usd_per_million": 2.0}
TRY_SECONDS = 1.5


def lean(server, **options):
    return OpenAICompatible(
        **{"name": "ann", "model": "small", "base_url": server.url, "api_key_env": "MY_KEY", **PRICES, **options}
    )


def through_litellm(provider):
    def build(server, *, model="small", **options):
        return LiteLLM(
            **{
                "name": "ann", "model": f"{provider}/{model}", "api_base": server.url, "api_key_env": "MY_KEY",
                **PRICES, **options,
            }
        )  # fmt: skip

    return build


#: Two of LiteLLM's ways to a server: its own HTTP client, and OpenAI's.
TEACHERS = {
    "openai_compatible": lean,
    "litellm_vllm": through_litellm("hosted_vllm"),
    "litellm_openai": through_litellm("openai"),
}


@pytest.fixture(scope="module")
def imported():
    """What takes longer than a try is done before: LiteLLM's imports, at first use and at the first call."""
    library()
    with ScriptedServer() as server:
        for build in TEACHERS.values():
            ask(build(server, api_key_env=None), limit=60)


@pytest.fixture(params=TEACHERS)
def build(request, monkeypatch, imported):
    monkeypatch.setenv("MY_KEY", CANARY)
    return TEACHERS[request.param]


async def one_try(teacher, request=QUESTION, limit=TRY_SECONDS):
    """As the engine does it."""
    try:
        return await asyncio.wait_for(contract.complete(teacher, request), limit)
    except TimeoutError:
        return TeacherError("no answer in time", maybe_billed=True)
    except TeacherError as error:
        return error
    finally:
        await contract.close(teacher)


def ask(teacher, request=QUESTION, limit=TRY_SECONDS):
    return asyncio.run(one_try(teacher, request, limit))


class Fails(NamedTuple):
    retry: str
    maybe_billed: bool = False
    wait: float | None = None


class Answers(NamedTuple):
    text: str | None = "The answer is: 7"
    finish: str = "stop"
    counted: bool = True


BROKEN = Fails("now", maybe_billed=True)
EXPECTED = {
    "429_seconds": Fails("now", wait=2),
    "429_date": Fails("now", wait=3),
    "429_negative": Fails("now"),
    "429_1e9": Fails("now", wait=1e9),
    "429": Fails("now"),
    "429_quota": Fails("later"),
    "429_once": Fails("now", wait=0.1),
    "503_burst": Fails("now"),
    "500_twice": Fails("now"),
    "500": Fails("now"),
    "408": Fails("now"),
    "409": Fails("now"),
    "401": Fails("later"),
    "403": Fails("later"),
    "404_model": Fails("later"),
    "400_context": Fails("never"),
    "413": Fails("never"),
    "422": Fails("never"),
    "silence": BROKEN,
    "headers_then_silence": BROKEN,
    "drip": BROKEN,
    "late": BROKEN,
    "reset_before_headers": BROKEN,
    "reset_mid_body": BROKEN,
    "short_body": BROKEN,
    "truncated_json": BROKEN,
    "html": BROKEN,
    "empty": BROKEN,
    "error_object": BROKEN,
    "no_choices": BROKEN,
    "null_content": Answers(""),
    "content_filter": Answers("", "content_filter"),
    "length": Answers(finish="length"),
    "other_model": Answers(),
    "three_choices": Answers(),
    "usage_missing": Answers(counted=False),
    "usage_negative": Answers(counted=False),
    "usage_1e12": Answers(counted=False),
    "usage_nan": Answers(counted=False),
    "lone_surrogate": Answers("half a \ufffd smile"),
    "bad_utf8": Answers("Think\ufffd"),
    "30_mb": Fails("later", maybe_billed=True),
    "redirect": Fails("later"),
    "echo_key": Fails("later"),
}
#: LiteLLM's clients read these themselves, and raise.
LITELLM_CANNOT_READ = {"usage_nan", "bad_utf8"}


def test_every_fault_has_its_expectation():
    assert set(EXPECTED) == set(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_request_and_is_told_as_what_it_is(server, build, name):
    server.script = FAULTS[name]
    teacher = build(server)
    expected = EXPECTED[name]
    if name in LITELLM_CANNOT_READ and isinstance(teacher, LiteLLM):
        expected = BROKEN
    result = ask(teacher)
    assert len(server.asked) == 1
    assert server.keys == [f"Bearer {CANARY}"]
    if isinstance(expected, Fails):
        assert isinstance(result, TeacherError), result
        fails(result, expected)
        assert not server.billed or result.maybe_billed
    else:
        assert isinstance(result, Completion), result
        answers(result, expected)


def fails(error, expected):
    assert (error.retry, error.maybe_billed) == expected[:2], error
    if expected.wait is None:
        assert error.retry_after is None
    else:
        assert error.retry_after == pytest.approx(expected.wait, abs=2 if expected.wait == 3 else 0)
    assert str(error)
    assert len(str(error)) <= 500
    assert str(error).isprintable()
    assert CANARY not in str(error)


def answers(completion, expected):
    assert expected.text in completion.text
    assert expected.text or not completion.text
    assert completion.finish_reason == expected.finish
    assert (completion.usage is not None, completion.cost_usd is not None) == (expected.counted, expected.counted)
    assert Completion.model_validate_json(completion.model_dump_json()) == completion


def test_nobody_listens(server, build):
    server.stop()
    fails(ask(build(server)), Fails("now"))


def test_a_server_that_comes_back_is_asked_on_a_new_connection(server, build):
    teacher = build(server)

    async def around_a_restart():
        before = await contract.complete(teacher, QUESTION)
        await asyncio.to_thread(server.stop)
        away = await one_try_left_open(teacher)
        await asyncio.to_thread(server.start)
        after = await contract.complete(teacher, QUESTION)
        await contract.close(teacher)
        return before, away, after

    before, away, after = asyncio.run(around_a_restart())
    assert before == after
    assert isinstance(away, TeacherError)
    assert away.retry == "now"


async def one_try_left_open(teacher):
    try:
        return await contract.complete(teacher, QUESTION)
    except TeacherError as error:
        return error


def test_neither_key_nor_question_follows_a_redirect(server, build):
    with ScriptedServer() as other:
        server.elsewhere = f"{other.url}/chat/completions"
        server.script = FAULTS["redirect"]
        error = ask(build(server))
        assert isinstance(error, TeacherError)
        assert (other.asked, other.keys) == ([], [])


def test_a_key_in_another_header_does_not_follow_a_redirect_either(server, monkeypatch, imported):
    monkeypatch.setenv("MY_KEY", CANARY)
    seen = []

    def elsewhere(body):
        return Raw(lambda wire: seen.append(dict(wire.headers)), billed=False)

    with ScriptedServer() as other:
        other.script = elsewhere
        server.elsewhere = f"{other.url}/messages"
        server.script = FAULTS["redirect"]
        error = ask(LiteLLM(name="a", model="anthropic/claude", api_base=server.url, api_key_env="MY_KEY"), limit=10)
        assert seen == []
        assert (len(server.asked), error.retry) == (1, "later")


def test_an_errors_code_in_an_answer_with_status_200_counts(server, build):
    body = {"error": {"message": "too fast", "code": 429}}
    server.script = lambda asked: well(asked)._replace(body=body)
    fails(ask(build(server)), BROKEN)


def test_a_key_in_a_message_is_hidden_before_the_message_is_cut(server, build):
    teacher = build(server)
    for length in range(330, 500, 40):
        server.script = lambda body, length=length: fault(401, "x" * length + CANARY)
        error = ask(teacher)
        assert CANARY[:12] not in str(error)


def test_a_key_in_a_reply_that_is_no_answer_is_hidden_too(server, build):
    for length in range(60, 120, 15):
        page = f"<html>{'x' * length} {CANARY} </html>".encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(page)}\r\n\r\n".encode()
        server.script = lambda body, data=head + page: Raw(lambda wire: wire.send(data), billed=True)
        assert CANARY[:12] not in str(ask(build(server)))


def test_other_keys_of_the_environment_are_hidden_too(server, build, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "another-secret-value")
    server.script = lambda body: fault(401, "you sent another-secret-value")
    assert "another-secret-value" not in str(ask(build(server)))


def test_a_short_value_hides_nothing(monkeypatch):
    monkeypatch.setenv("ANY_KEY", "a")
    assert str(without_secrets(TeacherError("a cat"), [])) == "a cat"


def test_faults_are_played_by_name_and_end(server, build):
    server.script = play_named(times=1)
    named = samples.request(text="fault=409 What is 3 plus 4?")
    teacher = build(server)
    assert [type(ask(teacher, named)) for _ in range(2)] == [TeacherError, Completion]
    assert isinstance(ask(teacher), Completion)
    assert (len(server.asked), len(server.billed)) == (3, 2)
    by_model = build(server, model="fault=401")
    assert ask(by_model).retry == "later"


def test_a_reply_that_is_not_read_is_not_downloaded_either(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", CANARY)
    sent = []

    def endless(wire):
        wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {4 * LONG}\r\n\r\n".encode())
        for _ in range(4 * LONG // 100_000):
            wire.send(b"x" * 100_000)
            sent.append(100_000)

    server.script = lambda body: Raw(endless, billed=True)
    fails(ask(lean(server), limit=20), Fails("later", maybe_billed=True))
    assert sum(sent) < 2 * LONG


def test_no_connection_is_left_open(server, build, caplog):
    for name in ("silence", "reset_mid_body", "500", "length"):
        server.script = FAULTS[name]
        ask(build(server), limit=0.3)
    gc.collect()
    asyncio.run(asyncio.sleep(0.05))
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        ("0", 0), ("2", 2), ("2.5", 2.5), (" 7 ", 7), ("1e9", 1e9), ("-1", None), ("nan", None), ("inf", None),
        ("soon", None), ("", None), ("Wed, 21 Oct 2015 07:28:00 GMT", None), ("Wed, 99 Oct 2015", None),
    ],
)  # fmt: skip
def test_a_wait_makes_sense_or_is_none(header, waits):
    assert seconds(header) == waits


@pytest.mark.parametrize(
    ("status", "said", "retry"),
    [
        (400, "API key not valid. Please pass a valid API key.", "later"),
        (400, "Your credit balance is too low", "later"),
        (400, "bad request", "never"),
        (402, "pay", "later"),
        (405, "no such method", "later"),
        (429, "insufficient_quota: you exceeded your quota", "later"),
        (429, "rate limit", "now"),
        (529, "overloaded", "now"),
    ],
)
def test_what_helps(status, said, retry):
    assert retry_of(status, said) == retry
