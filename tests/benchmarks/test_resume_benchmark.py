"""The resume benchmark at a tiny size: a killed run ends as the unbroken one, and what was done again is counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "resume.py"


def test_a_kill_costs_no_more_than_was_done(tmp_path):
    output = tmp_path / "resume.json"
    options = ["--points", "2", "--epochs", "2", "--checkpoint-seconds", "0", "--output", str(output)]
    done = subprocess.run([sys.executable, str(BENCHMARK), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(output.read_text(encoding="utf-8"))
    assert found["all_bitwise_the_same"]
    assert len(found["kills"]) == 2
    assert all(kill["redone"] <= 2 for kill in found["kills"])  # a checkpoint at each step: the one under way, at most
