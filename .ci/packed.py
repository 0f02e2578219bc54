"""What the source distribution and the wheel hold: all that they should, and nothing that lay about."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from packaging.metadata import Metadata

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (ROOT / "twt_core", ROOT / "plugins" / "twt_plugins")
#: One file of each sort that is no Python, so that an empty source tree does not pass.
WANTED = {
    "twt_core/config_template.yaml",
    "twt_core/py.typed",
    "twt_core/plugin_kit/templates/pyproject.toml.j2",
    "twt_plugins/py.typed",
    "twt_plugins/task_evaluators/prompts/student.j2",
}
#: What is in the source distribution beside the packages; its tests can be run from it.
IN_SOURCE = {
    "CHANGELOG.md", "Dockerfile", "LICENSE", "Makefile", "PKG-INFO", "README.md", "pyproject.toml",
    "docs/installing.md", "examples/quickstart/recordings.jsonl.gz", "requirements/constraints.txt",
    "tests/conftest.py", ".ci/run",
}  # fmt: skip
#: Folders of caches, runs and builds, and endings of files that a run leaves.
STRAY_FOLDERS = {
    ".git", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv", "__pycache__", "build", "dist",
    "evaluations", "node_modules", "runs", "site",
}  # fmt: skip
STRAY_ENDINGS = {".pyc", ".sqlite", ".safetensors", ".gguf", ".whl", ".partial", ".log"}
_LARGEST_MB = 3


def look_into_wheel(wheel: Path) -> None:
    """The two packages with all their files, the licence, the entry points, and nothing else."""
    names = set(zipfile.ZipFile(wheel).namelist())
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    if top != {package.name for package in PACKAGES}:
        _refuse(wheel, f"holds {', '.join(sorted(top))}; it should hold twt_core and twt_plugins alone")
    _complete(wheel, names, _sources() | WANTED)
    described = {name.partition(".dist-info/")[2] for name in names if ".dist-info/" in name}
    _complete(wheel, described, {"licenses/LICENSE", "entry_points.txt", "METADATA"})
    _clean(wheel, names)


def look_into_source(archive: Path) -> None:
    """The packages, what tests and documents them, and nothing that a machine made."""
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    packages = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in _files_of(package)}
    _complete(archive, names, IN_SOURCE | packages)
    _clean(archive, names)


def look_at_metadata(wheel: Path, archive: Path) -> None:
    """Both say the same of themselves, by the standards' own reader."""
    with zipfile.ZipFile(wheel) as packed:
        [name] = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
        of_wheel = packed.read(name)
    with tarfile.open(archive) as packed:
        [member] = [m for m in packed.getmembers() if PurePosixPath(m.name).match("*/PKG-INFO")]
        file = packed.extractfile(member)
        of_source = file.read() if file else b""
    if of_wheel != of_source:
        _refuse(wheel, f"has other metadata than {archive.name}")
    metadata = Metadata.from_email(of_wheel, validate=True)
    if metadata.license_expression != "Apache-2.0":
        _refuse(wheel, "does not give its licence")
    count, extras = len(metadata.requires_dist or ()), ", ".join(metadata.provides_extra or ())
    print(f"{metadata.name} {metadata.version}: {count} requirements; extras: {extras}")


def _files_of(package: Path) -> list[Path]:
    return [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def _sources() -> set[str]:
    return {path.relative_to(package.parent).as_posix() for package in PACKAGES for path in _files_of(package)}


def _complete(packed: Path, names: set[str], wanted: set[str]) -> None:
    if missing := sorted(wanted - names):
        _refuse(packed, f"lacks {', '.join(missing)}")


def _clean(packed: Path, names: set[str]) -> None:
    stray = [
        name for name in sorted(names)
        if STRAY_FOLDERS & set(PurePosixPath(name).parts) or PurePosixPath(name).suffix in STRAY_ENDINGS
    ]  # fmt: skip
    if stray:
        _refuse(packed, f"holds {len(stray)} files that nobody wrote: {', '.join(stray[:5])}")
    size = packed.stat().st_size
    if size > _LARGEST_MB * 1_000_000:
        _refuse(packed, f"has {size} bytes; more than {_LARGEST_MB} MB is a sign of something that should not be in it")
    print(f"{packed.name}: {len(names)} files, {size} bytes")


def _refuse(packed: Path, why: str) -> None:
    sys.exit(f"wheel-check: {packed.name} {why}")
