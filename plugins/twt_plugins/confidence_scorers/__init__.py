"""Confidence scorers: what a teacher's answer is worth, as a number in [0, 1]."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl
from twt_plugins.confidence_scorers.agreement import Agreement
from twt_plugins.confidence_scorers.by_task import ByTask
from twt_plugins.confidence_scorers.grade import Grade
from twt_plugins.confidence_scorers.logprob import Logprob
from twt_plugins.confidence_scorers.self_reported import SelfReported
from twt_plugins.confidence_scorers.tests_passed import TestsPassed
from twt_plugins.confidence_scorers.weighted import Weighted


@hookimpl
def register_confidence_scorers(register: Register) -> None:
    """The paper's scorer, the log-probability alternative of its table 4, and what others judge answers by."""
    register("self_reported", SelfReported)
    register("logprob", Logprob)
    register("grade", Grade)
    register("agreement", Agreement)
    register("tests_passed", TestsPassed)
    register("weighted", Weighted)
    register("by_task", ByTask)
