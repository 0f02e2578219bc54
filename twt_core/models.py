"""Where a model is: a folder, a hub id, or a file that an installed package carries. Imports no model library."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from twt_core.errors import InputError

_PACKAGE = "package:"
_HEADER = 1 << 20


def beside_config(model: str, info: ValidationInfo) -> str:
    """A model's name as a config gives it, with a folder or file beside the config as an absolute path.

    Raises:
        ValueError: it begins as a relative path does, and there is nothing there.
    """
    folder = (info.context or {}).get("folder")
    if folder is None:
        return model
    local = Path(folder) / model
    if local.exists():
        return str(local.resolve())
    if model.startswith(("./", "../")):
        raise ValueError(f"no such file or folder beside the config: {local}")
    return model


#: A folder or file (relative to the config), a hub id, or package:NAME/PATH.
ModelName = Annotated[str, Field(min_length=1), AfterValidator(beside_config)]


def find_model(model: str) -> Path | str:
    """The local path a model is at, or its hub id unchanged.

    Args:
        model: a folder or file; ``package:NAME/PATH`` for one inside an installed package; anything else is a hub id.

    Raises:
        InputError: a package that is not installed or has no such file, or a path that does not exist.
    """
    if model.startswith(_PACKAGE):
        return _in_package(model.removeprefix(_PACKAGE))
    path = Path(model).expanduser()
    if path.exists():
        return path
    if model.startswith((".", "/", "~")) or model.endswith(".gguf") or model.count("/") > 1:
        raise InputError(f"no model at {model}: give a folder, a GGUF file, a hub id (owner/name) or package:NAME/PATH")
    return model


def _in_package(rest: str) -> Path:
    package, _, inside = rest.partition("/")
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"package:{rest}: no installed package {package!r}. Install the distribution that carries it")
    path = Path(spec.submodule_search_locations[0]) / inside
    if not path.exists():
        beside = path.parent.iterdir() if path.parent.is_dir() else ()
        found = ", ".join(sorted(p.name for p in beside if not p.name.startswith("_"))[:8]) or "nothing"
        raise InputError(f"package:{rest}: the package has no {inside!r}; beside it there is: {found}")
    return path


def model_identity(model: str) -> str:
    """A short hash that changes when the model's files do: of names, sizes, and each file's first mebibyte.

    Whole files are not read, since that would take a minute for a 7B model at every start. A hub id stands for itself.
    """
    found = find_model(model)
    if isinstance(found, str):
        return found
    digest = hashlib.sha256()
    for path in [found] if found.is_file() else sorted(p for p in found.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode() + file.read(_HEADER))
    return digest.hexdigest()[:16]
