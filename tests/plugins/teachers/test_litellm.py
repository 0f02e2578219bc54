"""The litellm teacher against a scripted server: what it sends, what it reads, what it costs; and its batches."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import threading

import pytest
import samples
from pydantic import ValidationError
from scripted_faults import FAULTS
from scripted_server import Reply, fault, well

from twt_core import contract
from twt_core.asking import Desk
from twt_core.components import TaskEvaluator
from twt_core.errors import InputError, TeacherError
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.records import Completion, Failed
from twt_plugins.teachers.litellm import LiteLLM

CANARY = "sk-canary-4f9a1c7e2b6d8035"
QUESTION = samples.request(text="What is 3 plus 4?")
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}
PRICES = {"input_usd_per_million": 1.0, "output_usd_per_million": 2.0}


@pytest.fixture
def teacher(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", CANARY)

    def build(**options):
        return LiteLLM(
            **{"name": "ann", "model": "openai/small", "api_base": server.url, "api_key_env": "MY_KEY", **options}
        )

    return build


def ask(teacher, request=QUESTION):
    return asyncio.run(contract.complete(teacher, request))


def without(body, *path):
    reply = well(body)
    inside = reply.body
    for key in path[:-1]:
        inside = inside[key]
    del inside[path[-1]]
    return reply


def test_text_logprobs_and_usage_come_back(server, teacher):
    tokens = [{"token": "7", "logprob": -0.25, "bytes": None, "top_logprobs": []}]
    server.script = lambda body: well(body, "The answer is: 7", logprobs={"content": tokens, "refusal": None})
    answer = ask(teacher(logprobs=True, **PRICES))
    assert answer.text == "The answer is: 7"
    assert [tuple(token) for token in answer.logprobs] == [("7", -0.25)]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (20, 10)
    assert answer.cost_usd == pytest.approx(20e-6 + 2 * 10e-6)
    assert answer.finish_reason == "stop"


def test_it_asks_what_the_options_say(server, teacher):
    ask(teacher(temperature=0.25, top_p=0.5, max_tokens=77, seed=5, logprobs=True))
    [body] = server.asked
    assert (body["model"], body["temperature"], body["top_p"], body["max_tokens"]) == ("small", 0.25, 0.5, 77)
    assert (body["seed"], body["logprobs"]) == (5, True)
    assert body["messages"] == [{"role": "user", "content": "What is 3 plus 4?"}]
    assert server.keys == [f"Bearer {CANARY}"]


def test_a_further_sample_has_a_seed_of_its_own(server, teacher):
    for sample in (0, 2):
        ask(teacher(seed=5, samples=3), QUESTION.model_copy(update={"sample": sample}))
    assert [body["seed"] for body in server.asked] == [5, 7]


def test_a_schema_is_sent_as_the_form_of_the_response(server, teacher):
    ask(teacher(structured=True), QUESTION.model_copy(update={"json_schema": SCHEMA}))
    assert server.asked[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
    }


def test_structured_is_asked_for(teacher):
    task = TaskEvaluator.model_validate({"use": "exact_match"})
    assert teacher(structured=True).answer_schema(task, samples.QUERY) == task.answer_schema(samples.QUERY)
    assert teacher().answer_schema(task, samples.QUERY) is None


def test_temperature_zero_is_sent(server, teacher):
    ask(teacher(temperature=0))
    assert server.asked[0]["temperature"] == 0


def test_a_server_of_ones_own_needs_no_key(server, teacher, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-this-server")
    assert ask(teacher(api_key_env=None)).text.endswith("0.97")
    assert server.keys == ["Bearer not-needed"]


def test_it_can_be_asked_again_in_another_loop(server, teacher):
    one = teacher()
    assert ask(one) == ask(one) == ask(one)


def test_how_it_is_to_be_asked(teacher):
    pace = teacher(retries=2, timeout=7, deadline=50, requests_per_minute=60, tokens_per_minute=9000).pace()
    assert pace == (2, 7, 50, 60, 9000)
    assert teacher().pace() == (4, 300, 900, None, None)


@pytest.mark.parametrize("count", [-3, None, "many", 2.5, 10**9])
def test_a_usage_that_means_nothing_loses_no_answer(server, teacher, count):
    usage = {"prompt_tokens": count, "completion_tokens": 2, "total_tokens": 2}
    server.script = lambda body: Reply(200, {**well(body).body, "usage": usage})
    try:
        answer = ask(teacher(**PRICES))
    except TeacherError as failed:
        assert failed.maybe_billed  # LiteLLM itself refuses some
        return
    assert (answer.usage, answer.cost_usd) == (None, None)


def test_what_litellm_refuses_by_itself_was_not_billed(teacher):
    with pytest.raises(TeacherError, match="does not support") as failed:
        ask(teacher(model="openai/gpt-5-mini", logprobs=True, temperature=1))
    assert (failed.value.retry, failed.value.maybe_billed) == ("never", False)


def test_the_key_is_in_nothing_that_is_kept(teacher):
    assert CANARY not in repr(teacher()) + json.dumps(teacher().identity())


def desk(folder, one, budget=None):
    return Desk(Ledger(folder / "ledger.sqlite"), [one], "run", budget, Progress(quiet=True))


def test_missing_usage_is_charged_at_the_reservation(server, teacher, tmp_path):
    server.script = lambda body: without(body, "usage")
    one = teacher(max_tokens=100, **PRICES)
    desk(tmp_path, one).ask([QUESTION])
    [spent] = Ledger(tmp_path / "ledger.sqlite").spending("run")
    assert spent.cost_usd == pytest.approx(one.worst_case_usd(QUESTION))
    assert spent.cost_usd >= 100 * 2e-6


def test_the_worst_case_is_no_less_than_what_a_call_costs(server, teacher):
    one = teacher(**PRICES)
    assert ask(one).cost_usd <= one.worst_case_usd(QUESTION)


def test_a_price_of_zero_is_a_price(teacher):
    assert teacher(input_usd_per_million=0, output_usd_per_million=0).worst_case_usd(QUESTION) == 0


def test_a_failed_call_is_a_row_and_not_in_the_ledger(server, teacher, tmp_path):
    server.script = lambda body: fault(401, CANARY)
    [row] = desk(tmp_path, teacher()).ask([QUESTION])
    assert isinstance(row, Failed)
    assert CANARY.encode() not in b"".join(p.read_bytes() for p in tmp_path.iterdir())


def test_prices():
    known = LiteLLM(name="a", model="openai/gpt-4o-mini", max_tokens=1000)
    assert known.worst_case_usd(QUESTION) > 1000 * 1e-7
    assert LiteLLM(name="a", model="hosted_vllm/my-own").worst_case_usd(QUESTION) is None
    halved = LiteLLM(name="a", model="openai/gpt-4o-mini", max_tokens=1000, batch=True)
    assert halved.worst_case_usd(QUESTION) == pytest.approx(known.worst_case_usd(QUESTION) / 2)


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


def test_a_provider_without_batches_is_refused_before_the_first_call(monkeypatch):
    monkeypatch.setenv("MY_KEY", CANARY)
    with pytest.raises(InputError, match=r"not with groq: set batch: false"):
        LiteLLM(name="ann", model="groq/x", api_key_env="MY_KEY", batch=True).preflight([])
    with pytest.raises(InputError, match=r"write e.g. openai/small"):
        LiteLLM(name="ann", model="small", api_key_env="MY_KEY", batch=True).preflight([])
    LiteLLM(name="ann", model="openai/x", api_key_env="MY_KEY", batch=True).preflight([])


def test_what_determines_the_answer_is_the_key_and_nothing_else():
    base = LiteLLM(name="ann", model="openai/x")
    same = LiteLLM(
        name="ann", model="openai/x", concurrency=1, timeout=5, retries=0, api_key_env="OTHER", deadline=9, batch=True,
        requests_per_minute=3, tokens_per_minute=3, batch_discount=0.3, batch_wait_seconds=1, batch_poll_seconds=1,
        **PRICES,
    )  # fmt: skip
    assert base.canonical_request(QUESTION) == same.canonical_request(QUESTION)
    for change in (
        {"temperature": 0}, {"model": "openai/y"}, {"seed": 1}, {"max_tokens": 9}, {"logprobs": True},
        {"structured": True},
    ):  # fmt: skip
        other = LiteLLM(**{"name": "ann", "model": "openai/x", **change})
        assert other.canonical_request(QUESTION) != base.canonical_request(QUESTION), change


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 9}, {"temperature": float("nan")}, {"retries": -1}, {"timeout": 0}, {"max_tokens": 0},
        {"api_base": "127.0.0.1:8000"}, {"input_usd_per_million": 1.0}, {"logprobs": 1.5}, {"top_p": 0},
        {"api_key": "x"}, {"deadline": 0}, {"requests_per_minute": 0}, {"samples": 2, "temperature": 0},
        {"batch_discount": 1.5},
    ],
)  # fmt: skip
def test_bad_options_are_refused(options):
    with pytest.raises(ValidationError):
        LiteLLM(**{"name": "ann", "model": "openai/x", **options})


def test_the_module_is_light_until_it_is_used():
    code = "import sys, twt_plugins.teachers.litellm; print({'litellm', 'aiohttp', 'httpx'} & set(sys.modules))"
    path = [entry for entry in sys.path if entry]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "set()\n"


# Batches


def three():
    return {f"key-{n}": samples.request(f"q{n}", text=f"What is {n} plus 4?") for n in range(3)}


def run(work):
    async def closing():
        try:
            return await work
        finally:
            await LiteLLM(name="ann", model="openai/x", batch=True).close()

    return asyncio.run(closing())


def failing_in_a_batch(name, number):
    return lambda body: (
        FAULTS[name](body) if f"What is {number} plus" in body["messages"][-1]["content"] else well(body)
    )


@pytest.fixture
def service(teacher):
    return teacher(batch=True, **PRICES).batch_service()


def test_without_the_option_there_are_no_batches(teacher):
    assert teacher().batch_service() is None


def test_a_batch_is_answered_when_it_is_done(server, service):
    batch = run(service.submit(three(), "tag-1"))
    for status in ("validating", "in_progress", "finalizing"):
        server.batches.advance(batch, status)
        assert run(service.collect(batch)) is None
    server.batches.advance(batch, "completed")
    results = run(service.collect(batch))
    assert list(results) == list(three())
    assert [f"The answer is: {n + 4}" in results[f"key-{n}"].text for n in range(3)] == [True] * 3
    assert [result.cost_usd for result in results.values()] == [pytest.approx((20e-6 + 2 * 10e-6) / 2)] * 3
    assert (server.asked, set(server.batches.keys)) == ([], {f"Bearer {CANARY}"})


@pytest.mark.parametrize("options", [{}, {"seed": 3, "logprobs": True, "structured": True, "temperature": 0.1}])
def test_a_batch_asks_exactly_what_a_call_asks(server, teacher, options):
    one = teacher(batch=True, **options)
    request = QUESTION.model_copy(update={"sample": 0, "json_schema": SCHEMA if options else None})
    ask(one, request)
    batch = run(one.batch_service().submit({"key": request}, "tag"))
    [line] = server.batches.requests(batch)
    assert line == {"custom_id": "key", "method": "POST", "url": "/v1/chat/completions", "body": server.asked[0]}


def test_a_reasoning_model_gets_the_option_that_it_knows(server, teacher):
    one = teacher(model="openai/gpt-5-mini", batch=True, temperature=1, max_tokens=50)
    ask(one)
    batch = run(one.batch_service().submit({"key": QUESTION}, "tag"))
    assert server.batches.requests(batch)[0]["body"] == server.asked[0]
    assert server.asked[0]["max_completion_tokens"] == 50


def test_a_batch_is_found_by_its_tag(server, service):
    handed_in = [run(service.submit({"key": QUESTION}, f"tag-{n}")) for n in range(3)]
    assert [run(service.find(f"tag-{n}")) for n in range(3)] == handed_in
    assert run(service.find("tag-9")) is None


def test_a_tag_is_looked_for_on_every_page(server, service, monkeypatch):
    from twt_plugins.teachers import openai_batches

    monkeypatch.setattr(openai_batches, "_PAGE", 2)
    handed_in = [run(service.submit({"key": QUESTION}, f"tag-{n}")) for n in range(5)]
    assert run(service.find("tag-0")) == handed_in[0]
    assert run(service.find("tag-9")) is None


@pytest.mark.parametrize(
    ("name", "permanent"), [("400_context", True), ("500", False), ("429_quota", False), ("no_choices", False)]
)
def test_a_request_that_failed_in_a_batch_has_its_cause(server, service, name, permanent):
    server.script = failing_in_a_batch(name, 1)
    batch = run(service.submit(three(), "tag"))
    server.batches.advance(batch, "completed")
    results = run(service.collect(batch))
    assert [type(result) for result in results.values()] == [Completion, Failed, Completion]
    assert results["key-1"].permanent is permanent
    assert results["key-1"].cause


@pytest.mark.parametrize("name", ["usage_missing", "usage_negative", "usage_1e12", "usage_nan", "lone_surrogate"])
def test_an_odd_line_of_a_batch_loses_no_answer(server, service, name):
    server.script = failing_in_a_batch(name, 1)
    batch = run(service.submit(three(), "tag"))
    server.batches.advance(batch, "completed")
    results = run(service.collect(batch))
    assert isinstance(results["key-0"], Completion)
    assert results["key-1"].text
    assert (results["key-1"].cost_usd is None) == name.startswith("usage")


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_a_batch_that_ended_early_keeps_what_was_answered(server, service, status):
    batch = run(service.submit(three(), "tag"))
    server.batches.advance(batch, status, unanswered=["key-0"])
    results = run(service.collect(batch))
    assert results["key-0"] == Failed(cause=f"the batch is {status} and has no answer to this request")
    assert all(isinstance(results[key], Completion) for key in ("key-1", "key-2"))


def test_a_batch_that_was_refused_says_why(server, service):
    batch = run(service.submit(three(), "tag"))
    server.batches.advance(batch, "failed", error="line 3 is no request")
    results = run(service.collect(batch))
    assert list(results) == list(three())
    assert all("line 3 is no request" in result.cause and not result.permanent for result in results.values())


def test_a_batch_nobody_knows_is_an_error(service):
    with pytest.raises(TeacherError, match="no such batch"):
        run(service.collect("batch-77"))


@pytest.mark.parametrize("call", ["submit", "find", "collect"])
def test_each_call_is_one_request(server, service, call):
    server.batches.fault = (500, f"it broke, and your key is {CANARY}")
    arguments = {"submit": (three(), "tag"), "find": ("tag",), "collect": ("batch-0",)}
    with pytest.raises(TeacherError, match="it broke") as failed:
        run(getattr(service, call)(*arguments[call]))
    assert len(server.batches.keys) == 1
    assert (failed.value.retry, failed.value.maybe_billed) == ("now", False)
    assert CANARY not in str(failed.value)


def test_a_server_that_is_away_takes_no_batch(server, service):
    server.stop()
    with pytest.raises(TeacherError) as failed:
        run(service.submit(three(), "tag"))
    assert (failed.value.retry, failed.value.maybe_billed) == ("now", False)
    assert CANARY not in str(failed.value)


def test_the_engine_goes_through_a_batch_and_charges_half(server, teacher, tmp_path, caplog):
    one = teacher(batch=True, batch_wait_seconds=20, batch_poll_seconds=0.05, **PRICES)

    async def done_at_once():
        while not server.batches.rows:
            await asyncio.sleep(0.02)
        server.batches.advance("batch-0", "completed")

    threading.Thread(target=asyncio.run, args=(done_at_once(),), daemon=True).start()
    requests = list(three().values())
    results = desk(tmp_path, one, budget=1.0).ask(requests)
    assert all(isinstance(result, Completion) for result in results)
    [spent] = Ledger(tmp_path / "ledger.sqlite").spending("run")
    assert spent.cost_usd == pytest.approx(3 * (20e-6 + 2 * 10e-6) / 2)
    assert server.asked == []

    async def in_a_later_loop():
        gc.collect()
        await asyncio.sleep(0.05)

    asyncio.run(in_a_later_loop())
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
