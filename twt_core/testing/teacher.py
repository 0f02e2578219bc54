"""What teachers promise: one try a call, a price before it, a stable key, and nothing secret in it."""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import methodcaller

from twt_core import contract
from twt_core.components import BatchService, Pace, Teacher
from twt_core.credentials import holds_secret
from twt_core.errors import InputError, TeacherError
from twt_core.prompts import Message
from twt_core.records import Completion, Query, Request
from twt_core.settings import Json
from twt_core.testing.batch import same_process
from twt_core.testing.checks import Check, NotTried
from twt_core.testing.component import equal_copy, identity_of, is_plain, options_of, require_importable
from twt_core.testing.findings import Findings
from twt_core.testing.sample import SampleTask, sample_queries

#: Stands in the environment variables that the options name, to be found wherever it leaks.
CANARY = "twt-kit-canary-0123456789abcdef"

_SCHEMA: dict[str, Json] = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
_A_REQUEST = "a request"
_BATCH_MEMBERS = ("submit", "find", "collect", "wait_seconds", "poll_seconds")


def teacher_checks(teacher: Teacher, request: Request | None) -> list[Check]:
    """Those of a teacher. `request`: one to make, which may cost money."""
    return [
        Check("pace", "pace() says how it is to be asked.", partial(_pace, teacher)),
        Check("price", "worst_case_usd() bounds what a call costs.", partial(_price, teacher)),
        Check("key", "canonical_request() is plain, stable, and another for another request.", partial(_key, teacher)),
        Check("no_leak", "No key of the environment is in what is kept on disk.", partial(_no_leak, teacher)),
        Check(
            "preflight", "preflight() raises InputError or nothing, and no query changes.", partial(_preflight, teacher)
        ),
        Check("schema", "answer_schema() is None or a JSON schema.", partial(_schema, teacher)),
        Check("batches", "batch_service() is None or has what a batch needs.", partial(_batches, teacher)),
        Check("async", "complete() and close() are coroutines.", partial(_async, teacher)),
        Check(
            "process", "canonical_request() gives the same in another process.", partial(_process, teacher), extra=True
        ),
        Check(
            "complete",
            "complete() answers or raises TeacherError, and again after close().",
            partial(_complete, teacher, request),
            extra=True,
        ),
    ]


def sample_request(teacher: Teacher, text: str = "What is 3 plus 4?") -> Request:
    """A request of the kind that a run makes."""
    return Request(query_id="q1", teacher=teacher.name, purpose="answer", messages=(Message("user", text),))


def _pace(teacher: Teacher, findings: Findings) -> None:
    pace = findings.call("pace()", teacher.pace)
    if pace is None and findings.problems:
        return
    if not findings.expect(isinstance(pace, Pace), f"pace() gives {type(pace).__name__}, expected Pace(...)"):
        return
    assert isinstance(pace, Pace)
    findings.expect(
        isinstance(pace.retries, int) and pace.retries >= 0, f"pace(): retries is {pace.retries}: 0 or more tries"
    )
    for name in ("timeout", "deadline", "requests_per_minute", "tokens_per_minute"):
        value = getattr(pace, name)
        findings.expect(
            value is None or (isinstance(value, (int, float)) and value > 0 and math.isfinite(value)),
            f"pace(): {name} is {value}: a number above 0, or None for no limit",
        )
    findings.expect(
        findings.call("pace()", teacher.pace) == pace, "pace(): another one each time: work it out from the options"
    )


def _price(teacher: Teacher, findings: Findings) -> None:
    for text in ("", "What is 3 plus 4?", "word " * 20_000):
        request = sample_request(teacher, text)
        count = len(findings.problems)
        price = findings.call("worst_case_usd()", partial(teacher.worst_case_usd, request))
        if len(findings.problems) > count:
            return
        findings.expect(
            price is None or (isinstance(price, (int, float)) and math.isfinite(price) and price >= 0),
            f"worst_case_usd() gives {price!r}: dollars, 0 or more, or None where the price is not known",
        )


