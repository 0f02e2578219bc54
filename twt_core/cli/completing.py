"""What a shell completes after `twt`: configs, runs, stages, components, options. Only names are read."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from twt_core.errors import TwtError

if TYPE_CHECKING:
    from twt_core.plugins import Registered
    from twt_core.settings import Settings

#: The folders that `twt run`, `evaluate` and `bench` make, and a file in each folder inside that nothing else has.
_RUNS = ("runs", "queries.jsonl")
_EVALUATIONS = ("evaluations", "identity.json")
_BENCHES = ("runs", "bench.json")
#: A trained stage's folder in a run.
_STUDENT = re.compile(r"\d\d-(.+)-student")


def config_files(incomplete: str) -> list[str]:
    """YAML files in the folder that the word names so far. Where there is none, the shell completes files itself."""
    folder, typed = _folder(incomplete)
    return sorted(typed + one.name for one in _inside(folder) if one.suffix in (".yaml", ".yml"))


def run_folders(incomplete: str) -> list[str]:
    """Runs in the folder that the word names so far and, before it names one, those in `runs`."""
    return sorted(_made(incomplete, *_RUNS))


def measured(incomplete: str) -> list[str]:
    """Runs and evaluations, as `twt compare` takes them."""
    return sorted({*_made(incomplete, *_RUNS), *_made(incomplete, *_EVALUATIONS)})


def reported(incomplete: str) -> list[str]:
    """Runs and benches, as `twt report` takes them."""
    return sorted({*_made(incomplete, *_RUNS), *_made(incomplete, *_BENCHES)})


def stages(ctx: typer.Context) -> list[str]:
    """The stages of the run that the command line names."""
    # An option that has no value yet ends the parsing before arguments get their names.
    run = Path(str(ctx.params.get("folder") or ctx.params.get("subject") or next(iter(ctx.args), "")))
    found = [match[1] for one in sorted(_inside(run)) if (match := _STUDENT.fullmatch(one.name))]
    return ["untouched", *found] if found else []


def kinds() -> list[str]:
    """The kinds of component."""
    from twt_core.plugins import KINDS

    return [base.kind for base in KINDS.values()]


def component_names(ctx: typer.Context) -> list[tuple[str, str]]:
    """The components of the kind that the command line names."""
    return _named(str(ctx.params.get("kind")))


def checkable() -> list[tuple[str, str]]:
    """What `twt plugins check` takes: distributions, and each component as KIND/NAME."""
    found = _registered()
    distributions = dict.fromkeys(entry.distribution.rpartition(" ")[0] for entry in found)
    return [
        *((name, "All that it registers.") for name in distributions),
        *((f"{entry.kind}/{entry.name}", _first_line(entry)) for entry in found),
    ]


def task_evaluators() -> list[tuple[str, str]]:
    """The task evaluators."""
    return _named("task_evaluator")


def override_keys() -> list[tuple[str, str]]:
    """What `twt run --set` can set: the run's options, the student's and so on, components, and their options."""
    from twt_core.config import DEFAULT_COMPONENTS, RunConfig

    found = dict(_options(RunConfig, ""))
    for entry in _registered():
        if entry.kind in ("task_evaluator", *DEFAULT_COMPONENTS):
            found[f"{entry.kind}.use={entry.name}"] = _first_line(entry)
            found |= {key: doc for key, doc in _options(entry.cls, f"{entry.kind}.") if key not in found}
    return list(found.items())


def _folder(incomplete: str) -> tuple[Path, str]:
    typed = incomplete[: incomplete.rfind("/") + 1]
    return Path(typed).expanduser(), typed


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _made(incomplete: str, usual: str, mark: str) -> list[str]:
    folder, typed = _folder(incomplete)
    places = [(folder, typed)] if typed else [(folder, ""), (folder / usual, f"{usual}/")]
    return [before + one.name for place, before in places for one in _inside(place) if (one / mark).is_file()]


def _registered() -> list[Registered]:
    from twt_core.plugins import registry

    # What is wrong with a plugin `twt plugins` says: a line that is being typed is no place for it.
    with warnings.catch_warnings(action="ignore"):
        try:
            return list(registry())
        except TwtError:
            return []


def _named(kind: str) -> list[tuple[str, str]]:
    return [(entry.name, _first_line(entry)) for entry in _registered() if entry.kind == kind]


def _first_line(entry: Registered) -> str:
    return (entry.cls.__doc__ or "").strip().partition("\n")[0]


def _options(model: type[Settings], before: str) -> Iterator[tuple[str, str]]:
    from twt_core.components import Component
    from twt_core.settings import Settings

    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            if not issubclass(inner, Component):
                yield from _options(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}=", field.description or ""
