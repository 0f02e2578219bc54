"""The Dockerfile, which no test can build: what it copies is there, what it installs is pinned, who runs it."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
#: One instruction a line: comments out, continued lines joined.
LINES = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE)).splitlines()


def instructions(name: str) -> list[str]:
    return [line.removeprefix(f"{name} ") for line in LINES if line.startswith(f"{name} ")]


def copied() -> list[str]:
    return [source for line in instructions("COPY") if "--from" not in line for source in line.split()[:-1]]


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    found = (re.fullmatch(r"([\w.-]+)(?:\[[^]]*\])?==([\w.]+)", line) for line in lines)
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


def test_what_is_copied_is_there_and_not_ignored():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    for source in copied():
        assert (ROOT / source).exists()
        assert source.split("/")[0] in kept, f"{source} is ignored"
    assert kept == {source.split("/")[0] for source in copied()}


def test_every_folder_of_the_wheel_is_copied():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {package.split("/")[0] for package in packages} <= {source.rstrip("/") for source in copied()}
    assert {project["project"]["readme"], *project["project"]["license-files"]} <= set(copied())


def test_it_installs_pinned_versions_alone():
    """Every requirement file that is named is of exact versions, and those are the constraints' own."""
    installs = [part for line in instructions("RUN") for part in line.split("&&") if "pip install" in part]
    named = {Path(name).name for part in installs for name in re.findall(r"-r (\S+)", part)}
    assert named == {"torch.txt", "quickstart.txt"}
    for part in installs:
        assert "-c requirements/constraints.txt" in part or "$EXTRAS" in part
    constraints = pins("constraints.txt")
    for name in named:
        lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
        assert len(pins(name)) == sum(bool(line.strip()) and not line.startswith("#") for line in lines)
        assert {k: v for k, v in pins(name).items() if k != "torch" and constraints[k] != v} == {}


def test_its_base_is_named_by_version_and_is_one_that_is_supported():
    [base] = [default for line in instructions("ARG") for name, _, default in [line.partition("=")] if name == "PYTHON"]
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert fnmatch.fnmatch(base, "3.*-slim-*")
    assert f"Programming Language :: Python :: {base.split('-')[0]}" in wanted["classifiers"]


def test_it_is_run_by_an_ordinary_user_as_twt():
    last = LINES[max(n for n, line in enumerate(LINES) if line.startswith("FROM ")) :]
    assert [line for line in last if line.startswith("USER ")] == ["USER 1000"]
    assert instructions("ENTRYPOINT") == ['["twt"]']
    assert instructions("VOLUME") == ["/project"]
    assert instructions("WORKDIR")[-1] == "/project"
