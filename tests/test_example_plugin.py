"""A real third-party package: installed, listed, named in a config, run, and put through the contract tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import project
import pytest

TWT = str(Path(sys.executable).with_name("twt"))


@pytest.fixture
def with_plugin(example_plugin):
    """Run a command where the package is installed."""

    def call(*command):
        environment = {**os.environ, "PYTHONPATH": str(example_plugin)}
        return subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True, check=False)

    return call


def test_it_is_listed_with_its_distribution(with_plugin):
    listed = json.loads(with_plugin(TWT, "plugins", "--json").stdout)
    found = {(one["kind"], one["name"]): one for one in listed if one["distribution"] == "twt-example-plugin 0.3.0"}
    assert set(found) == {
        ("confidence_scorer", "brevity"), ("diversity_selector", "longest_pair"), ("task_evaluator", "one_word"),
    }  # fmt: skip
    assert found["confidence_scorer", "brevity"]["options"][0]["name"] == "longest"
    assert "twt-example-plugin 0.3.0" in with_plugin(TWT, "plugins").stdout
    schema = with_plugin(TWT, "schema").stdout
    assert "longest_pair" in schema


def test_a_run_with_it(with_plugin, again):
    with again.config.open("a", encoding="utf-8") as file:
        file.write("confidence_scorer: {use: brevity, longest: 20}\nquality_filter: {use: threshold, minimum: 0.4}\n")
    text = again.config.read_text(encoding="utf-8").replace("{use: random_pair}", "{use: longest_pair}")
    again.config.write_text(text, encoding="utf-8")
    done = with_plugin(
        TWT, "run", again.config, "--runs-dir", again.runs, "--set", "stage_scheduler.use=standard_kd", "--json"
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["versions"]["twt-example-plugin"] == "0.3.0"
    assert summary["annotations"]["kept"] > 0
    assert "01-annotations: on disk" in done.stderr
    rows = project.rows_of(again.folder, "scored")
    assert all(row["confidence"] == pytest.approx(1 - len(row["rationale"].split()) / 20) for row in rows)
    chosen = project.rows_of(again.folder, "selected")
    assert max(sum(row["query_id"] == query["id"] for row in chosen) for query in project.queries()) == 2


def test_a_run_of_its_task(with_plugin, again):
    """A prompt, a parser and a check take a student through: the engine has the rest."""
    done = with_plugin(
        TWT, "run", again.config, "--runs-dir", again.runs, "--set", "task_evaluator={use: one_word}",
        "--set", "quality_filter={use: top_fraction, fraction: 0.5}", "--set", "confidence_scorer.use=agreement",
        "--set", "stage_scheduler.use=standard_kd", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["versions"]["twt-example-plugin"] == "0.3.0"
    assert {row["verdict"] for row in project.rows_of(again.folder, "answer_only-test-scores")} <= {
        "right", "wrong", "no_answer"
    }  # fmt: skip


def test_the_kit_checks_its_task(with_plugin):
    code = (
        "from twt_core.records import Query\n"
        "from twt_core.testing import check_task_evaluator\n"
        "from twt_example_plugin import OneWord\n"
        "check_task_evaluator(OneWord(), [Query(id='q', query='Which is it?', answer='seven', other_answers=('7',))])\n"
    )
    done = with_plugin(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    worse = code.replace("check_task_evaluator(One", "OneWord.same = lambda *_: True\ncheck_task_evaluator(One")
    failed = with_plugin(sys.executable, "-c", worse)
    assert failed.returncode == 1
    assert "Nonconformity: task_evaluator 'one_word' breaks its contract" in failed.stderr


def test_without_it_the_config_says_what_is_missing(again, twt):
    said = twt("plan", again.config, "--runs-dir", again.runs, "--set", "diversity_selector.use=longest_pair")
    assert said.code == 2
    assert "no diversity_selector is called 'longest_pair'" in said.err


def test_it_holds_to_the_contract(with_plugin):
    tests = Path(__file__).with_name("test_contract_all.py")
    done = with_plugin(
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-k",
        "brevity or longest_pair or one_word",
        tests,
        "-vv",
    )
    assert done.returncode == 0, done.stdout
    for name in ("brevity", "longest_pair", "one_word"):
        assert done.stdout.count(name) >= 3
