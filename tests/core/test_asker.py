"""Retries, waits, limits and giving up. Time is the machine's; nothing here is timed but what must not go on."""

import asyncio
import itertools
import sqlite3
import time
import tracemalloc

import pytest
import samples

from twt_core import asker, pacing
from twt_core.asking import Desk
from twt_core.clerk import Clerk
from twt_core.components import Pace, Teacher
from twt_core.entries import Reserve
from twt_core.errors import PluginError, TeacherError, TwtError
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.records import Completion, Failed, Usage

ASKED: list[tuple[str, int]] = []


class Fickle(Teacher):
    """Plays a list of faults and answers, the same for every query."""

    not_identity = Teacher.not_identity | {"plays"}

    retries: int = 0
    timeout: float | None = None
    deadline: float | None = None
    rpm: float | None = None
    tpm: float | None = None
    plays: tuple[object, ...] = ()
    price: float | None = 0.5

    def pace(self):
        return Pace(self.retries, self.timeout, self.deadline, self.rpm, self.tpm)

    async def complete(self, request):
        turn = sum(query == request.query_id for query, _ in ASKED)
        ASKED.append((request.query_id, request.sample))
        play = self.plays[min(turn, len(self.plays) - 1)]
        if isinstance(play, TeacherError):
            raise play
        if isinstance(play, float):
            await asyncio.sleep(play)
        return Completion(text=str(play), cost_usd=0.25, usage=Usage(prompt_tokens=10, completion_tokens=90))

    def worst_case_usd(self, request):
        return self.price


PASSES = TeacherError("503: busy")
UNSURE = TeacherError("reset", maybe_billed=True)
REFUSED = TeacherError("401: no such key", retry="later")
NEVER = TeacherError("400: too long", retry="never")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    ASKED.clear()
    monkeypatch.setattr(asker, "FIRST_WAIT", 0.0)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.sqlite")


def ask(ledger, *plays, queries=1, **options):
    desk = Desk(ledger, [Fickle(name="ann", plays=plays, **options)], "run", None, Progress(quiet=True))
    return desk.ask([samples.request(f"q{n}", text=f"{n}?") for n in range(queries)])


def test_what_may_pass_is_tried_again(ledger):
    [answer] = ask(ledger, PASSES, PASSES, "seven", retries=2)
    assert answer.text == "seven"
    assert len(ASKED) == 3
    assert ledger.spending("run")[0][1:] == (1, 0.25, 0.0)


def test_what_fails_to_the_end_says_how_often(ledger):
    assert ask(ledger, PASSES, retries=2) == [Failed(cause="503: busy (3 tries)")]
    assert ledger.spending("run") == []


@pytest.mark.parametrize(("fault", "permanent"), [(REFUSED, False), (NEVER, True)])
def test_what_no_retry_mends_is_tried_once(ledger, fault, permanent):
    assert ask(ledger, fault, retries=5) == [Failed(cause=str(fault), permanent=permanent)]
    assert len(ASKED) == 1


def test_every_try_that_may_have_been_billed_stays_counted(ledger):
    [answer] = ask(ledger, UNSURE, UNSURE, "seven", retries=2)
    assert answer.text == "seven"
    assert ledger.maybe_billed("run") == [("ann", "q0")] * 2
    assert ledger.spending("run")[0][1:] == (1, 0.25, 1.0)


def test_a_try_without_an_answer_in_time_may_have_been_billed(ledger):
    [failed] = ask(ledger, 60.0, timeout=0.05, retries=1)
    assert failed == Failed(cause="no answer within 0.05 s (2 tries)")
    assert ledger.maybe_billed("run") == [("ann", "q0")] * 2


def test_the_deadline_is_for_all_tries_together(ledger):
    began = time.monotonic()
    [failed] = ask(ledger, 60.0, timeout=0.2, deadline=0.5, retries=1000)
    assert failed.cause.startswith("no answer within")
    assert len(ASKED) <= 4
    assert time.monotonic() - began < 30


def test_a_price_that_is_not_known_is_listed_too(ledger):
    ask(ledger, UNSURE, price=None)
    assert ledger.maybe_billed("run") == [("ann", "q0")]


def test_a_usage_that_cannot_be_is_charged_at_the_reservation(ledger):
    ask(ledger, "x", price=0.1)
    assert ledger.spending("run")[0].cost_usd == 0.1


