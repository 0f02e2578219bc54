"""Compressors: shorter rationales for the stages in between."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl
from twt_plugins.compressors.fixed_length import FixedLength
from twt_plugins.compressors.llmlingua import LLMLingua
from twt_plugins.compressors.selective import Selective
from twt_plugins.compressors.step_dropping import StepDropping
from twt_plugins.compressors.teacher_guided import TeacherGuided


@hookimpl
def register_compressors(register: Register) -> None:
    """The paper's compressor, those of its table 5, and two that need no other model."""
    register("teacher_guided", TeacherGuided)
    register("fixed_length", FixedLength)
    register("llmlingua", LLMLingua)
    register("selective", Selective)
    register("step_dropping", StepDropping)
