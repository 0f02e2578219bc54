"""Write ``docs/catalogue.md`` from the code: every built-in component with its options, bounds, defaults and source.

python docs/make_catalogue.py           # write it
python docs/make_catalogue.py --check   # say whether it is current
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from generated import cell, heading, option_table, plain, write_or_check  # a module beside this one

from twt_core import plugins
from twt_core.plugins import Registered

TARGET = Path(__file__).parent / "catalogue.md"
BUILT_IN = "twt-distill"
#: What the pages call each kind, in the order of the method.
KINDS = {
    "teacher": "Teachers",
    "confidence_scorer": "Confidence scorers",
    "quality_filter": "Quality filters",
    "diversity_selector": "Diversity selectors",
    "compressor": "Compressors",
    "stage_scheduler": "Stage schedulers",
    "task_evaluator": "Task evaluators",
}
INTRODUCTION = """\
# Catalogue of components

Made from the code by `make docs`; do not edit. What comes with TwT, by kind; `twt plugins` shows what is installed,
third-party components included. A component is written `{use: NAME, option: value, ...}` in the [config](config.md).
"From" is what the docstring names; "paper" is [arXiv 2503.24198](https://arxiv.org/abs/2503.24198).
"""

_PAPER = re.compile(r"\b(?:sections?|eq\.|tables?|figures?|appendix) (?:[A-Z]\b|\d[\d.]*\d|\d)(?:(?:-| and )\d)?")
_ARXIV = re.compile(r"arXiv[: ](\d{4}\.\d{5})")
_NAME = r"[A-Z][\w'-]+"
_WORK = re.compile(rf"((?:{_NAME}, )*{_NAME} (?:&|and) {_NAME}|{_NAME}(?: et al\.)?),? ((?:19|20)\d{{2}})\b")


def catalogue() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for kind, title in KINDS.items():
        parts += [*_of_kind(kind, title), ""]
    return "\n".join(parts).rstrip() + "\n"


def built_in(kind: str) -> list[Registered]:
    """The components of a kind that come with TwT, in the order of their registration."""
    return [one for one in plugins.registry() if one.kind == kind and one.distribution.split()[0] == BUILT_IN]


def first_sentence(component: Registered) -> str:
    """What a component is, in a sentence."""
    text = " ".join(_doc(component).split("\n\n")[0].split())
    return re.split(r"(?<=\.)(?<!eq\.)(?<!e\.g\.)(?<!al\.) (?=[A-Z`])", text)[0]


def source_of(component: Registered) -> str:
    """The works and the paper's places that a component's docstring names; a dash where it names none."""
    text = " ".join(f"{_doc(component)} {_module_doc(component)}".split())
    works = [f"{who} {year}" for who, year in dict.fromkeys(_WORK.findall(text))]
    links = [f"[arXiv {number}](https://arxiv.org/abs/{number})" for number in dict.fromkeys(_ARXIV.findall(text))]
    places = list(dict.fromkeys(_PAPER.findall(text)))
    return ", ".join([*works, *links, *(["paper: " + ", ".join(places)] if places else [])]) or "-"


def _of_kind(kind: str, title: str) -> Iterator[str]:
    base = next(base for base in plugins.KINDS.values() if base.kind == kind)
    hook = next(hook for hook, of in plugins.KINDS.items() if of is base)
    methods = ", ".join(f"`{name}`" for name in sorted(base.__abstractmethods__))
    about = plain(inspect.cleandoc(base.__doc__ or ""))
    yield f"## {title}\n\n{about} Registered by `{hook}`; to be defined: {methods}.\n"
    yield "| component | what | from |\n|---|---|---|"
    for one in built_in(kind):
        link = f"[`{one.name}`](#{heading(kind, one.name)[1]})"
        yield f"| {link} | {cell(first_sentence(one))} | {cell(source_of(one))} |"
    for one in built_in(kind):
        yield f"\n{_section(one)}"


def _section(component: Registered) -> str:
    module = component.cls.__module__.replace(".", "/")
    place = f"`{component.cls.__name__}` in [{module}.py](../plugins/{module}.py), of {BUILT_IN}."
    options = option_table(component.cls) if component.cls.model_fields else "No options.\n"
    title = heading(component.kind, component.name)[0]
    return "\n".join([f"### {title}\n", f"{plain(_doc(component))}\n", f"{place}\n", options.rstrip()])


def _doc(component: Registered) -> str:
    return inspect.cleandoc(component.cls.__doc__ or "")


def _module_doc(component: Registered) -> str:
    alone = sum(one.cls.__module__ == component.cls.__module__ for one in plugins.registry()) == 1
    return inspect.cleandoc(sys.modules[component.cls.__module__].__doc__ or "") if alone else ""


if __name__ == "__main__":
    write_or_check(TARGET, catalogue(), __doc__)
