"""What trains a stage: transformers' Trainer with our loss, or TRL's; the same order of texts, the same checkpoints.

TRL's trainer scores every position on a CPU; here rows are padded on the left, so that all targets end at the right
edge and the model's `logits_to_keep` scores only those, for any architecture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twt_core.errors import InputError, TwtError
from twt_core.settings import Json
from twt_core.student import checkpoints
from twt_core.student.batches import IGNORED, Collator, LossOn, Order, learned_tokens
from twt_core.student.encoding import Encoded

#: What torch's writer says, in a RuntimeError, when nothing more fits.
_OF_TORCHS_WRITER = ("PytorchStreamWriter", "unexpected pos", "basic_ios", "iostream error")


def our_trainer(model: Any, arguments: Any, rows: Sequence[Encoded], collator: Collator) -> Any:
    """Our loss on transformers' Trainer.

    Args:
        model: in training precision, on the device.
        arguments: transformers' `TrainingArguments`.
        rows: the texts, fillers last.
        collator: makes batches of them.
    """
    import torch
    from transformers import Trainer

    class StageTrainer(_sound(Trainer)):  # type: ignore[misc]  # a class made at call time
        #: What the loss of each step is divided by; None: by the step's own tokens.
        tokens_a_step: float | None = None

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            labels, weights = inputs.pop("labels"), inputs.pop("weights")
            outputs = model(**inputs, logits_to_keep=labels.shape[1])
            # The logits at position t predict the label at t + 1, and both end at the right edge. Labels are moved, and
            # not logits, of which that would make a copy.
            following = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORED)
            losses = torch.nn.functional.cross_entropy(
                outputs.logits.flatten(0, 1).float(), following.flatten(), ignore_index=IGNORED, reduction="none"
            )
            total = (losses.view(len(labels), -1).sum(1) * weights).sum()
            # A mean over the tokens of the step, however it is divided among passes and processes: the Trainer adds
            # the passes up, and gradients are averaged over the processes.
            loss = total * self.args.world_size / (self.tokens_a_step or num_items_in_batch)
            return (loss, outputs) if return_outputs else loss

    trainer = StageTrainer(model=model, args=arguments, train_dataset=list(rows), data_collator=collator)
    trainer.model_accepts_loss_kwargs = True  # asks the Trainer to count the tokens of a step
    return trainer


def trl_trainer(model: Any, arguments: dict[str, Any], rows: Sequence[Encoded], tokenizer: Any, loss_on: LossOn) -> Any:
    """TRL's SFTTrainer, with its own padding and loss, on the texts as we encode them.

    Raises:
        InputError: the stage weighs its texts, which TRL has no place for.
    """
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    if any(row["weight"] not in (0, 1) for row in rows):  # 0: a filler
        raise InputError("student.trainer: trl cannot weigh texts, which this schedule does; use transformers")
    texts = [{"input_ids": row["input_ids"], "labels": _labels(row, loss_on)} for row in rows]
    config = one_device(SFTConfig(**arguments, dataset_kwargs={"skip_prepare_dataset": True}, max_length=None))
    return _sound(SFTTrainer)(
        model=model, args=config, train_dataset=Dataset.from_list(texts), processing_class=tokenizer
    )


def one_device(arguments: Any) -> Any:
    """Arguments of a process that trains on one device: the Trainer would divide a batch among all GPUs it sees."""
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1
    return arguments


def _labels(row: Encoded, loss_on: LossOn) -> list[int]:
    ids, count = row["input_ids"], learned_tokens(row, loss_on)
    return [IGNORED] * (len(ids) - count) + ids[len(ids) - count :]


def _sound(base: Any) -> Any:
    """A trainer with an order that a resumed training repeats, and with sealed checkpoints."""

    class Sound(base):  # type: ignore[misc]
        order: Order
        inputs: dict[str, Json]

        def _get_train_sampler(self, train_dataset: Any = None) -> Order:
            return self.order

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            folder = Path(self.args.output_dir)
            with writing(folder):
                super()._save_checkpoint(model, trial)
                self.accelerator.wait_for_everyone()
                if self.args.should_save:
                    checkpoints.seal(folder / f"checkpoint-{self.state.global_step}", self.inputs)

    return Sound


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what a full disk makes the libraries raise into one message.

    Raises:
        TwtError: something could not be written.
    """
    import torch
    from safetensors import SafetensorError

    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(sign in str(error) for sign in _OF_TORCHS_WRITER):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TwtError(
            f"{folder}: cannot write: {reason}. Make room and run again: the stage goes on from its last checkpoint"
        ) from error