def test_a_wait_past_the_deadline_is_not_waited(ledger):
    [failed] = ask(ledger, TeacherError("429", retry_after=1e9), deadline=900, retries=3)
    assert failed.cause == "429; the server asks to wait 1000000000 s, which is past the deadline"
    assert len(ASKED) == 1


def test_a_server_that_asks_to_wait_is_left_alone_by_all_calls(ledger):
    times = []

    class Busy(Fickle):
        """Says once that it is busy."""

        async def complete(self, request):
            times.append(time.monotonic())
            if len(times) == 1:
                raise TeacherError("429", retry_after=0.4)
            return Completion(text="x")

    desk = Desk(ledger, [Busy(name="ann", concurrency=1, retries=1)], "run", None, Progress(quiet=True))
    desk.ask([samples.request(f"q{n}", text=f"{n}?") for n in range(3)])
    assert times[1] - times[0] >= 0.4


def test_a_teacher_that_only_fails_is_given_up(ledger):
    with pytest.raises(TwtError, match=r"'ann': 20 calls in a row failed, the last one with: 401.*run the same"):
        ask(ledger, REFUSED, queries=200, concurrency=4)
    assert 20 <= len(ASKED) <= 24


def test_failures_for_good_are_no_reason_to_give_up(ledger):
    assert ask(ledger, NEVER, queries=30) == [Failed(cause=str(NEVER), permanent=True)] * 30


def test_answers_between_failures_are_no_reason_either(ledger):
    class Half(Fickle):
        """Fails every other query."""

        async def complete(self, request):
            if int(request.query_id[1:]) % 2:
                raise REFUSED
            return Completion(text="x")

    desk = Desk(ledger, [Half(name="ann", concurrency=1)], "run", None, Progress(quiet=True))
    answers = desk.ask([samples.request(f"q{n}", text=f"{n}?") for n in range(60)])
    assert sum(isinstance(answer, Failed) for answer in answers) == 30


