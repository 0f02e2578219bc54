"""Write ``docs/config.md`` from the models: every option of a run and of every built-in component.

python docs/make_config_reference.py           # write it
python docs/make_config_reference.py --check   # say whether it is current
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from twt_core.config import RunConfig
from twt_core.data_file import Column, Columns, DataFile
from twt_core.listing import Listed, Option, components, options_of
from twt_core.student.config import LoraConfig, StudentConfig

TARGET = Path(__file__).parent / "config.md"
KINDS = {
    "teacher": "Teachers",
    "confidence_scorer": "Confidence scorers",
    "quality_filter": "Quality filters",
    "diversity_selector": "Diversity selectors",
    "compressor": "Compressors",
    "stage_scheduler": "Stage schedulers",
    "task_evaluator": "Task evaluators",
}
#: How the parts of a config that are no component are shown in the type column.
PARTS = {
    "DataFile": "a source, below",
    "list of DataFile": "a list of them",
    "StudentConfig": "student, below",
    "LoraConfig": "lora, below",
    "Columns": "columns, below",
    "Column": "column, below",
    "list of Factor": "list of {weight, scorer}",
    "text to JsonValue": "text to any value",
}
INTRODUCTION = """\
# Config reference

Made from the models by `make docs`; do not edit. `twt plugins KIND NAME` shows the same for whatever is installed,
third-party components included, `twt schema` gives it as JSON Schema, and `twt init` writes a config to start from.

A component is written `{use: NAME, option: value, ...}`. Paths are relative to the config file. An option that does not
exist, has the wrong type or holds an API key is refused with its line number. `--set KEY=VALUE` overrides any option:
`--set student.lora.r=16`, `--set teachers.0.name=first`.
"""


def reference() -> str:
    """The whole page."""
    parts = [INTRODUCTION, "## A run\n", table(options_of(RunConfig))]
    for title, model in (
        ("`queries`, `test_queries`, `dev_queries`", DataFile),
        ("`columns`", Columns),
        ("A column", Column),
        ("`student`", StudentConfig),
        ("`student.lora`", LoraConfig),
    ):
        parts += [f"## {title}\n", table(options_of(model))]
    built_in = [c for c in components().components if c.distribution.split()[0] == "twt-distill"]
    for kind, title in KINDS.items():
        parts.append(f"## {title}\n")
        parts += [section(component) for component in built_in if component.kind == kind]
    return "\n".join(parts)


def section(component: Listed) -> str:
    """One component: what it does, then its options."""
    options = table(component.options) if component.options else "No options.\n"
    return f"### `{component.name}`\n\n{_plain(component.doc)}\n\n{options}"


def table(options: list[Option]) -> str:
    """One row an option."""
    rows = [f"| `{o.name}` | {_cell(_type(o))} | {_default(o)} | {_cell(o.doc)} |" for o in options]
    return "\n".join(["| option | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def _type(option: Option) -> str:
    return " or ".join(PARTS.get(name, name) for name in option.type.split(" or "))


def _default(option: Option) -> str:
    return "required" if option.required else f"`{_cell(json.dumps(option.default, ensure_ascii=False))}`"


def _cell(text: str) -> str:
    return " ".join(_plain(text).split()).replace("|", "\\|")


def _plain(text: str) -> str:
    return text.replace("``", "`")


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page is not current")
    text = reference()
    if not parser.parse_args().check:
        TARGET.write_text(text, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        sys.exit(f"{TARGET} is not current: run make docs")


if __name__ == "__main__":
    main()