def _requests(teacher: Teacher) -> dict[str, Request]:
    """One request, and others that differ from it."""
    base = sample_request(teacher)
    found = {
        _A_REQUEST: base,
        "another question": sample_request(teacher, "What is 3 plus 5?").model_copy(update={"query_id": "q2"}),
        "a rewrite": sample_request(teacher, "Shorter, please.").model_copy(update={"purpose": "rewrite"}),
        "another sample": base.model_copy(update={"sample": 1}),
    }
    if teacher.worst_case_usd(base) != 0:  # a recording's answers cost nothing, and no prompt changes them
        found["another prompt"] = base.model_copy(update={"messages": (Message("system", "Brief."), *base.messages)})
    return found


def _key(teacher: Teacher, findings: Findings) -> None:
    identity_of(teacher)
    keys = {}
    for name, request in (findings.call("worst_case_usd()", partial(_requests, teacher)) or {}).items():
        place = f"canonical_request(), of {name}"
        key = findings.call(place, partial(teacher.canonical_request, request))
        if key is None:
            return
        findings.expect(is_plain(key), f"{place}: not plain JSON: use text, numbers, lists and mappings")
        again = findings.call(place, partial(teacher.canonical_request, request))
        copy = findings.call(place, partial(equal_copy(teacher).canonical_request, request))
        findings.expect(
            key == again == copy,
            f"{place}: another one each time, or from an equal teacher: no answer would be found again, and each is "
            "paid for anew",
        )
        keys[name] = key
    if not keys:
        return
    _keys_differ(keys, findings)
    _keys_stay(teacher, keys, findings)


def _keys_differ(keys: dict[str, dict[str, Json]], findings: Findings) -> None:
    for name, key in keys.items():
        findings.expect(
            name == _A_REQUEST or key != keys[_A_REQUEST],
            f"canonical_request(): the same for {name}, whose answer would be taken for this one's: start from "
            "super().canonical_request(request)",
        )


def _keys_stay(teacher: Teacher, keys: dict[str, dict[str, Json]], findings: Findings) -> None:
    other = type(teacher).model_validate({**options_of(teacher), "concurrency": teacher.concurrency + 1})
    key = findings.call("canonical_request()", partial(other.canonical_request, sample_request(teacher)))
    findings.expect(
        key == keys[_A_REQUEST],
        "canonical_request(): it depends on concurrency, which changes no answer: "
        "not_identity = Teacher.not_identity | {...}",
    )


@contextmanager
def _canaries(teacher: Teacher) -> Iterator[None]:
    """The environment variables that options name hold the canary."""
    named = [value for name, value in options_of(teacher).items() if name.endswith("_env") and isinstance(value, str)]
    before = {name: os.environ.get(name) for name in named}
    os.environ.update(dict.fromkeys(named, CANARY))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _no_leak(teacher: Teacher, findings: Findings) -> None:
    identity_of(teacher)
    with _canaries(teacher):
        fresh = equal_copy(teacher)
        for place, call in (
            ("canonical_request()", lambda: json.dumps(fresh.canonical_request(sample_request(fresh)), default=repr)),
            ("identity()", lambda: json.dumps(fresh.identity(), default=repr)),
            ("model_dump()", lambda: json.dumps(fresh.model_dump(mode="json"), default=repr)),
            ("repr()", lambda: repr(fresh)),
        ):
            said = findings.call(place, call) or ""
            findings.expect(
                CANARY not in said and not holds_secret(said),
                f"{place}: a key is in it, and it goes to disk: read the environment in the method that needs the key, "
                "and keep it out of the options",
            )


def _preflight(teacher: Teacher, findings: Findings) -> None:
    queries = tuple(sample_queries(3))
    before = [query.model_dump_json() for query in queries]
    for of, given in (("on no queries", ()), ("on queries", queries)):  # the first is what a judge gets
        findings.call(f"preflight(), {of}", partial(_preflight_says, teacher, given))
    findings.expect([query.model_dump_json() for query in queries] == before, "preflight(): it changed the queries")


