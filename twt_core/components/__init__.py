"""The seven kinds of component. Each is a frozen pydantic model: its fields are its options, one method does the work.

In a config a component is written ``{use: NAME, option: value, ...}``; wherever a field has one of these kinds as its
type (here, in the run's config, or inside another component), that mapping is turned into the registered class.
"""

from twt_core.components.base import Component, RunComponent
from twt_core.components.context import AskTeachers, Context, Embed, StudentLogprobs
from twt_core.components.distillation import Compressor, StageScheduler
from twt_core.components.sampling import ConfidenceScorer, DiversitySelector, QualityFilter
from twt_core.components.task_evaluator import TaskEvaluator, compared
from twt_core.components.teacher import BatchService, Pace, Teacher, teachers_in

__all__ = [
    "AskTeachers",
    "BatchService",
    "Component",
    "Compressor",
    "ConfidenceScorer",
    "Context",
    "DiversitySelector",
    "Embed",
    "Pace",
    "QualityFilter",
    "RunComponent",
    "StageScheduler",
    "StudentLogprobs",
    "TaskEvaluator",
    "Teacher",
    "compared",
    "teachers_in",
]
