"""One stage of training: one student, carried on from stage to stage, with a new optimizer and schedule each time."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from twt_core.errors import InputError
from twt_core.progress import Progress
from twt_core.records import Stage
from twt_core.run import MANIFEST
from twt_core.settings import Json, file_digest
from twt_core.student import checkpoints
from twt_core.student.batches import Collator, Order, filler, tokens_a_step, weighted
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import Encoded, Target, encode_target
from twt_core.student.followers import agreed, followers
from twt_core.student.loading import (
    device_of,
    enough_memory,
    half_precision,
    load_model,
    load_tokenizer,
    longest_text,
    no_such_module,
)
from twt_core.student.trainers import one_device, our_trainer, trl_trainer, writing

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: What the user set, before we do: where trackers are to write, if anywhere.
_GIVEN = dict(os.environ)

_LESS_MEMORY = "Lower student.micro_batch_size, or set student.gradient_checkpointing: true"

#: The loss of each step, in the stage's folder.
LOSSES = "losses.jsonl"


class Training(BaseModel):
    """What a stage of training is: its start, its texts, its settings, its places.

    Attributes:
        base: the untouched model.
        adapter: the last stage's student to go on from; None starts a new one.
        targets: prompts with the texts to learn.
        stage: name, and overrides of epochs and learning rate.
        student: LoRA and training settings.
        seed: of the adapter's start and the order of texts.
        out: folder to save the student to.
        work: folder for checkpoints.
        identity: the settings that it depends on, so that a checkpoint of others is told apart.
    """

    base: Path | str
    adapter: Path | None = None
    targets: list[Target]
    stage: Stage
    student: StudentConfig
    seed: int
    out: Path
    work: Path
    identity: Json = None


def train_stage(job: Training, progress: Progress) -> None:
    """Train a student on a stage's texts and save it, going on from the newest sound checkpoint (section 3.2).

    On a CPU the result is the same, byte for byte, whether and wherever it was interrupted.

    Raises:
        InputError: no text fits `max_length`, or a LoRA target matches no module.
        TwtError: the loss is not a number, the memory is too small, or the disk is full.
    """
    from transformers import set_seed

    set_seed(job.seed)
    tokenizer = load_tokenizer(job.base)
    encoded = [(target, encode_target(tokenizer, target)) for target in job.targets]
    texts = _fitting(encoded, min(job.student.max_length, longest_text(job.base)), job.stage.name, progress)
    order, rows = _ordered(weighted(texts, job.student.loss_on), job, int(tokenizer.eos_token_id))
    inputs = _inputs(job, texts)
    with writing(job.out), enough_memory(_LESS_MEMORY):
        work = checkpoints.folder_of(job.work, inputs)
        trainer = _trainer(job, rows, tokenizer, work)
        trainer.order, trainer.inputs = order, inputs
        trainer.tokens_a_step = tokens_a_step(texts, job.student.loss_on, job.student.batch_size)
        first = trainer.is_world_process_zero()
        found = agreed(checkpoints.newest(work, inputs, progress.say) if first else None)
        if found is not None:
            progress.say(f"stage {job.stage.name}: goes on from {found.name}")
        with progress.task("training", {job.stage.name: _steps(job, len(texts))}) as task:
            _train(trainer, found, followers(task, job.stage.name, order, job.student.checkpoint_seconds))
        if first:
            _save(trainer, job)
            _end_trackers(job.student)


def _train(trainer: Any, checkpoint: Path | None, followed_by: Sequence[Any]) -> None:
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    for follower in followed_by:
        trainer.add_callback(follower)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


def _save(trainer: Any, job: Training) -> None:
    losses = [row for row in trainer.state.log_history if "loss" in row]
    lines = [json.dumps({name: row[name] for name in ("step", "loss", "learning_rate")}) for row in losses]
    with writing(job.out):
        trainer.model.config.use_cache = True  # which the Trainer switches off
        trainer.model.save_pretrained(job.out)
        (job.out / LOSSES).write_text("\n".join(lines) + "\n", encoding="utf-8")
        if job.student.tuning == "lora":
            _make_repeatable(job.out, job.student.model)


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


def _fitting(
    texts: list[tuple[Target, Encoded]], longest: int, stage: str, progress: Progress
) -> list[tuple[Target, Encoded]]:
    """The texts of at most so many tokens. A longer one is left out whole: cut, it would teach a wrong end."""
    if not texts:
        raise InputError(
            f"stage {stage}: there is no text to learn; its objectives ask for rationales it does not have"
        )
    long = [target.name for target, row in texts if len(row["input_ids"]) > longest]
    if len(long) == len(texts):
        raise InputError(
            f"student.max_length: none of the {len(texts)} training texts fits {longest} tokens, "
            "which is it or what the model can read"
        )
    if long:
        progress.say(f"left out {len(long)} training texts over max_length={longest} tokens: {', '.join(long[:5])}")
    return [(target, row) for target, row in texts if len(row["input_ids"]) <= longest]


def _ordered(rows: list[Encoded], job: Training, end: int) -> tuple[Order, list[Encoded]]:
    """The order of an epoch, and the texts with as many fillers as several processes need for a whole last step."""
    missing = -len(rows) % job.student.batch_size if job.student.processes > 1 else 0
    lengths = [len(row["input_ids"]) for row in rows]
    fillers = range(len(rows), len(rows) + missing)
    return Order(lengths, job.student.batch_size, job.seed, fillers), rows + [filler(end)] * missing


def _steps(job: Training, texts: int) -> int:
    return math.ceil(math.ceil(texts / job.student.batch_size) * (job.stage.epochs or job.student.epochs))


def _inputs(job: Training, texts: Sequence[tuple[Target, Encoded]]) -> dict[str, Json]:
    """All that the training depends on, by the names that people know it by."""
    rows = json.dumps([row for _, row in texts]).encode()
    files = sorted(p for p in job.adapter.iterdir() if p.is_file() and p.name != MANIFEST) if job.adapter else []
    start = {path.name: file_digest(path) for path in files}
    student = job.student
    used = ["torch", "transformers", "peft", "accelerate", *(["trl"] if student.trainer == "trl" else [])]
    return {
        "student": job.identity,
        "processes": student.processes,
        "micro_batch_size": student.micro_batch_size,
        "gradient_checkpointing": student.gradient_checkpointing,
        "device": device_of(student),
        "precision": str(half_precision(student)),
        "seed": job.seed,
        "stage": job.stage.model_dump(mode="json"),
        "training texts": hashlib.sha256(rows).hexdigest()[:16],
        "student of the stage before": hashlib.sha256(json.dumps(start).encode()).hexdigest()[:16],
        **{name: version(name) for name in used},
    }


def _trainer(job: Training, rows: list[Encoded], tokenizer: PreTrainedTokenizerBase, work: Path) -> Any:
    import torch
    from transformers import TrainingArguments

    student, settings = job.student, _arguments(job, work)
    arguments = one_device(TrainingArguments(**settings))
    device = str(arguments.device) if student.processes > 1 else device_of(student)  # each process has its own
    model = _with_adapter(load_model(_start(job), torch.float32, device), job)
    if student.gradient_checkpointing:
        model.enable_input_require_grads()  # else nothing before the adapter asks for gradients
    if student.trainer == "trl":
        return trl_trainer(model, settings, rows, tokenizer, student.loss_on)
    return our_trainer(model, arguments, rows, Collator(int(tokenizer.pad_token_id), student.loss_on))


def _start(job: Training) -> Path | str:
    return job.adapter if job.adapter is not None and job.student.tuning == "full" else job.base


def _with_adapter(model: Any, job: Training) -> Any:
    from peft import LoraConfig, PeftModel, get_peft_model

    lora = job.student.lora
    if job.student.tuning == "full":
        return model
    if job.adapter is not None:
        return PeftModel.from_pretrained(model, job.adapter, is_trainable=True)
    modules = lora.target_modules if isinstance(lora.target_modules, str) else list(lora.target_modules)
    config = LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=modules, task_type="CAUSAL_LM"
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise no_such_module(model, modules) from error


def _arguments(job: Training, work: Path) -> dict[str, Any]:  # what TrainingArguments takes
    import torch

    student, stage = job.student, job.stage
    _place_trackers(job.out.parent / "trackers", job)
    at_once = student.micro_batch_size or student.batch_size // student.processes
    return {
        "output_dir": str(work),
        "run_name": stage.name,
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": student.batch_size // (at_once * student.processes),
        "gradient_checkpointing": student.gradient_checkpointing,
        "num_train_epochs": stage.epochs or student.epochs,
        "learning_rate": stage.learning_rate or student.learning_rate,
        "seed": job.seed,
        "data_seed": job.seed,
        "bf16": half_precision(student) == torch.bfloat16,
        "use_cpu": device_of(student) == "cpu",
        "ddp_backend": "gloo" if student.processes > 1 and device_of(student) == "cpu" else None,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        "save_strategy": "no",  # the clock decides, and `trainers` seals
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # else a loss that became NaN is averaged away and never seen
        "disable_tqdm": True,
        "report_to": list(student.report_to) or "none",
        "log_level": "error",
        "ddp_find_unused_parameters": False,
    }


def _place_trackers(folder: Path, job: Training) -> None:
    """Have trackers write into the run's folder, where the user's own variables do not say otherwise."""
    if not job.student.report_to:
        return
    folder.mkdir(parents=True, exist_ok=True)
    boards = Path(_GIVEN.get("TENSORBOARD_LOGGING_DIR") or folder / "tensorboard")
    places = {
        "TENSORBOARD_LOGGING_DIR": str(boards / job.stage.name),
        "MLFLOW_TRACKING_URI": f"sqlite:///{(folder / 'mlflow.db').resolve()}",  # it refuses plain files
        "WANDB_DIR": str(folder),
        "WANDB_SILENT": "true",
    }
    own = {name: value for name, value in places.items() if name not in _GIVEN or name == "TENSORBOARD_LOGGING_DIR"}
    os.environ.update(own)


def _end_trackers(student: StudentConfig) -> None:
    # Its run would go on with the next stage, whose steps begin again at one.
    if "wandb" in student.report_to:
        import wandb

        wandb.finish()
