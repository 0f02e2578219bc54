"""The kit on teachers and stage schedulers: what is sound passes, and each fault is found and named."""

from __future__ import annotations

import itertools
import os

import pytest
from pydantic import Field

from twt_core.components import Pace, StageScheduler, Teacher
from twt_core.errors import InputError, TeacherError
from twt_core.records import Completion, Stage, TokenLogprob, Usage
from twt_core.testing import Nonconformity, check_component, check_stage_scheduler, check_teacher
from twt_core.testing.checks import try_all
from twt_core.testing.kinds import checks_of
from twt_core.testing.teacher import CANARY, sample_request

COUNT = itertools.count()
QUESTION = sample_request(Teacher.model_validate({"use": "openai_compatible", "name": "kit", "model": "none",
                                                  "base_url": "http://127.0.0.1:9/v1"}))  # fmt: skip


class Parrot(Teacher):
    """Says the question back, at a price."""

    not_identity = Teacher.not_identity | {"retries"}

    retries: int = Field(default=2, ge=0, description="Further tries of a call whose failure may pass.")
    usd: float = Field(default=0.001, ge=0, description="Price of a call.")
    api_key_env: str = Field(default="PARROT_KEY", description="Environment variable that holds the key.")

    async def complete(self, request):
        said = request.messages[-1].content
        tokens = tuple(TokenLogprob(piece, -0.1) for piece in (said[:4], said[4:]))
        return Completion(text=said, logprobs=tokens, usage=Usage(prompt_tokens=1, completion_tokens=1),
                          cost_usd=self.usd)  # fmt: skip

    def pace(self):
        return Pace(retries=self.retries, timeout=60, deadline=300)

    def worst_case_usd(self, request):
        return self.usd


class InTwo(StageScheduler):
    """Full reasoning, then answers only."""

    epochs: float = Field(default=4, gt=0, description="Epochs of the second stage.")

    def stages(self):
        return [Stage(name="full", rationale="full"), Stage(name="answers", rationale="none", epochs=self.epochs)]


class Steered(StageScheduler):
    """Compresses for as long as accuracy holds, three times at most."""

    reads_scores = True

    def stages(self):
        rounds = [Stage(name=f"round_{n}", rationale="compressed") for n in range(3)]
        return [Stage(name="full", rationale="full"), *rounds, Stage(name="answers", rationale="none")]

    def next_stage(self, done):
        stages = self.stages()
        if done and done[-1].stage.rationale == "none":
            return None
        fell = len(done) > 1 and (done[-1].accuracy or 1) < (done[-2].accuracy or 0)
        return stages[-1] if fell else stages[len(done)]


class Salted(InTwo):
    """Stages in an order that is another one in each process."""

    def stages(self):
        names = list({"one", "two", "three", "four", "five", "six", "seven", "eight"})
        return [Stage(name=name, rationale="full") for name in names]


@pytest.mark.parametrize("component", [Parrot(name="polly"), InTwo(), Steered()], ids=lambda c: type(c).__name__)
def test_what_is_sound_passes_every_check(component):
    results = {one.name: one for one in try_all(component, checks_of(component))}
    assert {one.passed for one in results.values() if one.name != "complete"} == {True}
    if component.kind == "teacher":
        assert results["complete"].passed is None and "may cost money" in results["complete"].not_tried
    assert check_component(component) is None


def test_a_teacher_is_asked_twice_and_closed_each_time():
    asked = []

    class Counting(Parrot):
        """Counts."""

        async def complete(self, request):
            asked.append("complete")
            return await super().complete(request)

        async def close(self):
            asked.append("close")

    check_teacher(Counting(name="polly"))
    assert asked == []
    check_teacher(Counting(name="polly"), QUESTION)
    assert asked == ["complete", "close"] * 2


def test_a_call_that_failed_is_no_fault():
    async def complete(self, request):
        raise TeacherError("the server is busy")

    check_teacher(broken(Parrot, complete=complete)(name="polly"), QUESTION)


def test_the_environment_is_as_it_was(monkeypatch):
    monkeypatch.setenv("PARROT_KEY", "mine")
    check_teacher(Parrot(name="polly"))
    assert os.environ["PARROT_KEY"] == "mine"
    monkeypatch.delenv("PARROT_KEY")
    check_teacher(Parrot(name="polly"))
    assert "PARROT_KEY" not in os.environ


