"""What judges may be asked about students' answers, for a plan: found by grading answers of the greatest length."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from twt_core import contract
from twt_core.components import Context, TaskEvaluator, teachers_in
from twt_core.errors import TwtError
from twt_core.prompts import Message
from twt_core.records import Answered, Completion, Failed, Query, Request

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Prices count a text's bytes, and no character has more of them in UTF-8.
_WIDEST = "\U0010ffff"
#: Characters that a token stands for: seldom more than four, and more than these in hardly anything but spaces.
_MOST_CHARACTERS = 16

#: The most that requests can cost, in US dollars; None: not known.
Price = Callable[[Sequence[Request]], float | None]


class Passes(NamedTuple):
    """A set of queries, and how often all of it is answered and graded."""

    queries: Sequence[Query]
    times: int


class GradesAtMost(NamedTuple):
    """The grades that one judge gives at most, and their worst-case price in US dollars; None: not known."""

    judge: str
    calls: int
    usd: float | None


def grades_at_most(
    task: TaskEvaluator, passes: Sequence[Passes], absent: int, price: Price, most_tokens: int
) -> list[GradesAtMost]:
    """What each of a task's judges may be asked.

    Args:
        task: the run's.
        passes: what is still to be graded.
        absent: further rows, times their passes, that are not downloaded.
        price: of requests.
        most_tokens: of a student's answer.
    """
    if not task.asks_teachers:
        return []
    asked = [(_requests(task, one.queries, most_tokens), one.times) for one in passes if one.times]
    return [_of_judge(name, asked, absent, price) for name in dict.fromkeys(t.name for t in teachers_in(task))]


def _of_judge(judge: str, asked: Sequence[tuple[Sequence[Request], int]], absent: int, price: Price) -> GradesAtMost:
    own = [([request for request in requests if request.teacher == judge], times) for requests, times in asked]
    calls = absent + sum(len(requests) * times for requests, times in own)
    prices = [(price(requests), times) for requests, times in own]
    if absent and not _is_free(judge, price):  # nobody knows how long the rows are that are not there
        prices.append((None, absent))
    if any(usd is None for usd, _ in prices):
        return GradesAtMost(judge, calls, None)
    return GradesAtMost(judge, calls, math.fsum(usd * times for usd, times in prices if usd is not None))


def _is_free(judge: str, price: Price) -> bool:
    return price([Request(query_id="", teacher=judge, purpose="grade", messages=(Message("user", ""),))]) == 0


def _requests(task: TaskEvaluator, queries: Sequence[Query], most_tokens: int) -> list[Request]:
    """What is asked when every query gets an answer that is as long as can be, and no accepted one."""
    longest = _WIDEST * (_MOST_CHARACTERS * most_tokens)
    requests: list[Request] = []

    def note(given: Sequence[Request]) -> list[Completion | Failed]:
        requests.extend(given)
        return [Failed(cause="a plan asks nobody") for _ in given]

    context = Context(task, {query.id: query.unlabeled() for query in queries}, note, _no_vectors)
    judged = [query for query in queries if task.of(query).asks_teachers]  # a mixture's other tasks might run programs
    contract.grade(task, [Answered(query=query, text=longest, label=longest) for query in judged], context)
    return requests


def _no_vectors(_embedder: str, _texts: Sequence[str]) -> NDArray[np.float32]:
    raise TwtError("a plan embeds no texts")
