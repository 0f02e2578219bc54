"""What looks on while a stage trains: progress, the end of a loss that is no number, checkpoints by the clock."""

from __future__ import annotations

import math
import time
from typing import Any, TypeVar

from twt_core.errors import TwtError
from twt_core.progress import Task
from twt_core.student.batches import Order

T = TypeVar("T")


def followers(task: Task, stage: str, order: Order, checkpoint_seconds: float) -> list[Any]:
    """transformers' `TrainerCallback`s of a stage.

    Raises:
        TwtError: in training, when the loss is not a number.
    """
    from transformers import TrainerCallback

    class Loss(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step:
                task.advance(stage, state.global_step, note="from a checkpoint")

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            if logs is None or "loss" not in logs:
                return
            loss, norm = float(logs["loss"]), float(logs.get("grad_norm", 0))
            if not (math.isfinite(loss) and math.isfinite(norm)):
                what = f"loss became {loss}" if not math.isfinite(loss) else f"gradient became {norm}"
                raise TwtError(
                    f"stage {stage}: the {what} in step {state.global_step}. Lower student.learning_rate and run "
                    "again: the student is then trained anew from its first stage, and no teacher is asked twice"
                )
            task.advance(stage, note=f"loss {loss:.3f}")

    class Epoch(TrainerCallback):
        def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            order.epoch = math.floor((state.epoch or 0) + 1e-6)

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self._last = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            due = time.monotonic() - self._last >= checkpoint_seconds and state.global_step < state.max_steps
            if agreed(due):
                control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._last = time.monotonic()  # after it: one that takes longer than the interval must not follow itself

    return [Loss(), Epoch(), Clock()]


def agreed(value: T) -> T:
    """What the first of several processes says: they save together, and go on from the same checkpoint."""
    import torch

    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return value
    said: list[T] = [value]
    torch.distributed.broadcast_object_list(said, src=0)
    return said[0]
