"""What is evaluated: a run's student, a model or an adapter in a folder, a hub's model, or one that a server has."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from twt_core import plugins
from twt_core.components import Teacher
from twt_core.errors import InputError
from twt_core.exporting.source import Source, is_adapter
from twt_core.models import find_model
from twt_core.recipe import RECIPE
from twt_core.records import Query
from twt_core.session import MODELS
from twt_core.settings import Json, file_digest

#: The teacher that asks a server when only its address is given.
_SERVER = "openai_compatible"
#: What teachers call the address of a server.
_ADDRESSES = ("base_url", "api_base")
_WEIGHTS = (".safetensors", ".gguf", ".bin")


@dataclass(frozen=True)
class Subject:
    """A model to be evaluated.

    Attributes:
        kind: what it is.
        name: as it was given.
        says: the settings that come with it (`twt_core.evaluation.settings`).
        models: where a GGUF made ready is kept.
        stage: of a run, whose student.
        adapter: what is merged into the base model.
        trained_on: of a run, the queries that it was distilled from.
    """

    kind: Literal["run", "adapter", "model", "served"]
    name: str
    says: dict[str, Json]
    models: Path
    stage: str | None = None
    adapter: Path | None = None
    trained_on: tuple[Query, ...] = ()

    @property
    def label(self) -> str:
        """A short name that can be part of a folder's."""
        path = Path(self.name).expanduser()
        last = path.resolve().name if path.exists() else self.name.rstrip("/").rpartition("/")[2]
        label = re.sub(r"[^\w.-]+", "-", last.removesuffix(".gguf")).strip("-.")
        return "-".join(part for part in (label or "model", self.stage) if part)

    def weights(self, model: str) -> dict[str, Json]:
        """A hash of each file that its weights are in, by file name; nothing for a model that is not on this machine.

        Args:
            model: the base model. Of an adapter's base, `twt_core.models.model_identity` is known, and is enough.
        """
        where = self.adapter or find_model(model)
        if isinstance(where, str):
            return {}
        if where.is_file():
            return {where.name: file_digest(where)}
        files = sorted(path for path in where.rglob("*") if _is_weights(path))
        return {path.relative_to(where).as_posix(): file_digest(path) for path in files}


def _is_weights(path: Path) -> bool:
    return path.is_file() and (path.suffix in _WEIGHTS or path.name == "adapter_config.json")


def find_subject(name: str, stage: str | None, runs: Path, base_url: str | None, teacher: str | None) -> Subject:
    """What a command line names.

    Args:
        name: a folder, a file, a hub id, ``package:NAME/PATH``, or the name that a server knows a model by.
        stage: of a run; the recommended one by default.
        runs: the project's folder of runs.
        base_url: the server's address.
        teacher: the registered teacher that asks it.

    Raises:
        InputError: it is none of these.
    """
    path = Path(name).expanduser()
    served = base_url is not None or teacher is not None
    if not served and _is_run(path):
        return _of_run(path, stage)
    if stage is not None:
        raise InputError(f"--stage {stage}: {name} is no run folder, and only runs have stages")
    if served:
        return Subject("served", name, {"served": _asked_by(teacher or _SERVER, name, base_url)}, runs / MODELS)
    if path.is_dir() and is_adapter(path):
        return Subject("adapter", name, {"student": {"model": _base_of(path)}}, runs / MODELS, adapter=path)
    if path.is_dir() and not (path / "config.json").is_file():
        raise InputError(f"{path}: no run, model or adapter is in this folder{_runs_in(path)}")
    if not path.exists() and _is_run(runs / path):
        raise InputError(f"{name}: no such folder. Did you mean {runs / path}?")
    find_model(name)
    return Subject("model", name, {"student": {"model": str(path.resolve()) if path.exists() else name}}, runs / MODELS)


def _is_run(path: Path) -> bool:
    """Whether it is a run's folder, and not a model's, which has a file of the same name."""
    try:
        found = json.loads((path / RECIPE).read_text(encoding="utf-8"))
    except OSError:
        return False
    except ValueError:  # damaged: reading the run says so
        return any(path.glob("01-*"))
    return isinstance(found, dict) and {"identity", "task_evaluator"} <= set(found)


def _runs_in(path: Path) -> str:
    runs = sorted(one.name for one in path.iterdir() if one.is_dir() and _is_run(one))
    return f". Runs in it: {', '.join(runs[:8])}" if runs else ""


def _of_run(path: Path, stage: str | None) -> Subject:
    source = Source.of(path, stage)
    measured = source.recipe.identity.get("evaluation")
    samples = measured.get("samples", 1) if isinstance(measured, dict) else 1
    says: dict[str, Json] = {
        "task": source.recipe.task_evaluator,
        "student": source.recipe.student,
        "prefix": source.summary.asked_with(source.stage),
        "evaluation": {"samples": samples},
        "seed": source.recipe.seed,
    }
    trained_on = tuple(source.queries.values())
    return Subject("run", str(path), says, path.resolve().parent / MODELS, source.stage, source.weights, trained_on)


def _base_of(adapter: Path) -> Json:
    file = adapter / "adapter_config.json"
    try:
        base: Json = json.loads(file.read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (ValueError, LookupError, TypeError):
        raise InputError(f"{file}: names no base model. Give it: --set student.model=MODEL") from None
    return base


def _asked_by(use: str, model: str, base_url: str | None) -> dict[str, Json]:
    """The teacher that asks a server: greedily, where it lets one say so."""
    try:
        options = plugins.resolve(Teacher.kind, {"use": use}).cls.model_fields
    except ValueError as error:
        raise InputError(f"--teacher {use}: {error}") from None
    value: dict[str, Json] = {"use": use, "name": model, "model": model, "temperature": 0.0}
    if base_url is not None:
        address = next((option for option in _ADDRESSES if option in options), None)
        if address is None:
            raise InputError(f"--base-url: teacher {use} takes no address; `twt plugins teacher {use}` has its options")
        value[address] = base_url
    return {option: given for option, given in value.items() if option == "use" or option in options}