def broken(base, **members):
    """A class that differs from a sound one in these members."""
    return type("Broken", (base,), {"__doc__": "Broken.", "__module__": __name__, **members})


def saying(**more):
    async def complete(self, request):
        return Completion(**{"text": "What?", **more})

    return {"complete": complete}


def with_key(self, request):
    return {**Teacher.canonical_request(self, request), "key": os.environ.get(self.api_key_env, "")}


async def raising(self, request):
    raise KeyError("choices")


async def closed_for_ever(self):
    self.__dict__["shut"] = True


async def not_after(self, request):
    if self.__dict__.get("shut"):
        raise RuntimeError("Event loop is closed")
    return Completion(text="What?")


async def silent(self, request):
    raise TeacherError(" ")


def refuse(self, queries):
    raise InputError("")


FAULTS = {
    "a pace that is a number": ({"pace": lambda self: 3}, "pace() gives int, expected Pace(...)"),
    "tries below none": ({"pace": lambda self: Pace(retries=-1)}, "pace(): retries is -1"),
    "no time at all": ({"pace": lambda self: Pace(timeout=0)}, "pace(): timeout is 0: a number above 0, or None"),
    "another pace each time": ({"pace": lambda self: Pace(retries=next(COUNT))}, "pace(): another one each time"),
    "a price below 0": ({"worst_case_usd": lambda self, r: -1.0}, "worst_case_usd() gives -1.0: dollars"),
    "a price in words": ({"worst_case_usd": lambda self, r: "cheap"}, "worst_case_usd() gives 'cheap'"),
    "a price that raises": ({"worst_case_usd": lambda self, r: 1 / 0}, "worst_case_usd() raised ZeroDivisionError"),
    "a price too low": ({"worst_case_usd": lambda self, r: 1e-6}, "it cost 0.001 USD, and worst_case_usd() says 1e-06"),
    "a key of the query alone": (
        {"canonical_request": lambda self, r: {"use": self.use, "id": r.query_id}},
        "canonical_request(): the same for a rewrite, whose answer would be taken for this one's",
    ),
    "a key without the sample": (
        {"canonical_request": lambda self, r: {"messages": [list(m) for m in r.messages]}},
        "canonical_request(): the same for another sample",
    ),
    "a key without the prompt": (
        {"canonical_request": lambda self, r: {"id": r.query_id, "of": r.purpose, "sample": r.sample}},
        "canonical_request(): the same for another prompt",
    ),
    "another key each time": (
        {"canonical_request": lambda self, r: {"n": next(COUNT)}},
        "another one each time, or from an equal teacher: no answer would be found again",
    ),
    "a key that is no JSON": (
        {"canonical_request": lambda self, r: {"messages": r.messages, "sample": {r.sample}}},
        "canonical_request(), of a request: not plain JSON",
    ),
    "a key that goes by the speed": ({"not_identity": frozenset()}, "it depends on concurrency, which changes no"),
    "a secret in the key": (
        {"canonical_request": with_key},
        "canonical_request(): a key is in it, and it goes to disk",
    ),
    "a refusal without a word": ({"preflight": refuse}, "an InputError without a message: say what is missing"),
    "a look that raises": ({"preflight": lambda self, q: q[0]}, "preflight(), on no queries raised IndexError"),
    "a schema that is a text": (
        {"answer_schema": lambda self, t, q: "json"},
        "answer_schema() gives str: a JSON schema",
    ),
    "a schema taken for granted": (
        {"answer_schema": lambda self, t, q: {**t.answer_schema(q), "title": "answer"}},
        "answer_schema(), of a task that has none raised TypeError",
    ),
    "half a batch service": ({"batch_service": lambda self: object()}, "it has no submit, find, collect, wait_seconds"),
    "no coroutine": ({"complete": lambda self, r: Completion(text="x")}, "complete(): it is no coroutine: async def"),
    "a bug in the call": ({"complete": raising}, "complete(): plugin"),
    "a text in an answer's place": (
        {"complete": lambda self, r: silent_text()},
        "returned str, expected Completion",
    ),
    "a failure without a word": ({"complete": silent}, "a TeacherError without a message: say what happened"),
    "closed for ever": ({"complete": not_after, "close": closed_for_ever}, "complete(), after close(): plugin"),
    "a probability above 1": (saying(logprobs=(TokenLogprob("What?", 0.7),)), "complete(): a log-probability above 0"),
    "tokens of another text": (
        saying(logprobs=(TokenLogprob("Who?", -0.7),)),
        "complete(): the tokens of logprobs, joined, are not the text",
    ),
}


