"""The student as the pipeline knows it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from twt_core.errors import InputError
from twt_core.models import model_identity
from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.records import Generation, Stage, TokenLogprob
from twt_core.settings import Json
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import Target
from twt_core.student.endings import IsComplete, never

if TYPE_CHECKING:
    from twt_core.student.generation import Written

#: Settings that change what a trained student writes and not what it learned.
GENERATION = frozenset(
    {"max_new_tokens", "temperature", "top_p", "generation_batch_size", "generator", "stop_at_answer"}
)
_BOTH = frozenset({"model", "device", "precision"})


class Student:
    """A base model with its settings. Loads torch when first asked to work.

    Args:
        config: the run's student settings.
        cache: folder for models made ready (a GGUF de-quantised).
        seed: of training and sampling.
        progress: told of every step.
    """

    def __init__(self, config: StudentConfig, cache: Path, seed: int, progress: Progress) -> None:
        self.config = config
        self._cache = cache
        self._seed = seed
        self._progress = progress

    def check(self) -> None:
        """Find, before anything is paid for, a package that the settings ask for and that is not installed.

        Raises:
            InputError: which, and how to install it.
        """
        wanted: list[tuple[str, str]] = [("trainer", self.config.trainer), ("generator", self.config.generator)]
        wanted += [("report_to", tracker) for tracker in self.config.report_to]
        for option, package in wanted:
            if find_spec(package) is None:
                extra = f'pip install "twt-distill[{package}]"'
                raise InputError(f"student.{option}: {package} is not installed. It is an extra: {extra}")

    def preflight(self) -> None:
        """Find, before any teacher is asked, what this machine or the model cannot do. Loads torch only if it may.

        Raises:
            InputError: a device or bf16 that is not there, fewer GPUs than processes, or LoRA targets that match no
                module.
        """
        config = self.config
        explicit = config.tuning == "lora" and config.lora.target_modules != "all-linear"
        if not explicit and config.device in ("auto", "cpu") and config.precision != "bf16" and config.processes == 1:
            return
        from twt_core.student.loading import check_devices, check_modules, half_precision

        half_precision(config)
        check_devices(config)
        if explicit:
            check_modules(self.base, list(config.lora.target_modules))

    @cached_property
    def base(self) -> Path | str:
        """The base model, ready to load."""
        from twt_core.student.loading import ready_base

        return ready_base(self.config.model, self._cache)

    @cached_property
    def _identity(self) -> dict[str, Json]:
        return {**self.config.identity(), "model": model_identity(self.config.model), "seed": self._seed}

    @property
    def trained_by(self) -> Json:
        """What a training depends on besides its data."""
        return {key: value for key, value in self._identity.items() if key not in GENERATION}

    @property
    def answers_by(self) -> Json:
        """What an answer depends on besides the question and the adapter; on the seed only where it is drawn."""
        drawn = {"seed"} if self.config.temperature else set()
        return {key: value for key, value in self._identity.items() if key in GENERATION | _BOTH | drawn}

    @property
    def scores_by(self) -> Json:
        """What the log-probabilities of a text depend on besides the text and the adapter."""
        return {key: value for key, value in self._identity.items() if key in _BOTH | {"max_length"}}

    def train(
        self, adapter: Path | None, targets: Sequence[Target], stage: Stage, out: Path, checkpoints: Path
    ) -> None:
        """See `twt_core.student.training.train_stage`."""
        from twt_core.student.training import Training, train_stage

        job = Training(
            base=self.base,
            adapter=adapter,
            targets=list(targets),
            stage=stage,
            student=self.config,
            seed=self._seed,
            out=out,
            work=checkpoints,
            identity=self.trained_by,
        )
        if self.config.processes == 1:
            train_stage(job, self._progress)
            return
        from twt_core.student.launching import train_on_several

        train_on_several(job, self._progress)

    def answer(
        self,
        adapter: Path | None,
        prompts: Sequence[tuple[str, Sequence[Message]]],
        answered: IsComplete = never,
        written: Written | None = None,
    ) -> list[Generation]:
        """See `twt_core.student.generation.generate`."""
        from twt_core.student.generation import generate, unheard
        from twt_core.student.loading import enough_memory

        with enough_memory("Lower student.generation_batch_size"):
            return generate(
                self.base, adapter, prompts, self.config, self._seed, self._progress, answered, written or unheard
            )

    def logprobs(
        self, adapter: Path | None, pairs: Sequence[tuple[Sequence[Message], str]]
    ) -> list[list[TokenLogprob]]:
        """See `twt_core.student.scoring.text_logprobs`."""
        from twt_core.student.loading import enough_memory
        from twt_core.student.scoring import text_logprobs

        with enough_memory("Lower student.generation_batch_size"):
            return text_logprobs(self.base, adapter, pairs, self.config, self._progress)
