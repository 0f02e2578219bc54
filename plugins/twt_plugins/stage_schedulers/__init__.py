"""Stage schedulers: what the student is trained on, in which order."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl
from twt_plugins.stage_schedulers.adaptive import Adaptive
from twt_plugins.stage_schedulers.baselines import DistillingStepByStep, StandardKD, TinyLLM
from twt_plugins.stage_schedulers.gradual import Gradual
from twt_plugins.stage_schedulers.habitual import NStage, ThreeStage


@hookimpl
def register_stage_schedulers(register: Register) -> None:
    """The paper's three stages, its N-stage variant (table 3), alternatives to them, and its baselines (table 1)."""
    register("three_stage", ThreeStage)
    register("n_stage", NStage)
    register("gradual", Gradual)
    register("adaptive", Adaptive)
    register("standard_kd", StandardKD)
    register("distilling_step_by_step", DistillingStepByStep)
    register("tinyllm", TinyLLM)
