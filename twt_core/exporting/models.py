"""A student as files that other libraries load."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from twt_core import finished
from twt_core.exporting.made_by import base_name
from twt_core.exporting.model_card import model_card
from twt_core.exporting.ollama import write_modelfile
from twt_core.exporting.source import Source, is_adapter
from twt_core.progress import Progress

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedTokenizerBase

    from twt_core.student.config import StudentConfig


def write_adapter(source: Source, folder: Path) -> str:
    """What peft loads onto the base model."""
    for path in source.adapter.glob("adapter_*"):  # beside them lies what the run keeps for itself
        shutil.copyfile(path, folder / path.name)
    _name_base(folder / "adapter_config.json", base_name(source.student.model))
    (folder / "README.md").write_text(model_card(source, adapter=True), encoding="utf-8")
    return f"the adapter of stage {source.stage}"


def _name_base(config: Path, base: str) -> None:
    settings = {**json.loads(config.read_text(encoding="utf-8")), "base_model_name_or_path": base}
    config.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def write_merged(source: Source, folder: Path) -> str:
    """A whole model that transformers loads, in the precision that the run answers with."""
    _merge(source, folder, template_apart=True)
    return f"the student of stage {source.stage}, merged"


def write_ollama(source: Source, folder: Path) -> str:
    """A whole model with the file that `ollama create` reads beside it."""
    # Not every version of Ollama reads a chat template from a file of its own.
    tokenizer = _merge(source, folder, template_apart=False)
    write_modelfile(source, tokenizer, folder)
    return f"the student of stage {source.stage}, merged, with a Modelfile"


def _merge(source: Source, folder: Path, *, template_apart: bool) -> PreTrainedTokenizerBase:
    from twt_core.student.loading import device_of, half_precision, load_merged, load_model, load_tokenizer

    student, weights = finished.student_of(source.run, Progress(quiet=True)), source.weights
    dtype, device = half_precision(student.config), device_of(student.config)
    if weights is None or is_adapter(weights):
        model = load_merged(student.base, weights, dtype, device)
    else:
        model = load_model(weights, dtype, device)
    tokenizer = load_tokenizer(student.base)
    model.generation_config = _generation(student.config, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder, save_jinja_files=template_apart)
    (folder / "README.md").write_text(model_card(source, adapter=False), encoding="utf-8")
    return tokenizer


def _generation(student: StudentConfig, tokenizer: PreTrainedTokenizerBase) -> GenerationConfig:
    """The run's settings: the base model's own may sample, or penalise an answer that repeats its question."""
    from transformers import GenerationConfig

    sampling = {"do_sample": True, "temperature": student.temperature, "top_p": student.top_p, "top_k": 0}
    return GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=student.max_new_tokens,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **(sampling if student.temperature > 0 else {"do_sample": False}),
    )
