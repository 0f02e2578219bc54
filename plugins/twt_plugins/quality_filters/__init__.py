"""Quality filters: which scored annotations are good enough to learn from."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl
from twt_plugins.quality_filters.hard_rejection import HardRejection
from twt_plugins.quality_filters.threshold import Threshold


@hookimpl
def register_quality_filters(register: Register) -> None:
    """The paper's threshold and the hard rejection of its table 4."""
    register("threshold", Threshold)
    register("hard_rejection", HardRejection)
