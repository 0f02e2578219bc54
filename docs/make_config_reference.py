"""Write ``docs/config.md`` from the models: every option of a run, and which components there are.

python docs/make_config_reference.py           # write it
python docs/make_config_reference.py --check   # say whether it is current
"""

from __future__ import annotations

from pathlib import Path

from generated import cell, heading, option_table, write_or_check  # a module beside this one
from make_catalogue import KINDS, built_in, first_sentence

from twt_core.bench.settings import BenchSettings
from twt_core.config import RunConfig
from twt_core.data_file import Column, Columns, DataFile
from twt_core.evaluation.config import EvaluationConfig
from twt_core.student.config import LoraConfig, StudentConfig

TARGET = Path(__file__).parent / "config.md"
INTRODUCTION = """\
# Config reference

Made from the models by `make docs`; do not edit. `twt plugins KIND NAME` shows the same for whatever is installed,
third-party components included, `twt schema` gives it as JSON Schema, and `twt init` writes a config to start from.

A component is written `{use: NAME, option: value, ...}`; the [catalogue](catalogue.md) has the options of each. Paths
are relative to the config file. An option that does not exist, has the wrong type or holds an API key is refused with
its line number. `--set KEY=VALUE` overrides any option: `--set student.lora.r=16`, `--set teachers.0.name=first`.
"""
BESIDE = """\
## Beside these

| key | what |
|---|---|
| `extends` | a file, or a list of them, that this one changes ([more](data.md#configs-that-extend-others)) |
| `grid` | alternatives, for `twt bench` ([A grid](benchmarking.md#a-grid)) |
| `bench` | how they are compared: below |
| `reduced` | changes that `twt bench --reduced` makes first |
"""


def reference() -> str:
    """The whole page."""
    parts = [INTRODUCTION, "## A run\n", option_table(RunConfig)]
    for title, model in (
        ("`queries`, `test_queries`, `dev_queries`", DataFile),
        ("`columns`", Columns),
        ("A column", Column),
        ("`student`", StudentConfig),
        ("`student.lora`", LoraConfig),
        ("`evaluation`", EvaluationConfig),
    ):
        parts += [f"## {title}\n", option_table(model)]
    parts += [BESIDE, "## `bench`\n", option_table(BenchSettings)]
    for kind, title in KINDS.items():
        rows = [
            f"| [`{one.name}`](catalogue.md#{heading(kind, one.name)[1]}) | {cell(first_sentence(one))} |"
            for one in built_in(kind)
        ]
        parts += [f"## {title}\n", "\n".join(["| `use` | what |", "|---|---|", *rows, ""])]
    return "\n".join(parts)


if __name__ == "__main__":
    write_or_check(TARGET, reference(), __doc__)
