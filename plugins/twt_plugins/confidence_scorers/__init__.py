"""Confidence scorers: what a teacher's answer is worth, as a number in [0, 1]."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl
from twt_plugins.confidence_scorers.logprob import Logprob
from twt_plugins.confidence_scorers.self_reported import SelfReported


@hookimpl
def register_confidence_scorers(register: Register) -> None:
    """The paper's scorer and the log-probability alternative of its table 4."""
    register("self_reported", SelfReported)
    register("logprob", Logprob)
