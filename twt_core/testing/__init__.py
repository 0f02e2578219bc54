"""The conformance kit: what the author of a plugin runs on a component, in a test of any framework or none.

One function for each kind, and `check_component` for any. They return nothing, or raise `Nonconformity` with all that
was found. For pytest there is `twt_core.testing.pytest_plugin`; on the command line, `twt plugins check`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twt_core.testing.findings import Nonconformity
    from twt_core.testing.kinds import (
        check_component,
        check_compressor,
        check_confidence_scorer,
        check_diversity_selector,
        check_quality_filter,
        check_stage_scheduler,
        check_task_evaluator,
        check_teacher,
    )
    from twt_core.testing.sample import sample_annotations, sample_context, sample_drafts, sample_queries

__all__ = [
    "Nonconformity",
    "check_component",
    "check_compressor",
    "check_confidence_scorer",
    "check_diversity_selector",
    "check_quality_filter",
    "check_stage_scheduler",
    "check_task_evaluator",
    "check_teacher",
    "sample_annotations",
    "sample_context",
    "sample_drafts",
    "sample_queries",
]


def __getattr__(name: str) -> object:
    # At first use: every pytest run beside TwT imports this package for its plugin, and most need nothing of it.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "findings" if name == "Nonconformity" else "kinds" if name.startswith("check_") else "sample"
    return getattr(import_module(f"{__name__}.{module}"), name)
