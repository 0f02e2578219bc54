"""The pins: every package of theirs runs on every Python that TwT says it takes."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent
_FILES = ("constraints", "torch", "quickstart", "models", "dev")
_VERSION = re.compile(r"Programming Language :: Python :: (\d+\.\d+)$")


def pinned() -> set[str]:
    lines = [
        line for name in _FILES for line in (ROOT / "requirements" / f"{name}.txt").read_text("utf-8").splitlines()
    ]
    return {match[1] for line in lines if (match := re.match(r"([\w.-]+)(?:\[[^]]*\])?==", line))}


def pythons() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [f"{match[1]}.0" for line in project["classifiers"] if (match := _VERSION.match(line))]


@pytest.mark.parametrize("python", pythons())
def test_every_pin_runs_on_it(python):
    assert len(pinned()) > 100
    # By json: what a missing header comes to depends on whether somebody has imported the library's back-port.
    asked = {name: metadata(name).json.get("requires_python") for name in pinned()}
    assert {name: wants for name, wants in asked.items() if wants and python not in SpecifierSet(wants)} == {}
