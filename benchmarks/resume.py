"""What a kill costs: SIGKILL at random training steps of a whole run, which is then gone on with to its end.

The run is of recorded teachers and a random-weight student, made on the spot, in three stages. It is killed once for
each point, drawn evenly over all training steps; each run starts from nothing. Counted are training steps: those done
before the kill, and those of them that were done again after it. The finished run must be the unbroken one, byte for
byte. Processes are forked from one that has the libraries loaded, so importing is not in it:

    python benchmarks/resume.py --output docs/results/resume.json [--points 20] [--checkpoint-seconds 1] [--epochs 30]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import project
import tiny_model

from twt_core import session
from twt_core.progress import Progress
from twt_core.student import training

SEED = 0


class Kill(NamedTuple):
    """A killed run. Steps are training steps; `same` says that the finished run is the unbroken one."""

    at_step: int
    done: int
    redone: int
    share: float
    same: bool


def logged(log: Path) -> None:
    """Have each training step leave a line in a file, however the process ends."""
    from transformers import TrainerCallback

    followers = training.followers

    def more(task: Any, stage: str, *rest: Any) -> list[Any]:
        class Log(TrainerCallback):
            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                with log.open("a", encoding="utf-8") as file:
                    file.write(f"{stage} {state.global_step}\n")

        return [*followers(task, stage, *rest), Log()]

    training.followers = more


def start(config: Path, runs: Path, log: Path, sets: Sequence[str]) -> int:
    """Run in a process of its own; its id."""
    if child := os.fork():
        return child
    code = 1
    try:
        logged(log)
        session.run(config, sets, runs, None, Progress(quiet=True))
        code = 0
    finally:
        os._exit(code)


def steps_in(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines() if log.is_file() else []


@contextmanager
def made(folder: Path, model: Path) -> Iterator[tuple[Path, Path, Path]]:
    """A fresh project: its config, its folder of runs, its log of steps."""
    with TemporaryDirectory(dir=folder) as own:
        config = project.make(Path(own), model, count=24)
        yield config, Path(own) / "runs", Path(own) / "steps.log"


def contents(run: Path) -> str:
    """A hash of all that the run's steps hold."""
    return hashlib.sha256(json.dumps(project.contents(run)).encode()).hexdigest()


def finish(config: Path, runs: Path, log: Path, sets: Sequence[str]) -> None:
    _, status = os.waitpid(start(config, runs, log, sets), 0)
    if status:
        raise SystemExit(f"the run ended with {status}")


def killed(folder: Path, model: Path, at_step: int, sets: Sequence[str], unbroken: str) -> Kill:
    """Kill a run at a training step, go on with it, and count what was done again."""
    with made(folder, model) as (config, runs, log):
        child = start(config, runs, log, sets)
        while len(steps_in(log)) < at_step:
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        before = steps_in(log)
        finish(config, runs, log, sets)
        redone = len(set(before) & set(steps_in(log)[len(before) :]))
        share = round(redone / len(before), 4)
        return Kill(at_step, len(before), redone, share, contents(runs / "tiny") == unbroken)


def measure(points: int, checkpoint_seconds: float, epochs: int) -> dict[str, Any]:
    """Kills at random points of a run; what each cost."""
    sets = [f"student.checkpoint_seconds={checkpoint_seconds}", f"student.epochs={epochs}"]
    with TemporaryDirectory() as name:
        folder = Path(name)
        model = tiny_model.build(folder / "model", project.texts())
        with made(folder, model) as (config, runs, log):
            began = time.perf_counter()
            finish(config, runs, log, sets)
            seconds, total, unbroken = time.perf_counter() - began, len(steps_in(log)), contents(runs / "tiny")
        drawn = sorted(random.Random(SEED).sample(range(1, total), points))
        kills = []
        for at_step in drawn:
            kills.append(killed(folder, model, at_step, sets, unbroken))
            print(kills[-1], file=sys.stderr)
    return {
        "points": points, "steps": total, "unbroken_seconds": round(seconds, 1),
        "checkpoint_seconds": checkpoint_seconds,
        "versions": {package: version(package) for package in ("torch", "transformers", "peft")},
        "redone_share_median": round(median(kill.share for kill in kills), 4),
        "redone_share_mean": round(mean(kill.share for kill in kills), 4),
        "redone_of_all_done": round(sum(kill.redone for kill in kills) / sum(kill.done for kill in kills), 4),
        "all_bitwise_the_same": all(kill.same for kill in kills),
        "kills": [kill._asdict() for kill in kills],
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--checkpoint-seconds", type=float, default=1.0)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args(arguments)
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
    import torch

    torch.set_num_threads(1)  # a process with running threads must not fork
    result = json.dumps(measure(given.points, given.checkpoint_seconds, given.epochs), indent=2)
    if given.output:
        given.output.write_text(result + "\n", encoding="utf-8")
    else:
        print(result)


if __name__ == "__main__":
    main()
