"""What was run and on what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from twt_core import plugins
from twt_core.exporting.made_by import base_name
from twt_core.progress_file import read_progress
from twt_core.report.blocks import Block, Code, Facts, Section
from twt_core.report.reading import Material, made_between
from twt_core.report.texts import cut
from twt_core.score_tables import UNSANDBOXED, judged
from twt_core.settings import Json

_HASH = re.compile(r"[0-9a-f]{16}|[0-9a-f]{64}")
#: The most characters of a text in the settings.
_LONGEST = 2000
_KINDS = (
    "task_evaluator",
    "confidence_scorer",
    "quality_filter",
    "diversity_selector",
    "compressor",
    "stage_scheduler",
)


def overview_section(material: Material) -> Section:
    """The parts of the run, its numbers of queries, its dates, its versions, its settings."""
    facts = [*_parts(material), *_counts(material), *_dates(material), *_versions(material)]
    blocks: list[Block] = [Facts(facts)]
    if material.recipe:
        text = yaml.safe_dump(_cut(material.recipe.identity), sort_keys=False, allow_unicode=True, width=100)
        blocks.append(Code("All settings; files by the hash of their bytes", text))
    return Section("what", "What was run", blocks)


def _cut(settings: Json) -> Json:
    """Settings with no text that is longer than anybody reads: YAML is written a character at a time."""
    if isinstance(settings, dict):
        return {cut(name, _LONGEST): _cut(value) for name, value in settings.items()}
    if isinstance(settings, list):
        return [_cut(value) for value in settings]
    return cut(settings, _LONGEST) if isinstance(settings, str) else settings


def marks(material: Material) -> list[str]:
    """What nobody may overlook: made-up answers, a model's opinion for a grade, code without walls, missing parts."""
    found = []
    if simulated := _simulated(material):
        found.append(f"SIMULATED: the answers of {', '.join(simulated)} are made up. No number says how a model does")
    if judges := sorted({judge for score in material.scores for judge in score.judged_by}):
        found.append(judged(judges))
    if (material.summary and material.summary.unsandboxed_code) or any(s.unsandboxed for s in material.scores):
        found.append(UNSANDBOXED)
    return found + _not_looked_at(material) + list(dict.fromkeys(material.missing))


def _not_looked_at(material: Material) -> list[str]:
    """A run that stopped at a step has left what came after it as an earlier one, with other settings, made it."""
    told = None if material.summary else read_progress(material.run)
    if told is None or told.step is None:
        return []
    number = told.step.partition("-")[0]
    later = [step.path.name for step in material.steps if number.isdecimal() and _number(step.path) > int(number)]
    if not later:
        return []
    return [f"NOT LOOKED AT SINCE {told.step} was begun anew, so maybe of other settings: {', '.join(later)}"]


def _number(step: Path) -> int:
    return int(step.name.partition("-")[0])


def _simulated(material: Material) -> list[str]:
    if material.summary:
        return [teacher.name for teacher in material.summary.teachers if teacher.simulated]
    known = plugins.registry().components["teacher"]
    uses = {str(one.get("name")): known.get(str(one.get("use"))) for one in _teachers(material)}
    return [name for name, entry in uses.items() if entry is not None and getattr(entry.cls, "simulated", False)]


def _teachers(material: Material) -> list[dict[str, Json]]:
    found = material.recipe.identity.get("teachers") if material.recipe else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _parts(material: Material) -> list[tuple[str, str]]:
    if material.recipe is None:
        return []
    identity = material.recipe.identity
    used = [(kind.replace("_", " "), _used(identity.get(kind))) for kind in _KINDS]
    student = base_name(str(material.recipe.student.get("model")))
    seed = str(material.recipe.seed)
    return [("student", student), ("teachers", "\n".join(map(_teacher, _teachers(material)))), *used, ("seed", seed)]


def _teacher(settings: Mapping[str, Json]) -> str:
    name, use, model = settings.get("name"), settings.get("use"), settings.get("model")
    return f"{name}: {use}{f', {base_name(str(model))}' if model else ''}"


def _used(settings: Json) -> str:
    """A component with its plain options."""
    if not isinstance(settings, dict):
        return ""
    options = ", ".join(f"{name} {value}" for name, value in settings.items() if name != "use" and _telling(value))
    return f"{settings.get('use')}{f' ({options})' if options else ''}"


def _telling(value: Json) -> bool:
    """Whether an option says something in a line: the hash of a file does not."""
    return isinstance(value, bool | int | float | str) and value != "" and not _HASH.fullmatch(str(value))


def _counts(material: Material) -> list[tuple[str, str]]:
    tested = max((score.questions for score in material.scores), default=0)
    chosen = [("stage chosen on", material.summary.recommended_on.replace("_", " "))] if material.summary else []
    queries = material.sampling.queries if material.sampling else len(material.queries)
    return [("queries", f"{queries:,}"), ("test questions", f"{tested:,} graded"), *chosen]


def _dates(material: Material) -> list[tuple[str, str]]:
    between = made_between(material.steps)
    if between is None:
        return []
    began, ended = (f"{moment:%Y-%m-%d %H:%M}" for moment in between)
    seconds = sum(step.seconds for step in material.steps)
    return [("steps made", f"{began} to {ended} UTC"), ("time taken", f"{seconds / 60:,.1f} minutes, all steps")]


def _versions(material: Material) -> list[tuple[str, str]]:
    if material.summary is None:
        return []
    return [("versions", ", ".join(f"{name} {number}" for name, number in material.summary.versions.items()))]
