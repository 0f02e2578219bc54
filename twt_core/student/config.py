"""The student's options. Imports no model library."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from twt_core.models import ModelName
from twt_core.settings import Settings


class LoraConfig(Settings):
    """A LoRA adapter."""

    r: int = Field(default=8, ge=1, description="Rank of the adapter (the paper's is 8).")
    alpha: int = Field(default=16, ge=1, description="Scale: what the adapter adds is multiplied by alpha / r.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout on the adapter's input while it trains.")
    target_modules: Literal["all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        default="all-linear", description="all-linear, or the names of the modules that get an adapter."
    )


class StudentConfig(Settings):
    """The model that learns, how it is trained, and how it answers."""

    #: How a step is divided changes its result by rounding alone, and a finished stage is not worth that.
    not_identity = frozenset(
        {"checkpoint_seconds", "report_to", "micro_batch_size", "gradient_checkpointing", "processes"}
    )

    model: ModelName = Field(
        description="A folder or file (relative to the config), a hub id, or package:NAME/PATH for one in a package.",
    )
    lora: LoraConfig = Field(
        default_factory=LoraConfig, description="The adapter that is trained.", json_schema_extra={"default": {}}
    )
    learning_rate: float = Field(
        default=1e-5, gt=0, description="Peak learning rate of each stage (the paper's is 1e-5)."
    )
    tuning: Literal["lora", "full"] = Field(
        default="lora", description="lora trains an adapter; full trains every weight, and each stage saves a model."
    )
    batch_size: int = Field(default=8, ge=1, description="Examples in one training step (the paper's is 8).")
    micro_batch_size: int | None = Field(
        default=None,
        ge=1,
        description="Examples on a device at once; gradients add up to batch_size. Null: all of a step's.",
    )
    gradient_checkpointing: bool = Field(
        default=False, description="Compute activations again in the backward pass: less memory, more time."
    )
    processes: int = Field(
        default=1,
        ge=1,
        description="Processes that train together, by accelerate launch; each takes part of a step.",
    )
    trainer: Literal["transformers", "trl"] = Field(
        default="transformers", description="What trains: our loss on transformers' Trainer, or TRL's SFTTrainer."
    )
    checkpoint_seconds: float = Field(
        default=300, ge=0, description="A checkpoint this often while a stage trains; 0 makes one at each step."
    )
    report_to: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = Field(
        default=(), description="Trackers told of each step's loss; none by default."
    )
    epochs: float = Field(default=4, gt=0, description="Passes over the examples in each stage (the paper's is 4).")
    max_length: int = Field(default=4096, ge=8, description="Most tokens of a training example (the paper's is 4096).")
    loss_on: Literal["completion", "sequence"] = Field(
        default="completion", description="Where the loss is taken: on the completion, or also on the prompt (eq. 4)."
    )
    max_new_tokens: int = Field(default=2048, ge=1, description="Most tokens of an answer (the paper's is 2048).")
    temperature: float = Field(default=0.0, ge=0, le=2, description="0 answers greedily, as the paper does.")
    top_p: float = Field(default=0.95, gt=0, le=1, description="Nucleus sampling; without effect at temperature 0.")
    stop_at_answer: bool = Field(
        default=True, description="End a text where its answer is complete, though the model would write on."
    )
    generator: Literal["transformers", "vllm"] = Field(
        default="transformers", description="What writes the answers; vllm is an extra, for GPUs."
    )
    generation_batch_size: int = Field(default=16, ge=1, description="Questions answered at once.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="auto takes a GPU if there is one."
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        default="auto", description="auto takes bf16 where the device is fast at it."
    )

    @model_validator(mode="after")
    def _batch_divides(self) -> Self:
        part = self.processes * (self.micro_batch_size or 1)
        if self.batch_size % part:
            raise ValueError(
                f"batch_size {self.batch_size} must be a multiple of {part}: micro_batch_size x processes is one pass"
            )
        return self
