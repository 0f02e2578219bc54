"""The packages of examples/plugins, installed as anybody's: their own tests, the listing, the kit, their configs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "examples" / "plugins"
PACKAGES = ("twt-dpp", "twt-xllamacpp")
TWT = str(Path(sys.executable).with_name("twt"))


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Runs Python with arguments in an environment of its own, which has the packages and sees what this one has."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    interpreter = folder / "bin" / "python"
    own = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    here = sysconfig.get_path("purelib")
    (own / "outer.pth").write_text(f"import site; site.addsitedir({here!r})\n", encoding="utf-8")
    sources = [str(PLUGINS / name) for name in PACKAGES]
    pip = [
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--disable-pip-version-check",
    ]
    subprocess.run([interpreter, *pip, *sources], check=True)

    def call(*arguments, cwd=folder):
        command = [str(interpreter), *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, env=dict(os.environ), capture_output=True, text=True, check=False)

    return call


def test_they_are_listed_with_their_distributions_and_options(python):
    listed = json.loads(python(TWT, "plugins", "--json").stdout)
    found = {one["name"]: one for one in listed if one["distribution"].partition(" ")[0] in PACKAGES}
    assert {(one["kind"], name, one["distribution"]) for name, one in found.items()} == {
        ("diversity_selector", "dpp", "twt-dpp 0.1.0"),
        ("teacher", "xllamacpp", "twt-xllamacpp 0.1.0"),
    }
    assert {"size", "mode", "quality_weight", "seed", "embedder"} == {o["name"] for o in found["dpp"]["options"]}
    assert all(option["doc"] for one in found.values() for option in one["options"])


@pytest.mark.parametrize("package", PACKAGES)
def test_their_own_tests_pass(python, package):
    """Which take each through the conformance kit, with a real embedder and a real GGUF model."""
    done = python("-m", "pytest", "-p", "no:cacheprovider", cwd=PLUGINS / package)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout


def test_twt_plugins_check_finds_no_fault(python):
    done = python(TWT, "plugins", "check", "twt-dpp", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (checked,) = json.loads(done.stdout)["components"]
    assert (checked["name"], checked["distribution"]) == ("dpp", "twt-dpp 0.1.0")
    assert len([check for check in checked["checks"] if check["passed"]]) > 5


@pytest.mark.parametrize("package", PACKAGES)
def test_their_examples_load(python, package):
    """Which without the packages are refused, with the name that is missing."""
    code = "import pathlib, sys; from twt_core.config import load_config; load_config(pathlib.Path(sys.argv[1]))"
    config = str(PLUGINS / package / "example.yaml")
    assert python("-c", code, config).stderr == ""
    without = subprocess.run([sys.executable, "-c", code, config], capture_output=True, text=True, check=False)
    assert f"is called '{package.removeprefix('twt-')}'" in without.stderr
