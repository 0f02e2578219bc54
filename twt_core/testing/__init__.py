"""The conformance kit: what the author of a plugin runs on a component, in a test of any framework or none.

One function for each kind. It returns nothing, or raises `Nonconformity` with all that was found.
"""

from __future__ import annotations

from twt_core.testing.findings import Nonconformity
from twt_core.testing.task_evaluator import check_task_evaluator

__all__ = ["Nonconformity", "check_task_evaluator"]
