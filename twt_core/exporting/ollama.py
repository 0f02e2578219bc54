"""A Modelfile: what Ollama reads to make a model known (docs.ollama.com/modelfile).

A value goes to the end of its line; one in three quotes goes to the line that ends in three quotes, as it is, without
escapes. A template is Go's text/template.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

from twt_core.exporting.asking import QUESTION, asking
from twt_core.exporting.source import Source
from twt_core.prompts import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from twt_core.student.config import StudentConfig

_HEAD = """\
# The student of stage {stage} of {run}. From this folder: ollama create NAME
# Where Ollama cannot import these safetensors (it knows some architectures, which differ from version to version), make
# a GGUF by llama.cpp: python convert_hf_to_gguf.py . --outfile model.gguf   and write here: FROM ./model.gguf
FROM .
"""
_GENERAL = "# The template is the whole prompt that the student was trained with; what is asked is put in at .Prompt.\n"
_EXAMPLE = "# The student was trained with questions laid out like the one in README.md; ask in the same way.\n"


def write_modelfile(source: Source, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write ``Modelfile`` beside a merged model."""
    head = _HEAD.format(stage=source.stage, run=" ".join(source.summary.name.split()))
    text = head + _template(source, tokenizer) + _parameters(source.student, tokenizer, source.recipe.seed)
    (folder / "Modelfile").write_text(text, encoding="utf-8", newline="\n")


def _parameters(student: StudentConfig, tokenizer: PreTrainedTokenizerBase, seed: int) -> str:
    values: dict[str, int | str] = {
        "temperature": f"{student.temperature:g}",
        "num_predict": student.max_new_tokens,
        "num_ctx": student.max_length + student.max_new_tokens,
        "repeat_penalty": 1,
        "seed": seed,
        "stop": f'"{tokenizer.eos_token}"',
    }
    if student.temperature > 0:
        values |= {"top_p": f"{student.top_p:g}", "top_k": 0}
    return "".join(f"PARAMETER {name} {value}\n" for name, value in values.items())


def _template(source: Source, tokenizer: PreTrainedTokenizerBase) -> str:
    asked = asking(source)
    before, found, after = prompt_text(tokenizer, asked.around).partition(QUESTION)
    if not found or QUESTION in after:
        return ""  # left to what Ollama finds in the tokenizer
    note = _GENERAL if asked.general else _EXAMPLE
    return f'{note}TEMPLATE """{literal(before)}{{{{ .Prompt }}}}{literal(after)}"""\n'


def prompt_text(tokenizer: PreTrainedTokenizerBase, messages: list[Message]) -> str:
    """A chat as the student reads it, up to where its own text begins.

    Without the begin token where the tokenizer adds it by itself, since a runtime then does so, too.
    """
    if not tokenizer.chat_template:
        return "\n".join(message.content for message in messages) + "\n"
    chat = [message._asdict() for message in messages]
    text = cast(str, tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False))
    begin = tokenizer.bos_token
    adds = bool(begin) and tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id]
    return text.removeprefix(str(begin)) if adds else text


def literal(text: str) -> str:
    """A text as a piece of a Go template between three quotes: no brace opens an action, no quotes end the value."""
    braces = re.sub(r"\{(?=\{|\Z)", "{{ `{` }}", text)
    return re.sub(r'"(?="|\Z)', '"{{/* */}}', braces)
