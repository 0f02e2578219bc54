"""Teachers: who annotates and rewrites."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl
from twt_plugins.teachers.litellm import LiteLLM
from twt_plugins.teachers.openai_compatible import OpenAICompatible
from twt_plugins.teachers.replay import Replay
from twt_plugins.teachers.simulated import Simulated
from twt_plugins.teachers.transformers import Transformers


@hookimpl
def register_teachers(register: Register) -> None:
    """Any API, one's own server, a model in this process, recorded outputs, and made-up ones."""
    register("litellm", LiteLLM)
    register("openai_compatible", OpenAICompatible)
    register("transformers", Transformers)
    register("replay", Replay)
    register("simulated", Simulated)
