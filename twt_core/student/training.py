"""One stage of LoRA training on transformers' Trainer: one adapter, carried on from stage to stage.

TRL's trainer scores every position on a CPU; here rows are padded on the left, so that all targets end at the right
edge and the model's `logits_to_keep` scores only those, for any architecture.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from twt_core.errors import InputError, TwtError
from twt_core.progress import Progress, Task
from twt_core.records import Stage
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import Encoded, Target, encode_target
from twt_core.student.loading import device_of, half_precision, load_model, load_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

IGNORED = -100


def train_stage(  # what a stage is: its start, its data, its settings, its place
    base: Path | str,
    adapter: Path | None,
    targets: Sequence[Target],
    stage: Stage,
    student: StudentConfig,
    seed: int,
    out: Path,
    progress: Progress,
) -> None:
    """Train an adapter on `targets` and save it to `out`, with new optimizer and schedule (section 3.2).

    Args:
        base: the untouched model.
        adapter: the last stage's adapter to go on from; None starts a new one.
        targets: prompts with the texts to learn.
        stage: overrides of epochs and learning rate.
        student: LoRA and training settings.
        seed: of the adapter's start and the order of rows.
        out: folder to save to.
        progress: told of every step.

    Raises:
        InputError: no row fits `max_length`, or a LoRA target matches no module.
        TwtError: the loss is not a number.
    """
    import torch
    from transformers import PrinterCallback, Trainer, set_seed

    class StageTrainer(Trainer):
        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False,
            num_items_in_batch: Any = None,  # the Trainer gives it; the loss is a mean over the batch
        ) -> Any:  # fmt: skip
            labels = inputs.pop("labels")
            outputs = model(**inputs, logits_to_keep=labels.shape[1])
            # The logits at position t predict the label at t + 1, and both end at the right edge.
            loss = torch.nn.functional.cross_entropy(
                outputs.logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=IGNORED
            )
            return (loss, outputs) if return_outputs else loss

    set_seed(seed)
    tokenizer = load_tokenizer(base)
    rows = _fitting([(t.name, encode_target(tokenizer, t)) for t in targets], student.max_length, progress)
    device = device_of(student)
    model = _with_adapter(load_model(base, torch.float32, device), adapter, student)
    arguments = _arguments(student, stage, seed, out, bf16=half_precision(student) == torch.bfloat16)
    steps = math.ceil(len(rows) / student.batch_size) * math.ceil(arguments.num_train_epochs)
    with progress.task("training", {stage.name: steps}) as task:
        trainer = StageTrainer(
            model=model,
            args=arguments,
            train_dataset=rows,
            data_collator=Collator(int(tokenizer.pad_token_id), student.loss_on),
            callbacks=[_follow(task, stage.name)],
        )
        trainer.remove_callback(PrinterCallback)
        result = trainer.train()
    if not math.isfinite(result.training_loss):
        raise TwtError(f"stage {stage.name}: the loss became {result.training_loss}. Lower student.learning_rate")
    model.save_pretrained(out)
    _make_repeatable(out, student.model)


def _make_repeatable(adapter: Path, base: str) -> None:
    # peft writes the path that the base was loaded from, the names of the modules from a set, in another order each
    # time, and an empty model card: the bytes would differ from place to place.
    config = adapter / "adapter_config.json"
    settings = json.loads(config.read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = base
    if isinstance(settings["target_modules"], list):
        settings["target_modules"].sort()
    config.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (adapter / "README.md").unlink(missing_ok=True)


def _fitting(rows: list[tuple[str, Encoded]], max_length: int, progress: Progress) -> list[Encoded]:
    """The rows of at most `max_length` tokens. A longer one is left out whole: cut, it would teach a wrong end."""
    long = [name for name, row in rows if len(row["input_ids"]) > max_length]
    if len(long) == len(rows):
        raise InputError(f"student.max_length: none of the {len(rows)} training texts fits {max_length} tokens")
    if long:
        progress.say(f"left out {len(long)} training texts over max_length={max_length} tokens: {', '.join(long[:5])}")
    return [row for _, row in rows if len(row["input_ids"]) <= max_length]


def _with_adapter(model: PreTrainedModel, adapter: Path | None, student: StudentConfig) -> Any:
    from peft import LoraConfig, PeftModel, get_peft_model

    if adapter is not None:
        return PeftModel.from_pretrained(model, adapter, is_trainable=True)
    targets = student.lora.target_modules
    modules = targets if isinstance(targets, str) else list(targets)
    config = LoraConfig(
        r=student.lora.r,
        lora_alpha=student.lora.alpha,
        lora_dropout=student.lora.dropout,
        target_modules=modules,
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        there = sorted({n.rpartition(".")[2] for n, m in model.named_modules() if type(m).__name__ == "Linear"})
        raise InputError(
            f"student.lora.target_modules: {modules} matches no module; the linear ones are: {', '.join(there)}"
        ) from error


def _arguments(student: StudentConfig, stage: Stage, seed: int, out: Path, *, bf16: bool) -> Any:
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=str(out),
        per_device_train_batch_size=student.batch_size,
        num_train_epochs=stage.epochs or student.epochs,
        learning_rate=stage.learning_rate or student.learning_rate,
        seed=seed,
        data_seed=seed,
        bf16=bf16,
        use_cpu=device_of(student) == "cpu",
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        save_strategy="no",
        logging_steps=1,
        logging_nan_inf_filter=False,  # else a loss that became NaN is averaged away and never seen
        disable_tqdm=True,
        report_to="none",
        log_level="error",
    )


def _follow(task: Task, part: str) -> Any:
    from transformers import TrainerCallback

    class Follow(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            if logs and "loss" in logs:
                task.advance(part, note=f"loss {float(logs['loss']):.3f}")

    return Follow()


class Collator:
    """Pads rows on the left; labels hold the last positions only, as many as the longest target needs.

    Args:
        pad: id to pad with; masked out.
        loss_on: ``completion`` learns the completion and its end; ``sequence`` the prompt too, as eq. 4 is written.
    """

    def __init__(self, pad: int, loss_on: Literal["completion", "sequence"]) -> None:
        self._pad, self._loss_on = pad, loss_on

    def __call__(self, rows: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        """``input_ids``, ``attention_mask``, ``position_ids``: (rows, width); ``labels``: (rows, kept), kept <= width.

        The first label column is never learned: it only lines the labels up with the logits that predict the next.
        """
        import torch

        width = max(len(row["input_ids"]) for row in rows)
        ids = torch.tensor([[self._pad] * (width - len(row["input_ids"])) + row["input_ids"] for row in rows])
        mask = torch.tensor([[0] * (width - len(row["input_ids"])) + [1] * len(row["input_ids"]) for row in rows])
        learned = [
            len(row["input_ids"]) - (row["prompt_length"] if self._loss_on == "completion" else 1) for row in rows
        ]
        kept = max(learned) + 1
        labels = torch.full((len(rows), kept), IGNORED)
        for index, count in enumerate(learned):
            labels[index, kept - count :] = ids[index, width - count :]
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": (mask.cumsum(1) - 1).clamp(min=0),
            "labels": labels,
        }
