"""The in-process teacher on a tiny random model: texts, log-probs, batches, loops, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from random import Random

import project
import pytest
import samples
from pydantic import ValidationError

from twt_core import contract
from twt_core.components import Teacher
from twt_core.errors import InputError, TeacherError
from twt_core.prompts import Message
from twt_core.records import Completion
from twt_plugins.teachers import batching
from twt_plugins.teachers.batching import Batches
from twt_plugins.teachers.local_model import LocalModel, Question, pieces_of
from twt_plugins.teachers.token_picker import TokenPicker
from twt_plugins.teachers.transformers import Transformers

QUESTIONS = [f"What is {n} plus {n + 1}?" + " Say it again." * (n % 4) for n in range(6)]


@pytest.fixture
def teacher(model):
    def build(**options):
        return Transformers(**{"name": "loc", "model": str(model), "max_tokens": 12, "precision": "fp32", **options})

    return build


def requests(texts=QUESTIONS, sample=0):
    return [
        samples.request(f"q{n}", "loc", text=text).model_copy(update={"sample": sample}) for n, text in enumerate(texts)
    ]


def ask(teacher, asked):
    async def all_at_once():
        return await asyncio.gather(*(contract.complete(teacher, request) for request in asked), return_exceptions=True)

    return asyncio.run(all_at_once())


@pytest.fixture
def batches(monkeypatch):
    """The sizes of the batches that were answered."""
    sizes = []
    answer = LocalModel.answer

    def noted(self, questions, stopped):
        sizes.append(len(questions))
        return answer(self, questions, stopped)

    monkeypatch.setattr(LocalModel, "answer", noted)
    return sizes


def test_greedy_texts_are_the_same_alone_and_in_any_batch(teacher, batches):
    together = [answer.text for answer in ask(teacher(temperature=0), requests())]
    assert all(together)
    assert [ask(teacher(temperature=0), [request])[0].text for request in requests()[:3]] == together[:3]
    assert [answer.text for answer in ask(teacher(temperature=0, batch_size=4), requests()[::-1])] == together[::-1]
    assert batches == [6] + [1] * 3 + [4, 2]


def test_sampled_texts_hang_on_seed_sample_and_question_and_on_no_neighbour(teacher):
    sampling = teacher(temperature=1.5, top_p=0.9)
    texts = [answer.text for answer in ask(sampling, requests())]
    assert [ask(sampling, [request])[0].text for request in requests()[:3]] == texts[:3]
    again = [answer.text for answer in ask(sampling, requests([QUESTIONS[0]] * 3))]
    assert again == texts[:1] * 3
    others = [ask(teacher(temperature=1.5, top_p=0.9, seed=1), requests()), ask(sampling, requests(sample=1))]
    assert all(other.text != text for answers in others for other, text in zip(answers, texts, strict=True))


def test_log_probs_are_the_models_own(teacher, model):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from twt_core.student.encoding import encode_prompt

    tokenizer, network = AutoTokenizer.from_pretrained(model), AutoModelForCausalLM.from_pretrained(model).float()
    ids = [encode_prompt(tokenizer, request.messages) for request in requests()]
    for answer, prompt in zip(ask(teacher(temperature=0, logprobs=True), requests()), ids, strict=True):
        output = network.generate(
            torch.tensor([prompt]), max_new_tokens=12, do_sample=False, output_logits=True, return_dict_in_generate=True
        )
        expected = network.compute_transition_scores(output.sequences, output.logits, normalize_logits=True)[0]
        assert [t.logprob for t in answer.logprobs] == pytest.approx(
            expected[: len(answer.logprobs)].tolist(), abs=1e-4
        )
        assert tokenizer.decode(output.sequences[0, len(prompt) :], skip_special_tokens=True) == answer.text
        assert answer.usage.prompt_tokens == len(prompt)


def test_tokens_join_to_the_text_and_are_counted(teacher):
    for temperature in (0, 1.5):
        for answer in ask(teacher(temperature=temperature, logprobs=True), requests()):
            assert "".join(token.token for token in answer.logprobs) == answer.text
            assert all(math.isfinite(token.logprob) and token.logprob <= 0 for token in answer.logprobs)
            ended = answer.finish_reason == "stop"
            assert answer.usage.completion_tokens == len(answer.logprobs) + ended
            assert ended or len(answer.logprobs) == 12
            assert answer.cost_usd == 0.0
    assert ask(teacher(), requests())[0].logprobs is None


def test_a_text_ends_at_its_end_token_while_its_neighbours_go_on(teacher, monkeypatch):
    loaded = LocalModel.load

    def ending_early(*given):
        found = loaded(*given)
        ends = frozenset(range(0, found.model.config.vocab_size, 4))  # every fourth token ends a text
        return LocalModel(found.model, found.tokenizer, ends, found.decoding)

    monkeypatch.setattr(LocalModel, "load", ending_early)
    answers = ask(teacher(temperature=1.5, logprobs=True), requests())
    assert {answer.finish_reason for answer in answers} == {"stop"}
    assert len({answer.usage.completion_tokens for answer in answers}) > 1
    assert all(answer.usage.completion_tokens == len(answer.logprobs) + 1 for answer in answers)


def test_a_prompt_too_long_fails_alone_and_for_good_with_the_numbers(teacher):
    answers = ask(teacher(), requests([QUESTIONS[0], "no " * 600, QUESTIONS[1]]))
    assert [isinstance(answer, Completion) for answer in answers] == [True, False, True]
    assert answers[1].retry == "never"
    assert "and max_tokens, 12, are more than the model's context of 512 tokens" in str(answers[1])
    [refused] = ask(teacher(max_tokens=510), requests(QUESTIONS[:1]))
    assert "set max_tokens to 4" in str(refused)


def test_out_of_memory_halves_the_batch(teacher, monkeypatch):
    import torch

    whole = LocalModel._batch
    tried = []

    def small_memory(self, rows, stopped):
        tried.append(len(rows))
        if len(rows) > 2 or len(rows[0].ids) > 100:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return whole(self, rows, stopped)

    expected = [answer.text for answer in ask(teacher(), requests())]
    monkeypatch.setattr(LocalModel, "_batch", small_memory)
    assert [answer.text for answer in ask(teacher(), requests())] == expected
    assert tried == [6, 3, 1, 2, 3, 1, 2]
    [failed] = ask(teacher(), requests(["no " * 150]))
    assert isinstance(failed, TeacherError)
    assert failed.retry == "later"
    assert "out of memory on a prompt of" in str(failed)


def test_a_template_that_refuses_the_messages_fails_the_request(teacher, monkeypatch):
    loaded = LocalModel.load

    def without_system(*given):
        found = loaded(*given)
        found.tokenizer.chat_template = "{{ raise_exception('System role not supported') }}"
        return found

    monkeypatch.setattr(LocalModel, "load", without_system)
    [failed] = ask(teacher(), requests(QUESTIONS[:1]))
    assert isinstance(failed, TeacherError)
    assert (failed.retry, "System role not supported" in str(failed)) == ("never", True)


def test_what_is_asked_together_is_one_batch_and_loops_follow_each_other(teacher, batches, monkeypatch):
    loads = []
    load = LocalModel.load
    monkeypatch.setattr(LocalModel, "load", lambda *given: loads.append(1) or load(*given))
    same = teacher(batch_size=3)
    first, second = ask(same, requests()), ask(same, requests())
    assert first == second
    assert batches == [3, 3, 3, 3]
    assert len(loads) == 2, "loaded once a loop"
    assert same._batches._lines == {}


def test_more_than_the_concurrency_is_not_waited_for(teacher):
    assert teacher(batch_size=64, concurrency=2)._batches._size == 2


class Slow:
    """Answers when it is told to, and notes what it was asked."""

    def __init__(self, at_once=False):
        self.asked, self.go, self.ended = [], threading.Event(), threading.Event()
        if at_once:
            self.go.set()

    def answer(self, questions, stopped):
        self.asked.append([question.seed for question in questions])
        while not (self.go.is_set() or stopped.is_set()):
            stopped.wait(0.01)
        self.ended.set()
        return [Completion(text=question.seed) for question in questions]


def question(name):
    return Question((Message("user", "?"),), name)


def test_a_request_that_nobody_waits_for_any_more_is_not_answered():
    slow = Slow()
    gathering = Batches(lambda: slow, 4, lambda: None)

    async def main():
        first = asyncio.create_task(gathering.ask(question("first")))
        while not slow.asked:
            await asyncio.sleep(0.01)
        second, third = (asyncio.create_task(gathering.ask(question(name))) for name in ("second", "third"))
        await asyncio.sleep(0.01)
        second.cancel()
        slow.go.set()
        return await first, await third

    assert [answer.text for answer in asyncio.run(main())] == ["first", "third"]
    assert slow.asked == [["first"], ["third"]]


def test_an_interrupted_loop_stops_the_batch_under_way_and_lets_the_model_go():
    slow, released = Slow(), []
    gathering = Batches(lambda: slow, 4, lambda: released.append(1))

    async def main():
        task = asyncio.create_task(gathering.ask(question("first")))
        while not slow.asked:
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(main())
    assert slow.ended.is_set()
    assert released == [1]
    assert gathering._lines == {}


def test_closing_lets_the_model_go_and_asking_again_loads_it():
    released, loads = [], []
    gathering = Batches(lambda: loads.append(1) or Slow(at_once=True), 4, lambda: released.append(1))

    async def main():
        await gathering.close()
        for times in (1, 2):
            await gathering.ask(question("first"))
            await gathering.close()
            assert (len(loads), len(released), gathering._lines) == (times, times, {})

    asyncio.run(main())


def test_late_comers_of_a_burst_are_waited_for(monkeypatch):
    monkeypatch.setattr(batching, "LULL", 0.2)
    slow = Slow(at_once=True)
    gathering = Batches(lambda: slow, 3, lambda: None)

    async def later(delay, name):
        await asyncio.sleep(delay)
        return await gathering.ask(question(name))

    async def main():
        await asyncio.gather(later(0, "a"), later(0.05, "b"), later(0.1, "c"))

    asyncio.run(main())
    assert slow.asked == [["a", "b", "c"]]


def test_a_real_model_stops_at_the_next_token(teacher):
    local = teacher(max_tokens=400)._load()
    stopped = threading.Event()
    stopped.set()
    [answer] = local.answer([question("first")], stopped)
    assert answer.usage.completion_tokens == 1


def test_draws_follow_the_distribution_within_top_p():
    import torch

    chances = torch.tensor([0.5, 0.3, 0.15, 0.05])
    rows = 4000
    for temperature, top_p, expected in (
        (1.0, 1.0, [0.5, 0.3, 0.15, 0.05]),
        (1.0, 0.75, [0.625, 0.375, 0, 0]),
        (0.5, 1.0, [0.685, 0.247, 0.062, 0.007]),
        (1.0, 1e-6, [1, 0, 0, 0]),
    ):
        picker = TokenPicker([Random(n) for n in range(rows)], temperature, top_p)
        chosen = picker(torch.zeros(rows, 1), chances.log().expand(rows, 4)).argmax(-1)
        shares = torch.bincount(chosen, minlength=4) / rows
        assert shares.tolist() == pytest.approx(expected, abs=0.03)
        logprobs = torch.tensor(picker.logprobs()).squeeze(-1)
        assert torch.allclose(logprobs, chances.log()[chosen], atol=1e-5)


@pytest.mark.parametrize("text", ["naïve café 🙂🙂 done", "  two  spaces\n\nand lines", "日本語", ""])
def test_pieces_join_to_the_text(model, text):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert "".join(pieces_of(tokenizer, ids)) == text
    for cut in range(len(ids)):  # in the middle of a character, too
        pieces = pieces_of(tokenizer, ids[:cut])
        assert len(pieces) == cut
        assert "".join(pieces) == tokenizer.decode(ids[:cut])


def test_the_model_counts_by_its_files_and_how_it_is_run_does_not(teacher, model, tmp_path):
    import shutil

    moved = shutil.copytree(model, tmp_path / "moved")
    one = teacher().canonical_request(requests()[0])
    assert teacher(model=str(moved), batch_size=2, concurrency=3).canonical_request(requests()[0]) == one
    for change in ({"temperature": 0.1}, {"seed": 3}, {"logprobs": True}, {"max_tokens": 13}):
        assert teacher(**change).canonical_request(requests()[0]) != one
    (moved / "config.json").write_text(json.dumps({**json.loads((moved / "config.json").read_text()), "x": 1}))
    assert teacher(model=str(moved)).canonical_request(requests()[0]) != one


def test_a_config_names_the_model_beside_itself(model):
    given = {"use": "transformers", "name": "loc", "model": model.name}
    made = Teacher.model_validate(given, context={"folder": model.parent})
    assert made.model == str(model.resolve())


def test_what_is_no_model_is_refused_before_any_call(teacher, tmp_path, model):
    (tmp_path / "empty").mkdir()
    (tmp_path / "weights.bin").write_bytes(b"x")
    teacher().preflight([])
    for name, says in (
        ("./no-such", r"teacher 'loc': no model at \./no-such"),
        (str(tmp_path / "empty"), "teacher 'loc': model: .* holds no config.json"),
        (str(tmp_path / "weights.bin"), "is a file and no GGUF"),
        ("package:no_such_package/x.gguf", "no installed package 'no_such_package'"),
        ("nobody/no-such-model", r"teacher 'loc': model: 'nobody/no-such-model' is no local path, and not"),
    ):
        with pytest.raises(InputError, match=says):
            teacher(model=name).preflight([])
    (tmp_path / "empty" / "config.json").write_text("{}")
    [failed] = ask(teacher(model=str(tmp_path / "empty")), requests(QUESTIONS[:1]))
    assert isinstance(failed, InputError)
    assert "teacher 'loc': model: cannot load a tokenizer" in str(failed)


def test_a_gguf_is_made_ready_in_the_cache(teacher, tmp_path, model, monkeypatch):
    made = []
    monkeypatch.setattr("twt_core.student.loading.ready_base", lambda *given: made.append(given) or model)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    (tmp_path / "small.gguf").write_bytes(b"weights")
    for cache in (None, tmp_path / "own"):
        local = teacher(model=str(tmp_path / "small.gguf"), cache=cache)
        local.preflight([])
        assert isinstance(ask(local, requests(QUESTIONS[:1]))[0], Completion)
    assert [folder for _, folder in made] == [tmp_path / "user" / "twt" / "models", tmp_path / "own"]


def test_samples_want_a_temperature(teacher):
    with pytest.raises(ValidationError, match="all 3 samples are the same: raise temperature"):
        teacher(samples=3, temperature=0)


def test_a_run_with_it_gives_rows_for_all(model, tmp_path):
    from twt_core import session
    from twt_core.progress import Progress

    line = "{{use: transformers, name: ann, model: {model}, max_tokens: 8, temperature: 0}}"
    config = project.CONFIG.replace("{{use: replay, name: ann, path: recordings.jsonl}}", line)
    path = project.make(tmp_path, model, config)
    assert "use: transformers" in path.read_text(encoding="utf-8")
    session.run(path, ("stage_scheduler.use=standard_kd",), tmp_path / "runs", None, Progress(quiet=True))
    rows = [row for row in project.rows_of(tmp_path / "runs" / "tiny", "annotations") if row["teacher"] == "ann"]
    assert len(rows) == 12
    assert all(row["text"] or row["failure"] for row in rows)
