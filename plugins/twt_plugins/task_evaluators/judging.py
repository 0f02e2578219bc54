"""Programs judged by their tests: run contained, decided outside."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from twt_core.errors import InputError, TwtError
from twt_core.sandbox.contained import run
from twt_core.sandbox.program import Answer, Fault, Limits, Snippet, Values, Verdict
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


@lru_cache(maxsize=8192)
def verdicts(source: str, tests: tuple[str, ...], limits: Limits, contained: bool) -> tuple[Verdict, ...]:
    """How a program does in each test, in order. It is loaded once; what ends its process fails the tests after it.

    Raises:
        InputError: programs cannot be contained here, or a test has no value to compare with.
        TwtError: the process could not be run. That is no verdict on the program.
    """
    taken_apart = [parse(test) for test in tests]
    expected = values_expected(tests, contained)
    answers = run(source, [test.asked for test in taken_apart], limits, contained)
    if any(isinstance(answer, Fault) and answer.verdict in _BY_LIMIT for answer in answers):
        blameless(tests, contained)
    return tuple(_verdict(*row) for row in zip(taken_apart, expected, answers, strict=True))


@lru_cache(maxsize=8192)
def blameless(tests: tuple[str, ...], contained: bool) -> None:
    """Make sure that the tests' own code keeps within limits, beside a program that does nothing.

    Raises:
        InputError: programs cannot be contained here, or a test breaks a limit by itself.
    """
    taken_apart = [parse(test) for test in tests]
    names = sorted(frozenset().union(*(test.names for test in taken_apart)))
    source = "\n".join([_NOTHING, *[f"{name} = Nothing()" for name in names]])
    answers = run(source, [test.asked for test in taken_apart], _OWN_LIMITS, contained)
    for test, answer in zip(taken_apart, answers, strict=True):
        if isinstance(answer, Fault) and answer.verdict in _BY_LIMIT:
            raise InputError(
                f"the test {test.text!r} by itself, without any program, ends with {answer.verdict} "
                f"({answer.detail}): take the test out"
            )


@lru_cache(maxsize=8192)
def values_expected(tests: tuple[str, ...], contained: bool) -> tuple[tuple[object, ...], ...]:
    """What each test computes by itself, without any program, to compare with: ``math.sqrt(2)``, ``set("ab")``.

    Raises:
        InputError: programs cannot be contained here, or a test's own value cannot be had.
    """
    taken_apart = [parse(test) for test in tests]
    asked = [test.expected if test.computed else Snippet("", ()) for test in taken_apart]
    if not any(snippet.expressions for snippet in asked):
        return ((),) * len(tests)
    return tuple(map(_own_values, taken_apart, run("", asked, _OWN_LIMITS, contained)))


def _own_values(test: Assertion, answer: Answer) -> tuple[object, ...]:
    if isinstance(answer, Values):
        return answer.values
    if answer.verdict == "infra":
        raise TwtError(f"the test {test.text!r} could not be run: {answer.detail}. Try again")
    raise InputError(
        f"the test {test.text!r} compares with {', '.join(test.expected.expressions)}, which gives no plain value "
        f"without the program ({answer.verdict}: {answer.detail}). Write a plain value, or leave the test out"
    )


def _verdict(test: Assertion, expected: Sequence[object], answer: Answer) -> Verdict:
    if isinstance(answer, Fault):
        if answer.verdict == "infra":
            raise TwtError(f"a program could not be run: {answer.detail}. It is not judged; run again")
        return answer.verdict
    values = dict(test.literals) | dict(zip(test.computed, expected, strict=True))
    given = {f"v{index}": value for index, value in enumerate(answer.values)}
    return "passed" if holds(test.condition, values | given) else "failed"


def overall(each: Sequence[Verdict]) -> Verdict:
    """The verdict on a program: the first that is not ``passed``."""
    return next((verdict for verdict in each if verdict != "passed"), "passed")
