"""Teachers: who annotates and rewrites."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl
from twt_plugins.teachers.litellm import LiteLLM
from twt_plugins.teachers.replay import Replay


@hookimpl
def register_teachers(register: Register) -> None:
    """Any API or server, and recorded outputs."""
    register("litellm", LiteLLM)
    register("replay", Replay)
