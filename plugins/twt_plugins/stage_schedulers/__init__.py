"""Stage schedulers: what the student is trained on, in which order."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl
from twt_plugins.stage_schedulers.schedules import NStage, StandardKD, ThreeStage


@hookimpl
def register_stage_schedulers(register: Register) -> None:
    """The paper's three stages, its N-stage variant (table 3), and plain distillation."""
    register("three_stage", ThreeStage)
    register("n_stage", NStage)
    register("standard_kd", StandardKD)
