"""A check of a component: its name, what it holds the component to, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from twt_core.components import Component
from twt_core.testing.findings import Findings, Nonconformity, TookTooLong


class NotTried(Exception):
    """A check that cannot be tried. The message says why, and what would let it be."""


@dataclass(frozen=True)
class Check:
    """One of the checks of a kind.

    Attributes:
        name: unique within the kind.
        says: what has to hold, in a sentence.
        run: notes what does not; raises `NotTried`.
        extra: whether a component may do without: what could not be tried is then no error of who asked for it.
    """

    name: str
    says: str
    run: Callable[[Findings], None]
    extra: bool = False


class CheckResult(BaseModel):
    """What came of a check.

    Attributes:
        name: the check's.
        says: what has to hold.
        passed: None where it was not tried.
        problems: what does not hold, each with the way out.
        not_tried: why not.
        seconds: CPU time of this process.
    """

    name: str
    says: str
    passed: bool | None
    problems: list[str] = []
    not_tried: str | None = None
    seconds: float = 0.0


def try_check(component: Component, check: Check) -> CheckResult:
    """The result of one check.

    Raises:
        TookTooLong: a call was ended; the message has what was found before.
    """
    findings, began, reason = Findings(component), time.process_time(), None
    try:
        check.run(findings)
    except NotTried as error:
        reason = str(error)
    problems = findings.problems
    untried = reason is not None and not problems
    return CheckResult(
        name=check.name,
        says=check.says,
        passed=None if untried else not problems,
        problems=problems,
        not_tried=reason if untried else None,
        seconds=round(time.process_time() - began, 3),
    )


def try_all(component: Component, checks: Sequence[Check]) -> Iterator[CheckResult]:
    """The results of all checks, in order. After a call that had to be ended, no further check is tried.

    A reason for which several could not be tried is told once; the others name the first.
    """
    slow = None
    told: dict[str, str] = {}
    for check in checks:
        if slow is not None:
            yield CheckResult(name=check.name, says=check.says, passed=None, not_tried=f"{slow} took too long")
            continue
        try:
            result = try_check(component, check)
        except TookTooLong as error:
            slow = check.name
            lines = str(error).splitlines()[1:]
            problems = [line.strip() for line in lines]
            yield CheckResult(name=check.name, says=check.says, passed=False, problems=problems)
            continue
        first = told.setdefault(result.not_tried or "", check.name)
        again = result.not_tried is not None and first != check.name
        yield result.model_copy(update={"not_tried": f"see {first}"}) if again else result


def require(component: Component, checks: Sequence[Check]) -> None:
    """Let all checks hold.

    Raises:
        Nonconformity: what does not, of all of them.
        ValueError: what could not be tried with what was given.
    """
    findings, untried = Findings(component), []
    for check, result in zip(checks, try_all(component, checks), strict=True):
        for problem in result.problems:
            findings.expect(False, problem)
        if result.not_tried and not check.extra:
            untried.append(f"{result.name}: {result.not_tried}")
    if findings.problems:
        raise Nonconformity(findings.told())
    if untried:
        raise ValueError("not all could be tried:\n  " + "\n  ".join(dict.fromkeys(untried)))
