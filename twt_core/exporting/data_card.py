"""The card of the stages' data sets."""

from __future__ import annotations

from typing import NamedTuple

from twt_core.exporting.made_by import TOOL, components, shown, teachers
from twt_core.exporting.markdown import code, front, joined, table
from twt_core.exporting.source import Source
from twt_core.settings import Json

_LIMITS = """\
The texts are answers of the teachers, with their mistakes. A text longer than {max_length} tokens was left out of
training. The licence is unknown: it follows from that of the questions and from the terms of those who offer the
teachers, and is for you to fill in.
"""


class StageCounts(NamedTuple):
    """A stage's data set: its file, how many texts it has, and the mean words of what is learned in one."""

    stage: str
    file: str
    texts: int
    mean_words: float


def data_card(source: Source, counts: list[StageCounts], features: list[Json]) -> str:
    """The card of the stages' data sets: what they hold, how they were made, their limits."""
    found = source.summary.annotations
    parts = [
        front(_meta(source, counts, features)),
        f"# What the student of {code(source.summary.name)} was taught",
        f"Training texts made with {TOOL}: teachers answered {len(source.queries)} questions, {found.kept} answers "
        f"were kept and {found.selected} of them selected. {components(source)}",
        table(
            ["stage", "what it teaches", "texts", "mean words to learn"],
            [
                [code(row.stage), shown(source.course.stages[row.stage]), str(row.texts), f"{row.mean_words:.1f}"]
                for row in counts
            ],
        ),
        'Load a stage by `datasets.load_dataset(FOLDER, "STAGE", split="train")`. `weight` is what a text\'s `task` '
        "counts in the loss: the sum over tasks of weight x mean cross-entropy of its tokens.",
        "## Teachers", teachers(source),
        "## Limits", _LIMITS.format(max_length=source.student.max_length),
    ]  # fmt: skip
    return joined(parts)


def _meta(source: Source, counts: list[StageCounts], features: list[Json]) -> dict[str, Json]:
    return {
        "pretty_name": source.summary.name,
        "license": "unknown",
        "task_categories": ["text-generation"],
        "tags": ["twt-distill", "knowledge-distillation", "synthetic"],
        "configs": [{"config_name": row.stage, "data_files": [{"split": "train", "path": row.file}]} for row in counts],
        "dataset_info": [{"config_name": row.stage, "features": features} for row in counts],
    }
