"""The built-in tasks: short answers, multiple choice, math, Python functions."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl
from twt_plugins.task_evaluators.exact_match import ExactMatch
from twt_plugins.task_evaluators.judge import Judge
from twt_plugins.task_evaluators.math import Math
from twt_plugins.task_evaluators.mixture import Mixture
from twt_plugins.task_evaluators.multiple_choice import MultipleChoice
from twt_plugins.task_evaluators.python_function import PythonFunction


@hookimpl
def register_task_evaluators(register: Register) -> None:
    """The tasks of the paper's tables, and plain short answers."""
    register("exact_match", ExactMatch)
    register("judge", Judge)
    register("multiple_choice", MultipleChoice)
    register("math", Math)
    register("python_function", PythonFunction)
    register("mixture", Mixture)
