"""Compressors: shorter rationales for the second stage."""

from __future__ import annotations

from twt_core.hookspecs import Register, hookimpl
from twt_plugins.compressors.fixed_length import FixedLength
from twt_plugins.compressors.teacher_guided import TeacherGuided


@hookimpl
def register_compressors(register: Register) -> None:
    """The paper's compressor and the fixed-length one of its table 5."""
    register("teacher_guided", TeacherGuided)
    register("fixed_length", FixedLength)
