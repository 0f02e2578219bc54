"""Handing in, leaving, coming back: whatever process died in between, nothing is handed in twice."""

import pytest
import samples

from twt_core import batches
from twt_core.asking import Desk
from twt_core.components import Teacher
from twt_core.entries import OpenBatch, Reserve
from twt_core.errors import BatchPending, BudgetExceeded, InputError, TeacherError, TwtError
from twt_core.ledger import Ledger, request_key
from twt_core.progress import Progress
from twt_core.records import Completion, Failed


class Provider:
    """A provider's batches, kept in memory for the test that uses it."""

    wait_seconds = 0.0
    poll_seconds = 0.001

    def __init__(self):
        self.batches = {}
        self.done = False
        self.fault = None
        self.after = lambda: None

    async def submit(self, requests, tag):
        if self.fault is not None and not self.fault.maybe_billed:
            raise self.fault
        self.batches[f"batch_{len(self.batches)}"] = (tag, dict(requests))
        self.after()
        if self.fault is not None:
            raise self.fault
        return f"batch_{len(self.batches) - 1}"

    async def find(self, tag):
        return next((name for name, (known, _) in self.batches.items() if known == tag), None)

    async def collect(self, batch):
        if not self.done:
            return None
        requests = self.batches[batch][1]
        return {
            key: Failed(cause="expired") if asked.query_id == "q2" else Completion(text=asked.query_id, cost_usd=0.1)
            for key, asked in requests.items()
            if asked.query_id != "q3"
        }

    def handed_in(self):
        return [request.query_id for _, requests in self.batches.values() for request in requests.values()]


class InBatches(Teacher):
    """Answers in batches."""

    async def complete(self, request):
        raise AssertionError

    def batch_service(self):
        return PROVIDER[0]

    def worst_case_usd(self, request):
        return 0.2


class AtOnce(Teacher):
    """Answers at once."""

    async def complete(self, request):
        return Completion(text="now")


PROVIDER = []


@pytest.fixture
def provider():
    PROVIDER[:] = [Provider()]
    return PROVIDER[0]


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.sqlite")


def ask(ledger, count=2, budget=None, run="run"):
    teachers = [InBatches(name="ann"), AtOnce(name="ben")]
    asked = [samples.request(f"q{n}", teacher=name, text=f"{n}?") for n in range(count) for name in ("ann", "ben")]
    return Desk(ledger, teachers, run, budget, Progress(quiet=True)).ask(asked)


def test_hand_in_leave_come_back_collect(ledger, provider):
    for _ in range(3):
        with pytest.raises(BatchPending, match=r"under way at the provider: ann: batch_0\. Run the same command again"):
            ask(ledger)
    assert provider.handed_in() == ["q0", "q1"]
    assert [row.calls for row in ledger.spending("run")] == [0, 2]  # the others' answers are there already
    assert ledger.spending("run")[0].reserved_usd == 0.4
    assert ledger.maybe_billed("run") == []
    provider.done = True
    assert [answer.text for answer in ask(ledger)] == ["q0", "now", "q1", "now"]
    assert ledger.spending("run")[0][1:] == (2, 0.2, 0.0)
    ask(ledger)
    assert len(provider.batches) == 1


def test_a_run_may_wait_for_it(ledger, provider):
    provider.wait_seconds = 60.0

    async def collect(batch, looks=[]):  # noqa: B006
        looks.append(batch)
        provider.done = len(looks) > 3
        return await Provider.collect(provider, batch)

    provider.collect = collect
    assert len(ask(ledger)) == 4


def test_what_a_batch_does_not_answer_has_failed_and_is_not_charged(ledger, provider):
    provider.done = True
    answers = ask(ledger, 4)
    assert answers[4] == Failed(cause="expired")
    assert answers[6] == Failed(cause="batch batch_0 gave no answer to it")
    assert ledger.spending("run")[0][1:] == (2, 0.2, 0.0)
    ask(ledger, 4)
    assert provider.handed_in() == ["q0", "q1", "q2", "q3", "q2", "q3"]  # what failed is tried again


def test_ten_queries_more_are_ten_requests_more(ledger, provider):
    with pytest.raises(BatchPending):
        ask(ledger, 2)
    with pytest.raises(BatchPending, match="ann: batch_0, ann: batch_1"):
        ask(ledger, 5)
    assert provider.handed_in() == ["q0", "q1", "q2", "q3", "q4"]
    with pytest.raises(BatchPending):
        ask(ledger, 5, run="another run")
    assert len(provider.batches) == 2  # what one run waits for another does not buy again


class Died(Exception):
    pass


def die():
    raise Died