def _preflight_says(teacher: Teacher, queries: Sequence[object]) -> None:
    try:
        teacher.preflight(queries)  # type: ignore[arg-type]  # queries they are
    except InputError as error:
        if not str(error).strip():
            raise ValueError("an InputError without a message: say what is missing, and the way out") from error


class _Texts(SampleTask):
    """A task that reads texts alone."""

    def answer_schema(self, query: Query) -> None:
        """See `TaskEvaluator.answer_schema`."""


def _schema(teacher: Teacher, findings: Findings) -> None:
    query = sample_queries(1)[0]
    for place, task in (("answer_schema()", SampleTask()), ("answer_schema(), of a task that has none", _Texts())):
        schema = findings.call(place, partial(teacher.answer_schema, task, query))
        findings.expect(
            schema is None or (isinstance(schema, dict) and is_plain(schema) and "type" in schema),
            f"{place} gives {type(schema).__name__}: a JSON schema such as task.answer_schema(query), or None",
        )


def _batches(teacher: Teacher, findings: Findings) -> None:
    count = len(findings.problems)
    service: BatchService | None = findings.call("batch_service()", teacher.batch_service)
    if service is None or len(findings.problems) > count:
        return
    missing = [name for name in _BATCH_MEMBERS if not hasattr(service, name)]
    findings.expect(not missing, f"batch_service(): it has no {', '.join(missing)}: see BatchService")


def _async(teacher: Teacher, findings: Findings) -> None:
    for name in ("complete", "close"):
        findings.expect(
            inspect.iscoroutinefunction(getattr(teacher, name)),
            f"{name}(): it is no coroutine: async def {name}, and await what takes time: other calls are under way",
        )


def _process(teacher: Teacher, findings: Findings) -> None:
    require_importable(type(teacher))
    identity_of(teacher)
    same_process(
        findings,
        "canonical_request",
        [(methodcaller("canonical_request", sample_request(teacher)), (teacher,))],
    )


def _complete(teacher: Teacher, request: Request | None, findings: Findings) -> None:
    if request is None and not teacher.simulated:
        raise NotTried("a call may cost money: give a request to make, and it is made twice")
    asked = request or sample_request(teacher)
    for of in ("complete()", "complete(), after close()"):
        count = len(findings.problems)
        completion = findings.call(of, lambda: asyncio.run(_round(teacher, asked)))
        if completion is not None:
            _expect_sound(of, completion, findings)
            worst = findings.call("worst_case_usd()", partial(teacher.worst_case_usd, asked))
            findings.expect(
                not isinstance(worst, (int, float))
                or completion.cost_usd is None
                or completion.cost_usd <= worst * (1 + 1e-9),
                f"{of}: it cost {completion.cost_usd} USD, and worst_case_usd() says {worst}: no budget would hold",
            )
        if len(findings.problems) > count:
            return


async def _round(teacher: Teacher, request: Request) -> Completion | None:
    """One round of asking, as the engine does it: a call, then `close`, in a loop of its own. None: the call failed."""
    try:
        return await contract.complete(teacher, request)
    except TeacherError as error:
        if not str(error).strip():
            raise ValueError("a TeacherError without a message: say what happened, without secrets") from error
        return None
    finally:
        await contract.close(teacher)


def _expect_sound(place: str, completion: Completion, findings: Findings) -> None:
    tokens = completion.logprobs or ()
    findings.expect(
        all(math.isfinite(token.logprob) and token.logprob <= 1e-6 for token in tokens),
        f"{place}: a log-probability above 0, or none: natural logarithms of probabilities",
    )
    joined = "".join(token.token for token in tokens)
    findings.expect(
        not tokens or completion.text.strip() in joined,
        f"{place}: the tokens of logprobs, joined, are not the text: confidences by tokens need both",
    )
