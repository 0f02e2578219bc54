"""The litellm teacher against a scripted server: one call is one request, and every fault has its end."""

from __future__ import annotations

import asyncio
import json

import pytest
import samples
from pydantic import ValidationError
from scripted_server import Reply, fault, well

from twt_core import contract
from twt_core.asking import Desk
from twt_core.errors import InputError, TeacherError
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.records import Completion, Failed
from twt_plugins.teachers import litellm
from twt_plugins.teachers.litellm import LiteLLM

CANARY = "sk-canary-4f9a1c7e2b6d8035"
QUESTION = samples.request(text="What is 3 plus 4?")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Waits are noted and not waited for."""
    waits: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds, *more):
        waits.append(seconds)
        await sleep(0, *more)

    monkeypatch.setattr(litellm.asyncio, "sleep", note)
    return waits


@pytest.fixture
def teacher(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", CANARY)

    def build(**options):
        return LiteLLM(
            **{"name": "ann", "model": "hosted_vllm/small", "api_base": server.url, "api_key_env": "MY_KEY", **options}
        )

    return build


def ask(teacher, request=QUESTION):
    return asyncio.run(contract.complete(teacher, request))


def replies(server, *given):
    """Answer with these in turn, the last one for ever."""
    queue = list(given)

    def script(body):
        reply = queue.pop(0) if len(queue) > 1 else queue[0]
        return reply(body) if callable(reply) else reply

    server.script = script


def without(body, *path):
    reply = well(body)
    inside = reply.body
    for key in path[:-1]:
        inside = inside[key]
    del inside[path[-1]]
    return reply


def test_text_logprobs_and_usage_come_back(server, teacher):
    tokens = [{"token": "7", "logprob": -0.25, "bytes": None, "top_logprobs": []}]
    replies(server, lambda body: well(body, "The answer is: 7", logprobs={"content": tokens, "refusal": None}))
    answer = ask(teacher(logprobs=True, input_usd_per_million=1.0, output_usd_per_million=2.0))
    assert answer.text == "The answer is: 7"
    assert [tuple(token) for token in answer.logprobs] == [("7", -0.25)]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (20, 10)
    assert answer.cost_usd == pytest.approx(20e-6 + 2 * 10e-6)


def test_it_asks_what_the_options_say(server, teacher):
    ask(teacher(temperature=0.25, top_p=0.5, max_tokens=77, seed=5, logprobs=True))
    [body] = server.asked
    assert (body["model"], body["temperature"], body["top_p"], body["max_tokens"]) == ("small", 0.25, 0.5, 77)
    assert (body["seed"], body["logprobs"]) == (5, True)
    assert body["messages"] == [{"role": "user", "content": "What is 3 plus 4?"}]
    assert server.keys == [f"Bearer {CANARY}"]


def test_temperature_zero_is_sent(server, teacher):
    ask(teacher(temperature=0))
    assert server.asked[0]["temperature"] == 0


def test_a_server_of_ones_own_needs_no_key(server, teacher):
    assert ask(teacher(api_key_env=None)).text.endswith("0.97")


def test_it_can_be_asked_again_in_another_loop(server, teacher):
    one = teacher()
    assert ask(one) == ask(one) == ask(one)


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_what_may_pass_is_tried_again_by_us_alone(server, teacher, impatient, status):
    replies(server, fault(status), fault(status), well)
    assert ask(teacher()).text
    assert len(server.asked) == 3  # LiteLLM and the client beneath it made none of their own
    assert impatient == [0.5, 1.0]


def test_retries_end(server, teacher, impatient):
    replies(server, fault(500, "it broke"))
    with pytest.raises(TeacherError, match="it broke") as failed:
        ask(teacher(retries=2))
    assert len(server.asked) == 3
    assert not failed.value.permanent


def test_no_retries_is_one_request(server, teacher):
    replies(server, fault(500))
    with pytest.raises(TeacherError):
        ask(teacher(retries=0))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (fault(401, "bad key"), "AuthenticationError"),
        (fault(404, "no such model"), "NotFoundError"),
        (fault(400, "context length exceeded"), "context length exceeded"),
        (fault(429, "You exceeded your quota: insufficient_quota"), "insufficient_quota"),
    ],
)
def test_what_will_not_pass_is_asked_once(server, teacher, reply, says):
    replies(server, reply)
    with pytest.raises(TeacherError, match=says):
        ask(teacher())
    assert len(server.asked) == 1


@pytest.mark.parametrize(("header", "waited"), [("3", 3.0), ("0.01", 0.5), ("-5", 0.5), ("1e9", 60.0), ("soon", 0.5)])
def test_retry_after_is_honoured_within_reason(server, teacher, impatient, header, waited):
    replies(server, fault(429, retry_after=header), well)
    ask(teacher())
    assert impatient == [waited]


@pytest.mark.parametrize("header", ["nan", "inf", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_an_odd_retry_after_is_no_harm(server, teacher, impatient, header):
    replies(server, fault(429, retry_after=header), well)
    ask(teacher())
    assert 0.5 <= impatient[0] <= 60


def test_a_server_that_says_nothing_is_given_up(server, teacher):
    import threading

    gate = threading.Event()

    def silent(body):
        gate.wait(20)
        return well(body)

    server.script = silent
    with pytest.raises(TeacherError, match="Timeout"):
        ask(teacher(timeout=0.3, retries=0))
    gate.set()


def test_nobody_listens(teacher):
    with pytest.raises(TeacherError, match=r"(?i)connect"):
        ask(teacher(api_base="http://127.0.0.1:9/v1", retries=0))


@pytest.mark.parametrize(
    "reply",
    [
        lambda body: without(body, "choices"),
        lambda body: Reply(200, {**well(body).body, "choices": []}),
        lambda body: Reply(200, {}),
        lambda body: Reply(200, {"error": {"message": "overloaded"}}),
        lambda body: without(body, "choices", 0, "message"),
        lambda body: Reply(200, {**well(body).body, "usage": {"prompt_tokens": -3, "completion_tokens": 2}}),
    ],
)
def test_an_answer_without_an_answer_is_a_failed_call_or_an_empty_text(server, teacher, reply):
    replies(server, reply)
    try:
        answer = ask(teacher(retries=0))
        assert isinstance(answer, Completion)
    except TeacherError as failed:
        assert str(failed)


@pytest.mark.parametrize("count", [-3, None, "many", 2.5])
def test_a_usage_that_means_nothing_loses_no_answer(server, teacher, count):
    usage = {"prompt_tokens": count, "completion_tokens": 2, "total_tokens": 2}
    replies(server, lambda body: Reply(200, {**well(body).body, "usage": usage}))
    try:
        answer = ask(teacher(retries=0))
    except TeacherError:
        return  # LiteLLM itself refuses some
    assert (answer.usage, answer.cost_usd) == (None, None)


def test_null_content_is_an_empty_text(server, teacher):
    def null(body):
        reply = well(body)
        reply.body["choices"][0]["message"]["content"] = None
        return reply

    replies(server, null)
    assert ask(teacher()).text == ""


def test_the_key_is_in_no_message(server, teacher):
    replies(server, fault(401, f"Incorrect API key provided: {CANARY}. header: Bearer {CANARY}"))
    with pytest.raises(TeacherError) as failed:
        ask(teacher())
    assert CANARY not in str(failed.value)
    assert "***" in str(failed.value)
    assert CANARY not in repr(teacher()) + json.dumps(teacher().identity())


def test_a_key_that_the_message_is_cut_in_is_hidden_too(server, teacher):
    for length in range(300, 480, 12):
        replies(server, fault(401, "x" * length + CANARY))
        with pytest.raises(TeacherError) as failed:
            ask(teacher())
        assert CANARY[:12] not in str(failed.value)


def desk(folder, one, budget=None):
    return Desk(Ledger(folder / "ledger.sqlite"), [one], "run", budget, Progress(quiet=True))


def test_missing_usage_is_charged_at_the_reservation(server, teacher, tmp_path):
    replies(server, lambda body: without(body, "usage"))
    one = teacher(input_usd_per_million=1.0, output_usd_per_million=2.0, max_tokens=100)
    desk(tmp_path, one).ask([QUESTION])
    [spent] = Ledger(tmp_path / "ledger.sqlite").spending("run")
    assert spent.cost_usd == pytest.approx(one.worst_case_usd(QUESTION))
    assert spent.cost_usd >= 100 * 2e-6


def test_the_worst_case_is_no_less_than_what_a_call_costs(server, teacher):
    one = teacher(input_usd_per_million=1.0, output_usd_per_million=2.0)
    assert ask(one).cost_usd <= one.worst_case_usd(QUESTION)


def test_a_price_of_zero_is_a_price(teacher):
    assert teacher(input_usd_per_million=0, output_usd_per_million=0).worst_case_usd(QUESTION) == 0


def test_a_failed_call_is_a_row_and_not_in_the_ledger(server, teacher, tmp_path):
    replies(server, fault(401, CANARY))
    [row] = desk(tmp_path, teacher()).ask([QUESTION])
    assert isinstance(row, Failed)
    assert CANARY.encode() not in b"".join(p.read_bytes() for p in tmp_path.iterdir())


def test_prices():
    known = LiteLLM(name="a", model="openai/gpt-4o-mini", max_tokens=1000)
    assert known.worst_case_usd(QUESTION) > 1000 * 1e-7
    assert LiteLLM(name="a", model="hosted_vllm/my-own").worst_case_usd(QUESTION) is None


def test_the_key_is_looked_for_before_the_first_call(monkeypatch):
    with pytest.raises(InputError, match="teacher 'ann': the environment variable MY_KEY is not set or empty"):
        LiteLLM(name="ann", model="openai/x", api_key_env="MY_KEY").preflight([])
    monkeypatch.setenv("MY_KEY", "")
    with pytest.raises(InputError, match="MY_KEY is not set or empty"):
        LiteLLM(name="ann", model="openai/x", api_key_env="MY_KEY").preflight([])
    with pytest.raises(
        InputError, match=r"teacher 'ann' \(openai/gpt-4o\): set the environment variable OPENAI_API_KEY"
    ):
        LiteLLM(name="ann", model="openai/gpt-4o").preflight([])
    LiteLLM(name="ann", model="hosted_vllm/x", api_base="http://127.0.0.1:1/v1").preflight([])


def test_what_determines_the_answer_is_the_key_and_nothing_else():
    base = LiteLLM(name="ann", model="openai/x")
    same = LiteLLM(name="ann", model="openai/x", concurrency=1, timeout=5, retries=0, api_key_env="OTHER")
    assert base.canonical_request(QUESTION) == same.canonical_request(QUESTION)
    for change in ({"temperature": 0}, {"model": "openai/y"}, {"seed": 1}, {"max_tokens": 9}, {"logprobs": True}):
        other = LiteLLM(**{"name": "ann", "model": "openai/x", **change})
        assert other.canonical_request(QUESTION) != base.canonical_request(QUESTION), change


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 9}, {"temperature": float("nan")}, {"retries": -1}, {"timeout": 0}, {"max_tokens": 0},
        {"api_base": "127.0.0.1:8000"}, {"input_usd_per_million": 1.0}, {"logprobs": 1.5}, {"top_p": 0},
        {"api_key": "x"},
    ],
)  # fmt: skip
def test_bad_options_are_refused(options):
    with pytest.raises(ValidationError):
        LiteLLM(**{"name": "ann", "model": "openai/x", **options})
