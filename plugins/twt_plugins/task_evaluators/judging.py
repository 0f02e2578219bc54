"""Programs judged by their tests: run contained, decided outside."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from twt_core.errors import InputError, TwtError
from twt_core.sandbox.contained import isolation, require, run, run_all
from twt_core.sandbox.program import Answer, Fault, Limits, Program, Snippet, Values, Verdict
from twt_plugins.task_evaluators.assertions import Assertion, parse
from twt_plugins.task_evaluators.conditions import holds

#: The tests' own expressions are no model's: they get this long.
_OWN_LIMITS = Limits(seconds=10.0)

_BY_LIMIT = ("timeout", "oom", "output_limit", "crashed", "early_exit")
_NOTHING = """
class Nothing:
    def __call__(self, *args, **named): return self
    def __getattr__(self, name): return self
"""
_INFRA: Verdict = "infra"
_MOST_KNOWN = 8192


class Submission(NamedTuple):
    """A program, and the tests that it has to pass."""

    source: str
    tests: tuple[str, ...]


class Judged(NamedTuple):
    """What became of a program.

    Attributes:
        each: how it did in each test, in order; ``infra`` says nothing about it.
        fault: what is wrong with a test by itself, so that the program is not judged.
    """

    each: tuple[Verdict, ...]
    fault: str | None = None


class _Key(NamedTuple):
    """What a verdict depends on; the program by its hash, since it may be long."""

    program: bytes
    tests: tuple[str, ...]
    limits: Limits
    isolation: str


#: What was found, the latest last: the same program is asked about as an answer, a rewrite, a prediction.
_known: OrderedDict[_Key, Judged] = OrderedDict()


def verdicts(source: str, tests: tuple[str, ...], limits: Limits) -> tuple[Verdict, ...]:
    """How a program does in each test, in order: see `judged`.

    Raises:
        InputError: programs cannot be contained here, a test has no value to compare with, or breaks a limit by itself.
        TwtError: the program could not be run. That is no verdict on it.
    """
    (found,) = judged([Submission(source, tests)], limits)
    if found.fault:
        raise InputError(found.fault)
    if "infra" in found.each:
        raise TwtError("a program could not be run. It is not judged; run again")
    return found.each


def judged(submissions: Sequence[Submission], limits: Limits) -> list[Judged]:
    """How each program does in its tests. Programs run at the same time, and equal ones once.

    A program is loaded once for all its tests; what ends its process fails the tests after it.

    Raises:
        InputError: programs cannot be contained here.
    """
    require()
    keys = [_key(one, limits) for one in submissions]
    given = {key: known for key in keys if (known := _recalled(key))}
    new = {key: one for key, one in zip(keys, submissions, strict=True) if key not in given}
    for key, found in zip(new, _run(list(new.values()), limits), strict=True):
        given[key] = found
        if "infra" not in found.each:
            _remember(key, found)
    return [given[key] for key in keys]


def _key(submission: Submission, limits: Limits) -> _Key:
    program = hashlib.sha256(submission.source.encode("utf-8", "surrogatepass")).digest()
    return _Key(program, submission.tests, limits, isolation())


def _recalled(key: _Key) -> Judged | None:
    if key in _known:
        _known.move_to_end(key)
    return _known.get(key)


def _remember(key: _Key, found: Judged) -> None:
    _known[key] = found
    if len(_known) > _MOST_KNOWN:
        _known.popitem(last=False)


def _run(submissions: Sequence[Submission], limits: Limits) -> list[Judged]:
    unfit = {one.tests: _unfit(values_expected, one.tests) for one in submissions}
    sound = [one for one in submissions if not unfit[one.tests]]
    ran = run_all(Program(one.source, [parse(test).asked for test in one.tests], limits) for one in sound)
    return [unfit[one.tests] or _judged(one, next(ran)) for one in submissions]


def _judged(submission: Submission, answers: Sequence[Answer]) -> Judged:
    if any(isinstance(answer, Fault) and answer.verdict in _BY_LIMIT for answer in answers) and (
        unfit := _unfit(blameless, submission.tests)
    ):
        return unfit
    rows = zip(submission.tests, values_expected(submission.tests), answers, strict=True)
    return Judged(tuple(_verdict(parse(test), expected, answer) for test, expected, answer in rows))


def _unfit(proof: Callable[[tuple[str, ...]], object], tests: tuple[str, ...]) -> Judged | None:
    """What is said of every program where the tests do not stand a proof."""
    try:
        proof(tests)
    except (InputError, ValueError) as error:
        return Judged((), str(error))
    except TwtError:
        return Judged((_INFRA,) * len(tests))
    return None


@lru_cache(maxsize=8192)
def blameless(tests: tuple[str, ...]) -> None:
    """Make sure that the tests' own code keeps within limits, beside a program that does nothing.

    Raises:
        InputError: programs cannot be contained here, or a test breaks a limit by itself.
        TwtError: the process could not be run.
    """
    taken_apart = [parse(test) for test in tests]
    names = sorted(frozenset().union(*(test.names for test in taken_apart)))
    source = "\n".join([_NOTHING, *[f"{name} = Nothing()" for name in names]])
    answers = run(source, [test.asked for test in taken_apart], _OWN_LIMITS)
    for test, answer in zip(taken_apart, answers, strict=True):
        if isinstance(answer, Fault) and answer.verdict == "infra":
            raise _not_run(test, answer)
        if isinstance(answer, Fault) and answer.verdict in _BY_LIMIT:
            raise InputError(
                f"the test {test.text!r} by itself, without any program, ends with {answer.verdict} "
                f"({answer.detail}): take the test out"
            )


@lru_cache(maxsize=8192)
def values_expected(tests: tuple[str, ...]) -> tuple[tuple[object, ...], ...]:
    """What each test computes by itself, without any program, to compare with: ``math.sqrt(2)``, ``set("ab")``.

    Raises:
        InputError: programs cannot be contained here, or a test's own value cannot be had.
        TwtError: the process could not be run.
    """
    taken_apart = [parse(test) for test in tests]
    asked = [test.expected if test.computed else Snippet("", ()) for test in taken_apart]
    if not any(snippet.expressions for snippet in asked):
        return ((),) * len(tests)
    return tuple(map(_own_values, taken_apart, run("", asked, _OWN_LIMITS)))


def _not_run(test: Assertion, fault: Fault) -> TwtError:
    return TwtError(f"the test {test.text!r} could not be run: {fault.detail}. Try again")


def _own_values(test: Assertion, answer: Answer) -> tuple[object, ...]:
    if isinstance(answer, Values):
        return answer.values
    if answer.verdict == "infra":
        raise _not_run(test, answer)
    raise InputError(
        f"the test {test.text!r} compares with {', '.join(test.expected.expressions)}, which gives no plain value "
        f"without the program ({answer.verdict}: {answer.detail}). Write a plain value, or leave the test out"
    )


def _verdict(test: Assertion, expected: Sequence[object], answer: Answer) -> Verdict:
    if isinstance(answer, Fault):
        return answer.verdict
    values = dict(test.literals) | dict(zip(test.computed, expected, strict=True))
    given = {f"v{index}": value for index, value in enumerate(answer.values)}
    return "passed" if holds(test.condition, values | given) else "failed"


def overall(each: Sequence[Verdict]) -> Verdict:
    """The verdict on a program: the first that is not ``passed``."""
    return next((verdict for verdict in each if verdict != "passed"), "passed")