def test_a_process_that_died_after_handing_in_finds_its_batch(ledger, provider):
    provider.after = die
    with pytest.raises(Died):
        ask(ledger)
    provider.done = True
    assert ask(ledger)[0].text == "q0"
    assert len(provider.batches) == 1


def test_a_process_that_died_before_handing_in_hands_in_anew(ledger, provider, monkeypatch):
    async def died(requests, tag):
        raise Died

    provider.submit = died
    with pytest.raises(Died):
        ask(ledger)
    assert ledger.spending("run")[0].reserved_usd == 0.4
    del provider.submit
    with pytest.raises(BatchPending):
        ask(ledger)
    assert provider.handed_in() == ["q0", "q1"]
    assert ledger.spending("run")[0].reserved_usd == 0.4


def test_a_refused_batch_gives_its_reservations_back(ledger, provider):
    provider.fault = TeacherError("401")
    with pytest.raises(TwtError, match="teacher 'ann', batches: 401"):
        ask(ledger)
    assert [row.teacher for row in ledger.spending("run")] == ["ben"]


def test_a_batch_that_may_have_arrived_is_looked_for(ledger, provider):
    provider.fault = TeacherError("reset", maybe_billed=True)
    with pytest.raises(TwtError, match="reset"):
        ask(ledger)
    provider.fault = None
    provider.done = True
    assert ask(ledger)[0].text == "q0"
    assert len(provider.batches) == 1


def test_a_batch_that_could_pass_the_budget_is_not_handed_in(ledger, provider):
    with pytest.raises(BudgetExceeded, match=r"a batch of 3 requests: the next call to ann may cost \$0\.2000"):
        ask(ledger, 3, budget=0.5)
    assert provider.batches == {}
    assert [row.teacher for row in ledger.spending("run")] == ["ben"]


def test_many_requests_are_several_batches(ledger, provider, monkeypatch):
    monkeypatch.setattr(batches, "LARGEST", 2)
    provider.done = True
    assert len(ask(ledger, 5)) == 10
    assert [len(requests) for _, requests in provider.batches.values()] == [2, 2, 1]


def test_a_batch_is_collected_whatever_the_config_has_become(ledger, provider):
    with pytest.raises(BatchPending):
        ask(ledger, 3)
    provider.done = True
    assert len(ask(ledger, 1)) == 2  # two queries were taken out meanwhile: what was paid for is kept all the same
    assert ledger.open_batches("ann") == []
    assert ledger.spending("run")[0][1:] == (2, 0.2, 0.0)


def test_what_is_in_a_batch_is_not_bought_at_once(ledger, provider, monkeypatch):
    with pytest.raises(BatchPending):
        ask(ledger)
    monkeypatch.setattr(InBatches, "batch_service", lambda self: None)
    with pytest.raises(InputError, match="teacher 'ann': query 'q0' is in batch batch_0, which is under way"):
        ask(ledger)


def test_what_is_done_is_collected_though_more_cannot_be_handed_in(ledger, provider):
    with pytest.raises(BatchPending):
        ask(ledger, 2, budget=0.5)
    provider.done = True
    with pytest.raises(BudgetExceeded):
        ask(ledger, 9, budget=0.5)
    assert ledger.spending("run")[0][1:] == (2, 0.2, 0.0)


def test_a_batch_is_charged_as_it_was_handed_in(ledger, provider, monkeypatch):
    with pytest.raises(BatchPending):
        ask(ledger)
    provider.done = True
    monkeypatch.setattr(InBatches, "worst_case_usd", lambda self, request: 0.01)
    monkeypatch.setattr(InBatches, "identity", lambda self: {"name": self.name, "max_tokens": 1})
    ask(ledger)
    assert ledger.spending("run")[0][1] == 4  # the old two, and the same two asked anew
    assert ledger.spending("run")[0].cost_usd == pytest.approx(2 * 0.2 + 2 * 0.01)


def test_an_answer_of_no_use_may_have_been_billed(ledger, provider):
    async def collect(batch):
        return {key: Failed(cause="no choices", maybe_billed=True) for key in provider.batches[batch][1]}

    provider.collect = collect
    assert ask(ledger)[0].cause == "no choices"
    assert ledger.maybe_billed("run") == [("ann", "q0"), ("ann", "q1")]
    assert ledger.spending("run")[0].reserved_usd == 0.4


def test_a_batch_that_another_run_is_handing_in_is_left_to_it(ledger, provider):
    request = samples.request("q0", teacher="ann", text="0?")
    key = request_key(InBatches(name="ann").canonical_request(request))
    ledger.apply([OpenBatch("t", "other", "ann"), Reserve(key, request, "other", 0.2, None, "t")])
    with pytest.raises(BatchPending, match="one that another run is handing in"):
        ask(ledger, 1)
    assert provider.batches == {}
    assert ledger.open_batches("ann") == ["t"]
