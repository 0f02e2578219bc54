"""Quality filters: which scored annotations are good enough to learn from."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl
from twt_plugins.quality_filters.by_task import ByTask
from twt_plugins.quality_filters.calibrated import Calibrated
from twt_plugins.quality_filters.hard_rejection import HardRejection
from twt_plugins.quality_filters.per_teacher_quantile import PerTeacherQuantile
from twt_plugins.quality_filters.threshold import Threshold
from twt_plugins.quality_filters.top_fraction import TopFraction


@hookimpl
def register_quality_filters(register: Register) -> None:
    """The paper's threshold, the hard rejection of its table 4, and filters that set their own borders."""
    register("threshold", Threshold)
    register("hard_rejection", HardRejection)
    register("top_fraction", TopFraction)
    register("per_teacher_quantile", PerTeacherQuantile)
    register("calibrated", Calibrated)
    register("by_task", ByTask)
