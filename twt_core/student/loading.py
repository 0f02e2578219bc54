"""A causal language model from a folder, a hub id or a GGUF, with its adapter."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from twt_core.errors import InputError, TwtError
from twt_core.models import find_model, model_identity
from twt_core.student.config import StudentConfig

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def hush() -> None:
    """Keep the libraries' own bars and deprecation notes out of the run's progress; their errors still show."""
    import warnings

    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    # peft looks for the base model where the adapter's settings name it, which may be a package and not a folder.
    warnings.filterwarnings("ignore", message="Could not find a config file", module="peft")


def device_of(student: StudentConfig) -> Literal["cpu", "cuda", "mps"]:
    """The device to work on.

    Raises:
        InputError: one is asked for that this machine lacks.
    """
    import torch

    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if student.device == "auto":
        return "cuda" if available["cuda"] else "mps" if available["mps"] else "cpu"
    if not available[student.device]:
        raise InputError(f'student.device: "{student.device}" is not on this machine; use "auto" or "cpu"')
    return student.device


def check_devices(student: StudentConfig) -> None:
    """See that each process has a GPU of its own, where GPUs are what it trains on.

    Raises:
        InputError: there are fewer.
    """
    import torch

    if device_of(student) == "cuda" and student.processes > torch.cuda.device_count():
        raise InputError(
            f"student.processes: {student.processes}, and this machine has {torch.cuda.device_count()} GPUs: one each"
        )


def half_precision(student: StudentConfig) -> torch.dtype:
    """The dtype to generate and autocast in: bfloat16 where the device is fast at it, else float32.

    Raises:
        InputError: bf16 is asked for and the device cannot.
    """
    import torch

    device = device_of(student)
    able = _cpu_has_bf16() if device == "cpu" else device == "cuda" and _cuda_has_bf16()
    if student.precision == "bf16" and not able:
        raise InputError(f'student.precision: the {device} here has no bf16 instructions; use "auto" or "fp32"')
    return torch.bfloat16 if able and student.precision != "fp32" else torch.float32


def _cuda_has_bf16() -> bool:
    import torch

    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _cpu_has_bf16() -> bool:
    # Without the instructions a matrix product in bf16 is several times slower than in float32.
    import torch

    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(found.get(name) for name in ("avx512_bf16", "amx_bf16"))


def ready_base(model: str, cache: Path) -> Path | str:
    """The model as something `from_pretrained` takes. A GGUF is de-quantised once, into `cache`.

    Reading a GGUF takes most of a minute and the result cannot be trained on as it is; the saved copy loads at once.

    Raises:
        InputError: there is no such model.
    """
    found = find_model(model)
    if isinstance(found, str) or found.suffix != ".gguf":
        return found
    target = cache / model_identity(model)
    if not target.exists():
        _dequantise(found, target)
    return target


def shared_base(model: str, cache: Path | None) -> Path | str:
    """As `ready_base`, for models that are no run's student. Two processes that want the same GGUF convert it once.

    Args:
        model: see `twt_core.models.find_model`.
        cache: where a GGUF made ready is kept; by default the folder twt/models in the user's cache folder.

    Raises:
        InputError: there is no such model.
    """
    from filelock import FileLock

    found = find_model(model)
    if isinstance(found, str) or found.is_dir():
        return found
    cache = cache or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "twt" / "models"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{model_identity(model)}.lock"):
        return ready_base(model, cache)


def _dequantise(gguf: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.quantization_config import GgufConfig

    hush()
    options: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **options)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16, **options
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        tokenizer.save_pretrained(folder)
        model.save_pretrained(folder)
        # Renamed when it is whole: a killed conversion leaves nothing that could be taken for a model.
        Path(folder).rename(target)
        Path(folder).mkdir()


def load_tokenizer(base: Path | str) -> PreTrainedTokenizerBase:
    """The tokenizer, padding on the left, with a pad token: the model's own, or its end token.

    Raises:
        InputError: the model cannot be found or has no end token.
    """
    from transformers import AutoTokenizer

    hush()
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError) as error:
        raise InputError(f"student.model: cannot load a tokenizer from {base}: {_first_line(error)}") from error
    if tokenizer.eos_token_id is None:
        raise InputError(f"student.model: the tokenizer of {base} has no end token (eos_token), so no text would end")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def load_model(base: Path | str, dtype: torch.dtype, device: str) -> PreTrainedModel:
    """The model's weights, in `dtype` on `device`; safetensors only, no code from the model.

    Raises:
        InputError: the model cannot be found or loaded.
    """
    from transformers import AutoModelForCausalLM

    hush()
    # Eager attention has less overhead on a CPU with short texts; elsewhere the library's choice is right.
    attention = {"attn_implementation": "eager"} if device == "cpu" else {}
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, use_safetensors=True, **attention)
    except (OSError, ValueError) as error:
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        raise InputError(f"student.model: cannot load {base}{offline}: {_first_line(error)}") from error
    return cast("PreTrainedModel", model.to(device))


@contextmanager
def enough_memory(advice: str) -> Iterator[None]:
    """Turn a device's running out of memory into a message with the way out.

    Raises:
        TwtError: it did.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TwtError(f"the device has too little memory. {advice}; what is finished stays") from error


def longest_text(base: Path | str) -> int:
    """The most tokens that the model can read, by its settings."""
    import sys

    from transformers import AutoConfig

    found = getattr(AutoConfig.from_pretrained(base), "max_position_embeddings", None)
    return int(found or sys.maxsize)


def check_modules(base: Path | str, targets: list[str]) -> None:
    """See that the model has modules for an adapter. No weights are loaded.

    Raises:
        InputError: no target is the name of a module, or the model's settings cannot be loaded.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    hush()
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base))  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InputError(f"student.model: cannot load the settings of {base}: {_first_line(error)}") from error
    names = [name for name, _ in model.named_modules()]
    if not any(name == target or name.endswith(f".{target}") for name in names for target in targets):
        raise no_such_module(model, targets)


def no_such_module(model: Any, targets: list[str] | str) -> InputError:
    """The error of LoRA targets that match nothing."""
    there = sorted({n.rpartition(".")[2] for n, m in model.named_modules() if type(m).__name__ == "Linear"})
    return InputError(
        f"student.lora.target_modules: {targets} matches no module; the linear ones are: {', '.join(there)}"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def load_merged(base: Path | str, adapter: Path | None, dtype: torch.dtype, device: str) -> PreTrainedModel:
    """The model with its adapter merged in float32 and then cast: fast to decode with, and what `merge` exports.

    `adapter` may be a whole model, as full fine-tuning leaves one.
    """
    import torch
    from peft import PeftModel

    if adapter is None or not (adapter / "adapter_config.json").is_file():
        model: Any = load_model(adapter or base, dtype, device)
    else:
        model = PeftModel.from_pretrained(load_model(base, torch.float32, device), adapter).merge_and_unload().to(dtype)
    return cast("PreTrainedModel", model.eval())
