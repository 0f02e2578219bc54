"""`twt plugin new`: names are checked, and what is written is installed, linted, tested and checked as it stands."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from twt_core import hookspecs, plugins
from twt_core.config import load_config, template_config
from twt_core.errors import InputError
from twt_core.plugin_kit import new, new_plugin

KINDS = [base.kind for base in plugins.KINDS.values()]

#: As many characters as a name may have, so that lines are as long as they get.
LONGEST = "c" * 40


def distribution(kind):
    return f"twt-trial-{kind.replace('_', '-')}"


class Written(NamedTuple):
    """One package of each kind, and an environment in which all are installed."""

    root: Path
    python: Path

    def call(self, *command):
        return subprocess.run(
            [self.python, *map(str, command)], cwd=self.root, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A virtual environment of its own, which sees the packages of this one, TwT among them."""
    root = tmp_path_factory.mktemp("plugins")
    editable = []
    for kind in KINDS:
        editable += ["-e", new_plugin(distribution(kind), kind, root).folder]
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    said = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    seen = [path for path in sys.path if Path(path).name == "site-packages"]
    (Path(said.stdout.strip()) / "main.pth").write_text(
        "".join(f"import site; site.addsitedir({path!r})\n" for path in seen), encoding="utf-8"
    )
    subprocess.run(
        [
            sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-build-isolation",
            "--no-index", "--disable-pip-version-check", *editable,
        ],
        check=True,
    )  # fmt: skip
    return Written(root, python)


def test_all_pass_their_own_tests(written):
    done = written.call("-m", "pytest", "-p", "no:cacheprovider", "-v", "--rootdir", written.root, ".")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("test_it_holds_to_the_contract PASSED") == len(KINDS)


def test_all_are_installed_and_pass_the_kit(written):
    script = (
        "import json, sys\n"
        "from twt_core.testing.checking import check_installed\n"
        "for name in sys.argv[1:]:\n"
        "    options = ['command=[cat]'] if 'teacher' in name else []\n"
        "    print(check_installed(name, None, options).model_dump_json())\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = written.call("-c", script, *map(distribution, KINDS))
    assert done.returncode == 0, done.stderr
    assert '"passed":false' not in done.stdout
    assert re.findall(r'"name":"(\w+)","says":"[^"]*","passed":null', done.stdout) == ["complete"]  # it may cost money
    for kind in KINDS:
        assert f'"kind":"{kind}","name":"trial_{kind}","distribution":"{distribution(kind)} 0.1.0"' in done.stdout


def test_all_are_typed(written):
    done = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--python-executable", written.python, "--cache-dir", written.root / ".cache",
            "--config-file", written.root / distribution("teacher") / "pyproject.toml",
            *written.root.glob("*/src/*/__init__.py"), *written.root.glob("*/tests/*.py"),
        ],
        cwd=written.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("component", ["ab", LONGEST])
