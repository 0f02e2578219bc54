"""The teacher with a real model: what it says, how it fails, and when it is loaded and let go."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
import urllib.error
import urllib.request
from importlib.metadata import version

import pytest
from conftest import answer, answers, request, teacher_with
from pydantic import ValidationError
from twt_core import plugins
from twt_core.components import TaskEvaluator
from twt_core.errors import InputError, TeacherError
from twt_core.records import Query
from twt_core.testing import check_teacher

from twt_xllamacpp import XLlamaCpp

LONG = "Tell me a very long story about a dragon."


def test_it_is_installed_under_its_name():
    assert plugins.resolve("teacher", {"use": "xllamacpp"}).cls is XLlamaCpp
    assert plugins.distribution_of(XLlamaCpp) == f"twt-xllamacpp {version('twt-xllamacpp')}"


def test_it_holds_to_the_contract(teacher):
    check_teacher(teacher.model_copy(update={"logprobs": True}), request=request())


def test_an_answer(servers):
    said = answer(teacher_with(max_tokens=200), "What is 2 + 2? Answer with one short sentence.")
    assert "4" in said.text
    assert (said.finish_reason, said.cost_usd, said.logprobs) == ("stop", 0, None)
    assert said.usage is not None
    assert said.usage.prompt_tokens > 10
    assert 3 < said.usage.completion_tokens < 200
    short = answer(teacher_with(max_tokens=3), LONG)
    assert (short.finish_reason, short.usage and short.usage.completion_tokens) == ("length", 3)


def test_log_probabilities_of_every_token(servers):
    said = answer(teacher_with(logprobs=True, max_tokens=40), "Repeat this: 日本 café 🍕")
    assert said.logprobs is not None
    assert "".join(token.token for token in said.logprobs) == said.text
    assert all(token.logprob <= 0 for token in said.logprobs)
    assert len(said.logprobs) > 5


def test_draws_have_seeds_of_their_own(servers):
    drawing = teacher_with(temperature=1, parallel=1, cache_prompt=False, max_tokens=16)
    first, other, again = answers(drawing, request(), request(sample=1), request())
    assert first.text == again.text != other.text
    elsewhere = answer(teacher_with(temperature=1, parallel=1, cache_prompt=False, max_tokens=16, seed=1))
    assert elsewhere.text != first.text


def test_one_token_to_choose_from_is_greedy(servers):
    greedy = answer(teacher_with()).text
    assert answer(teacher_with(temperature=2, top_k=1)).text == greedy
    assert answer(teacher_with(temperature=2, min_p=1)).text == greedy
    assert answer(teacher_with(temperature=2, top_p=1e-9)).text == greedy
    assert answer(teacher_with(temperature=2)).text != greedy


def test_an_answer_of_the_task_s_schema(servers):
    task, query = TaskEvaluator.model_validate({"use": "exact_match"}), Query(id="q1", query="Name a colour.")
    held = teacher_with(structured=True, max_tokens=60, temperature=1)
    assert held.answer_schema(task, query) == task.answer_schema(query)
    assert teacher_with().answer_schema(task, query) is None
    colour = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
    assert json.loads(answer(held, json_schema=colour).text)["colour"] in ("red", "blue")


def test_the_chat_template_is_told(servers):
    answer(teacher_with(chat_template_kwargs={"enable_thinking": False}, max_tokens=1))
    assert servers[0].bodies[0]["chat_template_kwargs"] == {"enable_thinking": False}


def test_answers_are_written_at_once(servers):
    servers.together = threading.Barrier(2)
    both = answers(teacher_with(parallel=2, max_tokens=24), request(LONG), request("Count to a hundred."))
    assert all(one.finish_reason == "length" for one in both)
    (server,) = servers
    changes = sum(one != other for one, other in zip(server.heard, server.heard[1:], strict=False))
    assert changes > 10  # one after the other: 1


def test_a_call_that_is_cancelled_stops_writing_and_one_that_waits_never_begins(servers):
    one_slot = teacher_with(parallel=1, max_tokens=400)
    begun = threading.Event()

    async def ask():
        first = asyncio.create_task(one_slot.complete(request(LONG)))
        while not servers:
            await asyncio.sleep(0.01)
        servers[0].on_part = lambda call, part: servers[0].words(call) > 5 and begun.set()
        second = asyncio.create_task(one_slot.complete(request(LONG)))
        await asyncio.to_thread(begun.wait, 60)
        second.cancel()
        first.cancel()
        ended = await asyncio.gather(first, second, return_exceptions=True)
        last = await one_slot.complete(request())
        await one_slot.close()
        return ended, last

    ended, last = asyncio.run(ask())
    assert all(isinstance(one, asyncio.CancelledError) for one in ended)
    assert last.text
    assert len(servers[0].bodies) == 2
    assert servers[0].words(0) < 200


def status(address, path):
    try:
        return urllib.request.urlopen(address + path, timeout=30).status
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError:
        return None


def test_close_frees_the_model_and_the_next_call_loads_it_again(servers, teacher):
    answers(teacher, request())
    address = servers[0].address
    assert answer(teacher).text
    assert len(servers) == 1
    assert status(address, "/health") == 200
    assert status(address, "/v1/models") == status(address, "/metrics") == 401  # it listens, and to nobody
    servers.clear()
    asyncio.run(teacher.close())
    assert status(address, "/health") is None
    assert answer(teacher).text
    assert len(servers) == 1
    asyncio.run(teacher.close())  # of a model that is not loaded: nothing


def test_teachers_of_one_model_share_it(servers):
    cold, warm, other = teacher_with(), teacher_with(name="warm", temperature=1), teacher_with(context_size=256)
    answers(cold, request())
    answers(warm, request())
    assert len(servers) == 1
    answers(other, request())
    assert len(servers) == 2


def test_a_teacher_s_close_does_not_end_another_s_call(servers):
    cold, warm = teacher_with(), teacher_with(name="warm", max_tokens=60)

    async def ask():
        writing = asyncio.create_task(warm.complete(request(LONG)))
        await cold.complete(request())
        await cold.close()
        said = await writing
        await warm.close()
        return said

    assert asyncio.run(ask()).usage.completion_tokens == 60
    assert len(servers) == 1


def test_what_llama_cpp_refuses_is_not_tried_again(servers):
    for asked, says in (
        (request("word " * 600), r"exceeds the available context size .*\(context_size\)"),
        (request(json_schema={"type": "nonsense"}), "does not take the request: .*unrecognized type nonsense"),
    ):
        with pytest.raises(TeacherError, match=says) as raised:
            answers(teacher_with(), asked)
        assert raised.value.retry == "never"


def test_a_file_that_is_no_model_is_found_before_the_first_call(tmp_path, gguf):
    (tmp_path / "text.gguf").write_text("a text", encoding="utf-8")
    for model, says in (
        (tmp_path / "text.gguf", "is no GGUF file"),
        (tmp_path, "give a GGUF file"),
        (tmp_path / "none.gguf", "no model at"),
        ("owner/name", "give a GGUF file"),
    ):
        with pytest.raises(InputError, match=f"teacher 'smol': model: .*{says}"):
            teacher_with(model=str(model)).preflight([])
    teacher_with(model=str(gguf)).preflight([])


def test_a_model_that_cannot_be_loaded_ends_the_run(tmp_path, gguf, servers):
    with gguf.open("rb") as file:
        (tmp_path / "half.gguf").write_bytes(file.read(2**20))
    half = teacher_with(model=str(tmp_path / "half.gguf"))
    half.preflight([])
    with pytest.raises(InputError, match=r"teacher 'smol': llama\.cpp cannot load .*half\.gguf"):
        answers(half, request())


def test_options(teacher):
    for wrong in ({"samples": 2}, {"parallel": 0}, {"top_k": -1}, {"min_p": 2}, {"api_key": "x"}):
        with pytest.raises(ValidationError):
            teacher_with(**wrong)
    same = teacher_with(parallel=1, threads=2, gpu_layers=0)
    assert same.canonical_request(request()) == teacher.canonical_request(request())
    assert pickle.loads(pickle.dumps(teacher)) == teacher
    assert teacher_with(context_size=256).identity() != teacher.identity()
    assert "package:" not in str(teacher.identity()["model"])