class Clock:
    """Time that passes only in sleep."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(pacing.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(pacing, "sleep", self.sleep)

    async def sleep(self, seconds):
        self.now += seconds


@pytest.mark.parametrize(
    ("pace", "tokens", "seconds"),
    [
        (Pace(), 100, 0),
        (Pace(requests_per_minute=60), 100, 29),
        (Pace(tokens_per_minute=6000), 100, 29),
        (Pace(requests_per_minute=600, tokens_per_minute=6000), 100, 29),
        (Pace(requests_per_minute=60, tokens_per_minute=1e9), 100, 29),
    ],
)
def test_turns_keep_to_the_limits(monkeypatch, pace, tokens, seconds):
    clock = Clock(monkeypatch)

    async def thirty():
        pacer = pacing.Pacer(pace)
        for _ in range(30):
            await pacer.turn(tokens)

    asyncio.run(thirty())
    assert clock.now - 1000 == pytest.approx(seconds)


def test_the_tokens_that_were_counted_set_the_rate(monkeypatch):
    clock = Clock(monkeypatch)
    request = samples.request(text="x" * 40)

    async def calls():
        pacer = pacing.Pacer(Pace(tokens_per_minute=6000))
        for _ in range(60):
            expected = pacer.expected_tokens(request)
            await pacer.turn(expected)
            pacer.settle(expected, Completion(text="", usage=Usage(prompt_tokens=10, completion_tokens=190)))

    asyncio.run(calls())
    assert clock.now - 1000 == pytest.approx(59 * 2, rel=0.02)  # 200 tokens each, 100 a second


def test_a_pause_holds_for_those_who_wait_already(monkeypatch):
    clock = Clock(monkeypatch)
    pacer = pacing.Pacer(Pace(requests_per_minute=60))
    asyncio.run(pacer.turn(1))
    pacer.pause(100)
    asyncio.run(pacer.turn(1))
    assert clock.now == pytest.approx(1100)


def test_memory_does_not_grow_with_the_answers(ledger):
    text = "x" * 2000

    def peak(count, first):
        desk = Desk(ledger, [Fickle(name="ann", plays=(text,), price=0.0)], "run", None, Progress(quiet=True))
        asked = (samples.request(f"q{n}", text=f"{n}?") for n in range(first, first + count))
        tracemalloc.start()
        answers = desk.fetch({"ann": asked}, {"ann": count})
        assert answers.of("ann", count - 1).text == text
        ASKED.clear()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few, many = peak(100, 0), peak(1500, 100)
    assert many < few + 600_000  # the answers alone are three million bytes


def test_it_can_be_asked_from_inside_a_running_loop(ledger):
    async def notebook():
        return ask(ledger, "seven")

    assert asyncio.run(notebook())[0].text == "seven"


def test_commits_that_come_together_share_a_transaction(ledger, monkeypatch):
    sizes = []
    begin = Ledger.begin

    def counted(self, entries, *, wait=True):
        sizes.append(len(entries))
        return begin(self, entries, wait=wait)

    monkeypatch.setattr(Ledger, "begin", counted)
    ask(ledger, "x", queries=64, concurrency=32)
    assert sum(sizes) == 128  # a reservation and an answer each
    assert len(sizes) < 64


def test_a_ledger_that_breaks_ends_the_asking(ledger, monkeypatch):
    def broken(self, entries, *, wait):
        raise AttributeError("broken")

    monkeypatch.setattr(Ledger, "begin", broken)
    with pytest.raises(AttributeError, match="broken"):
        ask(ledger, "x", queries=9)


def test_a_turn_that_comes_after_the_deadline_is_not_taken(ledger):
    [failed] = ask(ledger, PASSES, retries=3, deadline=0.1, rpm=60)
    assert failed.cause == "503: busy"
    assert len(ASKED) == 1
    assert ledger.maybe_billed("run") == []


def test_an_error_ends_those_who_wait(ledger):
    class Broken(Fickle):
        """Breaks at the second query."""

        async def complete(self, request):
            if request.query_id == "q1":
                raise ZeroDivisionError
            return Completion(text="x")

    desk = Desk(ledger, [Broken(name="ann", rpm=2, concurrency=50)], "run", None, Progress(quiet=True))
    began = time.monotonic()
    with pytest.raises(PluginError):
        desk.ask([samples.request(f"q{n}", text=f"{n}?") for n in (1, *range(2, 40))])
    assert time.monotonic() - began < 20  # not the 20 minutes that 40 turns would take


def test_after_a_pause_turns_are_spread_again(monkeypatch):
    clock = Clock(monkeypatch)
    begun = []

    async def one(pacer):
        await pacer.turn(1)
        begun.append(clock.now)

    async def all_of_them():
        pacer = pacing.Pacer(Pace(requests_per_minute=60))
        pacer.pause(30)
        await asyncio.gather(*(one(pacer) for _ in range(4)))

    asyncio.run(all_of_them())
    assert all(later - sooner >= 0.999 for sooner, later in itertools.pairwise(begun))


def test_what_another_run_bought_meanwhile_stays_and_this_runs_answer_is_counted(ledger):
    request = samples.request("q0", text="0?")

    class Slow(Fickle):
        """Another run is answered the same while this one waits."""

        def canonical_request(self, request):
            return Fickle(name="ann").canonical_request(request)

        async def complete(self, request):
            other = Desk(Ledger(ledger.path), [Fickle(name="ann", plays=("x",))], "other", None, Progress(quiet=True))
            await asyncio.to_thread(other.ask, [request])
            return Completion(text="late", cost_usd=0.3)

    slow = Slow(name="ann", plays=("answers",))
    [answer] = Desk(ledger, [slow], "run", None, Progress(quiet=True)).ask([request])
    assert answer.text == "x"  # the first stays
    assert ledger.maybe_billed("run") == [("ann", "q0")]
    assert ledger.spending("run")[0][1:] == (0, 0.0, 0.3)


def test_an_interrupted_reservation_is_given_back(ledger):
    async def interrupted():
        async with Clerk(ledger) as clerk:
            entry = Reserve("k", samples.request(), "run", 0.5, 1.0)
            task = asyncio.create_task(clerk.enter(entry))
            await asyncio.sleep(0)
            task.cancel()

    asyncio.run(interrupted())
    assert ledger.spending("run") == []


def test_another_process_that_writes_is_waited_for_beside_the_loop(ledger):
    other = sqlite3.connect(ledger.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    beats = []

    async def with_it():
        async with Clerk(ledger) as clerk:
            entering = asyncio.create_task(clerk.enter(Reserve("k", samples.request(), "run", 0.5, 1.0)))
            while len(beats) < 20:
                await asyncio.sleep(0.01)
                beats.append(time.monotonic())
            assert not entering.done()
            other.execute("COMMIT")
            assert await entering

    asyncio.run(with_it())
    assert ledger.maybe_billed("run") == [("ann", "q1")]
