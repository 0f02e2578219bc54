"""What Tab gives, asked as bash asks it; and the scripts that the shells source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from twt_core.cli import completing

Complete = Callable[[str], list[str]]

_BASH = """\
source <(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION=1 twt --show-completion bash)
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_twt_completion twt
printf '%s\\n' "${COMPREPLY[@]}"
"""


def environment(**more: str) -> dict[str, str]:
    programs = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([programs, os.environ["PATH"]]), **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two configs, a run, a bench, an evaluation, and what is none of these."""
    for name in (
        "run.yaml",
        "other.yml",
        "rows.jsonl",
        "sub/deep.yaml",
        "runs/one/queries.jsonl",
        "runs/two/notes.txt",
        "runs/grid/bench.json",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for step in ("01-annotations", "07-full-student", "14-answer_only-student"):
        (tmp_path / "runs" / "one" / step).mkdir()
    (tmp_path / "evaluations" / "one-test").mkdir(parents=True)
    (tmp_path / "evaluations" / "one-test" / "identity.json").touch()
    return tmp_path


@pytest.fixture
def complete(folder: Path) -> Complete:
    """What the program answers to a line whose last word is being typed."""

    def asked(line: str) -> list[str]:
        words = line.split(" ")
        done = subprocess.run(
            [Path(sys.executable).with_name("twt")],
            env=environment(_TWT_COMPLETE="complete_bash", COMP_WORDS="\n".join(words), COMP_CWORD=str(len(words) - 1)),
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stderr == ""
        return done.stdout.split()

    return asked


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("twt ev", ["evaluate"]),
        ("twt run ", ["other.yml", "run.yaml"]),
        ("twt plan sub/", ["sub/deep.yaml"]),
        ("twt plan runs/", []),
        ("twt status ", ["runs/one"]),
        ("twt status runs/o", ["runs/one"]),
        ("twt compare ", ["evaluations/one-test", "runs/one"]),
        ("twt answer runs/one What? --stage ", ["untouched", "full", "answer_only"]),
        ("twt evaluate runs/one --stage f", ["full"]),
        ("twt evaluate model --task python", ["python_function"]),
        ("twt report runs/", ["runs/grid", "runs/one"]),
        ("twt plugins te", ["teacher"]),
        ("twt plugins ch", ["check"]),
        ("twt plugins check twt-d", ["twt-distill"]),
        ("twt plugins check compressor/fixed", ["compressor/fixed_length"]),
        ("twt plugins teacher lite", ["litellm"]),
        ("twt plugins new p --kind comp", ["compressor"]),
        ("twt run run.yaml --set student.lora.a", ["student.lora.alpha="]),
        ("twt run run.yaml --set stage_scheduler.use=th", ["stage_scheduler.use=three_stage"]),
        ("twt run run.yaml --set quality_filter.min", ["quality_filter.minimum="]),
    ],
)
def test_what_tab_gives(complete, line, wanted):
    assert complete(line) == wanted


def test_all_commands_are_offered(complete):
    assert {"run", "plan", "status", "plugins", "schema", "init", "answer", "evaluate", "compare", "export"} <= set(
        complete("twt ")
    )


def test_bash_itself(folder):
    """The script that `--show-completion` prints, sourced by a real bash."""
    done = subprocess.run(
        ["bash", "--norc", "-c", _BASH, "bash", "twt", "status", ""],
        env=environment(), cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["runs/one"]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"_TWT_COMPLETE": "complete_zsh"}, "_arguments '*: :((\"runs/one\"))'"),
        ({"_TWT_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}, "runs/one"),
    ],
)
def test_the_other_shells_are_answered_in_their_way(folder, asked, wanted):
    done = subprocess.run(
        [Path(sys.executable).with_name("twt")],
        env=environment(_TYPER_COMPLETE_ARGS="twt status ", **asked),
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == wanted


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script(shell, folder):
    """Its syntax is checked where the shell is installed; bash is everywhere."""
    script = subprocess.run(
        [Path(sys.executable).with_name("twt"), "--show-completion", shell],
        env=environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    file = folder / "completion"
    file.write_text(script, encoding="utf-8")
    assert f"_TWT_COMPLETE=complete_{shell}" in script
    if shutil.which(shell):
        assert subprocess.run([shell, "-n", file], capture_output=True, check=False).returncode == 0


def test_nothing_is_offered_where_nothing_can_be_read(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert completing.run_folders("none/") == []
    assert completing.config_files("none/") == []


def test_a_plugin_that_breaks_the_contract_breaks_no_line(monkeypatch):
    from twt_core import plugins
    from twt_core.errors import InputError

    def broken() -> None:
        raise InputError("a plugin")

    monkeypatch.setattr(plugins, "registry", broken)
    assert completing.task_evaluators() == []
    assert (
        "student.epochs=",
        "Passes over the examples in each stage (the paper's is 4).",
    ) in completing.override_keys()
