"""What every card says of a run: how it was made, and by which teachers."""

from __future__ import annotations

import re
from pathlib import Path

from twt_core.exporting.markdown import code, table
from twt_core.exporting.source import Source
from twt_core.records import Stage

TOOL = "TwT ([arXiv 2503.24198](https://arxiv.org/abs/2503.24198))"
_COMPONENTS = ("confidence_scorer", "quality_filter", "diversity_selector", "compressor", "stage_scheduler")
_RATIONALES = {
    "full": "the teachers' whole rationales",
    "compressed": "compressed rationales",
    "same": "the rationales of an earlier stage again",
}
_TEXTS = {
    "rationale_then_answer": "{}, then the answer",
    "answer": "the answer alone",
    "rationale": "{}, alone",
}


def is_hub_id(model: str) -> bool:
    """Whether a model is named as the hub names it."""
    return re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model) is not None and not Path(model).exists()


def base_name(model: str) -> str:
    """A model's name for everybody."""
    # Where a folder lies is nobody's business but its owner's.
    path = Path(model)
    return path.name if path.is_absolute() or model.startswith((".", "~")) else model


def shown(stage: Stage) -> str:
    """What a stage teaches its student, in words; several kinds of texts apart by a semicolon."""
    if stage.rationale == "none":
        return _TEXTS["answer"]
    texts = dict.fromkeys(_TEXTS[objective.target] for objective in stage.objectives)
    return "; ".join(text.format(_RATIONALES[stage.rationale]) for text in texts)


def components(source: Source) -> str:
    """The components that made the data, in a sentence."""
    settings = {kind: source.recipe.identity.get(kind) for kind in _COMPONENTS}
    uses = {kind: found["use"] for kind, found in settings.items() if isinstance(found, dict)}
    return "Components: " + ", ".join(f"{kind} {code(str(use))}" for kind, use in uses.items()) + "."


def _teacher_models(source: Source) -> dict[str, str]:
    teachers = source.recipe.identity.get("teachers")
    found = [one for one in teachers if isinstance(one, dict)] if isinstance(teachers, list) else []
    return {str(one["name"]): base_name(str(one.get("model") or one["use"])) for one in found}


def teachers(source: Source) -> str:
    """A table of the teachers and what became of their answers."""
    models = _teacher_models(source)
    rows = [
        [
            code(f"{teacher.name} (simulated)" if teacher.simulated else teacher.name),
            code(models[teacher.name]),
            str(teacher.kept),
            str(teacher.selected),
            _share(teacher.label_accuracy),
        ]
        for teacher in source.summary.teachers
    ]
    return table(["teacher", "model", "answers kept", "answers selected", "right, where the answer is known"], rows)


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"
