"""The same training on several processes, by `accelerate launch`.

Run by it, this module is one of the processes: ``accelerate launch -m twt_core.student.launching JOB``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twt_core.errors import InputError, TwtError
from twt_core.progress import Progress
from twt_core.student.training import Training, train_stage

_JOB = "job.json"
_REFUSED = "refused.txt"


def train_on_several(job: Training, progress: Progress) -> None:
    """Train a stage on ``job.student.processes`` processes of this machine.

    Raises:
        InputError: as `train_stage`.
        TwtError: as `train_stage`, or a process ended without a word.
    """
    job.work.mkdir(parents=True, exist_ok=True)
    refused = job.work / _REFUSED
    refused.unlink(missing_ok=True)
    file = job.work / _JOB
    file.write_text(job.model_dump_json(), encoding="utf-8")
    count = job.student.processes
    # So it starts one process a part, on a CPU, too, where its own --cpu starts one in all or asks for MPI.
    command = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", str(count), "--num_machines", "1"]
    command += ["--dynamo_backend", "no", "--mixed_precision", "no", "--main_process_port", "0"]
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // count))
    done = subprocess.run(
        [sys.executable, "-m", *command, "-m", __name__, str(file), *(["--quiet"] if progress.quiet else [])],
        env={**os.environ, "OMP_NUM_THREADS": threads},
        stdout=sys.stderr,
        check=False,
    )
    if refused.is_file():
        kind, _, message = refused.read_text(encoding="utf-8").partition("\n")
        raise InputError(message) if kind == InputError.__name__ else TwtError(message)
    if done.returncode:
        raise TwtError(f"stage {job.stage.name}: training on {count} processes ended with code {done.returncode}")


def main(file: Path, *, quiet: bool) -> None:
    """One process's part of a training. What ends it is left in a file, for the process that launched it."""
    job = Training.model_validate_json(file.read_text(encoding="utf-8"))
    first = os.environ.get("RANK", "0") == "0"
    try:
        train_stage(job, Progress(quiet=quiet or not first))
    except TwtError as error:
        kind = InputError if isinstance(error, InputError) else TwtError
        (job.work / _REFUSED).write_text(f"{kind.__name__}\n{error}", encoding="utf-8")
        sys.exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), quiet="--quiet" in sys.argv[2:])