async def silent_text():
    return "What?"


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_a_teacher_is_found_and_named(fault):
    members, says = FAULTS[fault]
    with pytest.raises(Nonconformity) as found:
        check_teacher(broken(Parrot, **members)(name="polly"), QUESTION)
    assert says in str(found.value) and CANARY not in str(found.value)


def going_on(self, done):
    self.__dict__["furthest"] = max(self.__dict__.get("furthest", 0), len(done))
    if done and done[-1].stage.rationale == "none":
        return None
    return self.stages()[len(done) if len(done) == self.__dict__["furthest"] else -1]


def endless(self, done):
    return Stage(name=f"s{len(done)}", rationale="full")


def by_score(self, done):
    stages = Steered.stages(self)
    if done and done[-1].stage.rationale == "none":
        return None
    return stages[-1] if done and (done[-1].accuracy or 0) > 0.7 else stages[len(done)]


def longer_when_low(self, done):
    if len(done) == 2 and (done[-1].accuracy or 1) < 0.5:
        return Stage(name="again", rationale="none")
    return InTwo.next_stage(self, done)


def crash_when_low(self, done):
    return InTwo.next_stage(self, done) if not done or done[-1].accuracy is None else {}["score"]


def of(*stages):
    return {"stages": lambda self: list(stages)}


FULL = Stage(name="full", rationale="full")

SCHEDULES = {
    "no stage": (InTwo, of(), "stages(): plugin"),
    "a name twice": (InTwo, of(FULL, FULL), "gave two stages the name 'full'"),
    "a stage of none": (InTwo, of(FULL.model_copy(update={"of": "later"})), "says of='later', and before it there is"),
    "a student of none": (InTwo, of(FULL.model_copy(update={"after": "later"})), "says after='later', and before it"),
    "names in stages' place": (InTwo, of("full"), "returned str at position 0, expected Stage"),
    "an unknown compressor": (
        InTwo,
        of(FULL, Stage(name="less", rationale="compressed", compressor={"use": "no_such"})),
        "the compressor of stage 'less': Value error, no compressor is called 'no_such'",
    ),
    "too many": (InTwo, of(*(Stage(name=f"s{n}", rationale="full") for n in range(101))), "101 stages, and a run ends"),
    "other stages each time": (
        InTwo,
        {"stages": lambda self: [Stage(name=f"s{next(COUNT)}", rationale="full")]},
        "stages(): other stages each time",
    ),
    "no end": (InTwo, {"next_stage": endless, "reads_scores": True}, "does not come to an end: it asked for stage 101"),
    "a memory": (Steered, {"next_stage": going_on}, "another stage for the same results: work it out from `done`"),
    "scores read in silence": (
        Steered,
        {"next_stage": by_score, "reads_scores": False},
        "next_stage(): it goes by accuracies, and the class does not say so: reads_scores = True",
    ),
    "more than planned": (
        InTwo,
        {"next_stage": longer_when_low, "reads_scores": True},
        "takes 3 stages; stages() says 2, and a plan counts those",
    ),
    "a plan that is not kept": (
        Steered,
        {
            "next_stage": lambda self, done: (
                Steered.next_stage(self, done) if done else Stage(name="x", rationale="full")
            )
        },
        "with unknown accuracies, takes x",
    ),
    "an accuracy that was not thought of": (
        InTwo,
        {"next_stage": crash_when_low, "reads_scores": True},
        "next_stage(), with rising accuracies: plugin",
    ),
    "a question before the run": (
        InTwo,
        {"check_run": lambda self, context: context.ask([QUESTION]) and None},
        "check_run(): it asks teachers",
    ),
}


@pytest.mark.parametrize("fault", SCHEDULES)
def test_each_fault_of_a_schedule_is_found_and_named(fault):
    base, members, says = SCHEDULES[fault]
    with pytest.raises(Nonconformity) as found:
        check_stage_scheduler(broken(base, **members)())
    assert says in str(found.value)


def test_what_differs_in_another_process_is_found():
    with pytest.raises(Nonconformity, match="stages\\(\\): another result in another process"):
        check_stage_scheduler(Salted())
