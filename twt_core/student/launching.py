"""The same training on several processes, by `accelerate launch`.

Run by it, this module is one of the processes: ``accelerate launch -m twt_core.student.launching JOB PID``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from twt_core.errors import InputError, TwtError
from twt_core.progress import Progress
from twt_core.student.training import Training, train_stage

_JOB = "job.json"
_REFUSED = "refused.txt"
#: Seconds that interrupted processes are given to end.
_GRACE = 30.0
#: Seconds between two looks at whether the launching process is there.
_GLANCE = 0.25


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
    quiet = ["--quiet"] if progress.quiet else []
    code = _run(
        [sys.executable, "-m", *command, "-m", __name__, str(file), str(os.getpid()), *quiet],
        {**os.environ, "OMP_NUM_THREADS": threads},
    )
    if refused.is_file():
        kind, _, message = refused.read_text(encoding="utf-8").partition("\n")
        raise InputError(message) if kind == InputError.__name__ else TwtError(message)
    if code:
        raise TwtError(f"stage {job.stage.name}: training on {count} processes ended with code {code}")


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run a command to its end; when we are interrupted, it is, too, before anything else."""
    process = subprocess.Popen(command, env=environment, stdout=sys.stderr)
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()


def end_with(launcher: int) -> None:
    """End this process soon after the one that launched the training: killed, it could tell nobody.

    The processes of a training have sessions of their own, and would train on beside the next `twt run`.
    """

    def watch() -> None:
        while _there(launcher):
            time.sleep(_GLANCE)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(file: Path, *, quiet: bool) -> None:
    """One process's part of a training. What ends it is left in a file, for the process that launched it."""
    job = Training.model_validate_json(file.read_text(encoding="utf-8"))
    first = os.environ.get("RANK", "0") == "0"
    try:
        train_stage(job, Progress(quiet=quiet or not first))
        _leave_together()
    except TwtError as error:
        kind = InputError if isinstance(error, InputError) else TwtError
        (job.work / _REFUSED).write_text(f"{kind.__name__}\n{error}", encoding="utf-8")
        sys.exit(1)


def _leave_together() -> None:
    # A process that is gone while another still saves breaks that one's connection, which may abort it.
    import torch

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    end_with(int(sys.argv[2]))
    main(Path(sys.argv[1]), quiet="--quiet" in sys.argv[3:])