def test_all_are_formatted_and_linted_whatever_their_names(component, tmp_path):
    for number, kind in enumerate(KINDS):
        new_plugin(f"{component[:38]}-{number}", kind, tmp_path, component)
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["format", "--check"], ["check"]):
        done = subprocess.run(
            [*ruff, *command, "--no-cache", tmp_path], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout


def test_it_has_all_that_a_package_needs(tmp_path):
    start = new_plugin("Twt-My.Selector", "diversity_selector", tmp_path)
    assert (start.package, start.component, start.class_name) == ("twt_my_selector", "my_selector", "MySelector")
    assert start.folder == tmp_path / "Twt-My.Selector"
    files = {str(path.relative_to(start.folder)) for path in start.folder.rglob("*") if path.is_file()}
    assert files == {
        ".github/workflows/ci.yml", ".gitignore", "README.md", "pyproject.toml", "src/twt_my_selector/__init__.py",
        "src/twt_my_selector/py.typed", "tests/test_twt_my_selector.py",
    }  # fmt: skip
    project = tomllib.loads((start.folder / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["entry-points"] == {"twt": {"my_selector": "twt_my_selector"}}
    assert project["project"]["dependencies"] == [f"twt-distill>={version('twt-distill')}"]
    workflow = yaml.safe_load((start.folder / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["test"]["steps"]
    assert steps[1]["with"]["python-version"] == "${{ matrix.python }}"
    assert [path.name for path in tmp_path.iterdir()] == ["Twt-My.Selector"]


@pytest.mark.parametrize(
    ("engine", "requirement"),
    [("1.2.3", "twt-distill>=1.2.3"), ("1.2.dev3+g123", "twt-distill>=1.2.dev3"), ("not installed", "twt-distill")],
)
def test_it_requires_the_version_that_it_was_written_with(engine, requirement, tmp_path, monkeypatch):
    monkeypatch.setattr(new, "engine_version", lambda: engine)
    start = new.new_plugin("twt-trial", "compressor", tmp_path)
    project = tomllib.loads((start.folder / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dependencies"] == [requirement]


def test_it_states_the_contract_that_it_was_written_for(tmp_path, monkeypatch):
    monkeypatch.setattr(hookspecs, "CONTRACT_VERSION", 7)
    start = new_plugin("twt-trial", "quality_filter", tmp_path)
    module = (start.folder / "src" / "twt_trial" / "__init__.py").read_text(encoding="utf-8")
    assert "\nTWT_CONTRACT = 7\n" in module


@pytest.mark.parametrize("kind", KINDS)
def test_the_readmes_config_loads(kind, tmp_path, monkeypatch):
    """With the component registered, the line that the README shows is one."""
    start = new_plugin("twt-trial", kind, tmp_path)
    module = tmp_path / "module.py"
    module.write_text((start.folder / "src/twt_trial/__init__.py").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "module", raising=False)
    found = plugins.Registry()
    for entry in plugins.registry():
        found.components[entry.kind][entry.name] = entry
    plugins.join(found, importlib.import_module("module"), "twt-trial 0.1.0")
    monkeypatch.setattr(plugins, "registry", lambda: found)
    readme = (start.folder / "README.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    value = yaml.safe_load(shown)
    assert "trial" in shown
    source = {**yaml.safe_load(template_config()), **value}
    for name in ("queries.jsonl", "test.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(source), encoding="utf-8")
    load_config(tmp_path / "run.yaml")


@pytest.mark.parametrize(
    ("name", "kind", "component", "says"),
    [
        ("twt-x", "diversity_selecter", None, "--kind: .*'diversity_selecter'. Did you mean \"diversity_selector\"?"),
        ("twt x", "teacher", None, "'twt x' is no name for a distribution"),
        ("-twt", "teacher", None, "'-twt' is no name for a distribution"),
        ("../x", "teacher", None, "is no name for a distribution"),
        ("", "teacher", None, "'' is no name for a distribution"),
        ("a" * 41, "teacher", None, "40 characters at most"),
        ("pluggy", "teacher", None, f"pluggy: there is a distribution of that name, version {version('pluggy')}"),
        ("twt.distill", "teacher", None, "there is a distribution of that name"),
        ("7-of-9", "teacher", None, "Python cannot import '7_of_9'"),
        ("lambda", "teacher", None, "Python cannot import 'lambda'"),
        ("json", "teacher", None, "there is a module 'json' already"),
        ("twt-core", "teacher", None, "there is a module 'twt_core' already"),
        ("twt-litellm", "teacher", None, "twt-litellm: there is a teacher 'litellm' already, of twt-distill 0."),
        ("twt-x", "teacher", "replay", "--component: there is a teacher 'replay' already, of twt-distill 0."),
        ("twt-x", "teacher", "Re-play", "--component: 'Re-play' is no component name"),
        ("twt-x", "teacher", "", "--component: '' is no component name"),
        ("twt-7", "teacher", None, "twt-7: '7' is no component name"),
        ("twt-teacher", "teacher", None, "'teacher': its class would be Teacher, which the package imports"),
        ("twt-x", "quality_filter", "annotation", "its class would be Annotation, which the package imports"),
        ("twt-x", "compressor", "query", "its class would be Query, which the package imports"),
    ],
)
def test_a_name_that_will_not_do_is_refused(name, kind, component, says, tmp_path):
    with pytest.raises(InputError, match=says):
        new_plugin(name, kind, tmp_path, component)
    assert list(tmp_path.iterdir()) == []


def test_a_component_of_another_kind_may_have_the_name(tmp_path):
    assert new_plugin("twt-litellm", "quality_filter", tmp_path).component == "litellm"


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "twt-trial").mkdir()
    (tmp_path / "twt-link").symlink_to("nowhere")
    for name in ("twt-trial", "twt-link"):
        with pytest.raises(InputError, match="is there already; it is not overwritten"):
            new_plugin(name, "teacher", tmp_path)
    assert list((tmp_path / "twt-trial").iterdir()) == []
    with pytest.raises(InputError, match="none is no folder"):
        new_plugin("twt-new", "teacher", tmp_path / "none")


def test_nothing_is_left_of_one_that_cannot_be_written(tmp_path, monkeypatch):
    write = Path.write_text

    def full(path, text, **options):
        if path.name.startswith("test_"):
            raise OSError(28, "No space left on device")
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match="twt-trial: cannot write: No space left on device"):
        new_plugin("twt-trial", "teacher", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_is_next(twt, tmp_path):
    said = twt("plugin", "new", "twt-trial", "--kind", "stage_scheduler", "--component", "slower", "--dir", tmp_path)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0] == f"{tmp_path / 'twt-trial'} written. Next:"
    for line in (
        'pip install -e ".[dev]"',
        "pytest",
        "twt plugins stage_scheduler slower",
        "twt plugins check twt-trial",
    ):
        assert f"    {line}\n" in said.out
    assert 'register("slower", Slower)' in (tmp_path / "twt-trial/src/twt_trial/__init__.py").read_text(
        encoding="utf-8"
    )
    again = twt("plugins", "new", "twt-trial", "--kind", "stage_scheduler", "--dir", tmp_path)
    assert (again.code, again.out) == (2, "")
    assert again.err.startswith("twt: ") and "is there already" in again.err


def test_the_command_writes_without_the_heavy_libraries(tmp_path):
    script = (
        "import sys\nfrom twt_core.plugin_kit import new_plugin\nfrom pathlib import Path\n"
        "new_plugin('twt-trial', 'teacher', Path(sys.argv[1]))\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True)
