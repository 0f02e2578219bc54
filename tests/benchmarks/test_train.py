"""The training benchmark at a tiny size: all sides run and report on the same texts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "train.py"


def test_all_sides_train_the_same_texts(model, tmp_path):
    output = tmp_path / "train.json"
    options = ["--base", str(model), "--texts", "8", "--rounds", "1", "--threads", "1", "--output", str(output)]
    done = subprocess.run([sys.executable, str(BENCHMARK), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(output.read_text(encoding="utf-8"))
    assert set(found["tokens_per_second"]) == {"twt", "by_hand", "trl"}
    assert set(found["twt_speed_ratio"]) == {"by_hand", "trl"}
    assert found["tokens"] > 8 * 20
    losses = {turn["side"]: turn["loss"] for turn in found["turns"]}
    assert max(losses.values()) - min(losses.values()) < 0.2  # one batch each: the same texts, the same start
