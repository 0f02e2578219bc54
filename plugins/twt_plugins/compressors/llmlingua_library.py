"""LLMLingua 0.2.2 on transformers 5, without the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import Any, Literal

from twt_core.errors import InputError

#: The most tokens that LLMLingua looks at in one go.
_SEGMENT = 200
_WINDOW = 512
#: The families that LLMLingua-2 can read, which it tells by the model's name.
_CLASSIFIERS = ("bert-base-multilingual-cased", "xlm-roberta-large")

#: A text and the share of its tokens to keep; the shorter text.
Shorten = Callable[[str, float], str]


def load(model: Path | str, device: Literal["auto", "cpu", "cuda", "mps"]) -> Shorten:
    """LLMLingua with a causal model, LLMLingua-2 with a token classifier.

    Raises:
        InputError: there is no such model, or it is a classifier that LLMLingua-2 cannot read.
    """
    from transformers import AutoConfig

    from twt_core.student.config import StudentConfig
    from twt_core.student.loading import device_of, hush

    hush()
    place = device_of(StudentConfig(model=str(model), device=device))
    try:
        architectures: Sequence[str] = AutoConfig.from_pretrained(model).architectures or []
        classifies = any("ForTokenClassification" in name for name in architectures)
        if classifies and not any(family in str(model) for family in _CLASSIFIERS):
            raise InputError(
                f"{model} is a token classifier, and LLMLingua-2 reads those with {' or '.join(_CLASSIFIERS)} in their "
                "name: rename the folder if it is one"
            )
        compressor = _compressor(model, place, classifies=classifies)
    except (OSError, ValueError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"cannot load {model}: {first}") from error
    return _by_classifier(compressor) if classifies else _by_perplexity(compressor)


def _compressor(model: Path | str, device: str, *, classifies: bool) -> Any:
    """A `llmlingua.PromptCompressor`, made without its constructor.

    The constructor fetches GPT-3.5's vocabulary, to count tokens by, and runs code that comes with a model. Here tokens
    are counted with the model's own vocabulary.
    """
    import torch
    from llmlingua import PromptCompressor
    from transformers import AutoModelForCausalLM, AutoModelForTokenClassification, AutoTokenizer

    kind: Any = AutoModelForTokenClassification if classifies else AutoModelForCausalLM
    # LLMLingua-2 hands probabilities to numpy, which has no bfloat16.
    dtype = torch.float32 if device == "cpu" or classifies else "auto"
    loaded = kind.from_pretrained(model, dtype=dtype, use_safetensors=True).to(device).eval()
    compressor: Any = PromptCompressor.__new__(PromptCompressor)
    compressor.model_name = str(model)
    compressor.tokenizer = AutoTokenizer.from_pretrained(model)
    compressor.oai_tokenizer = _Counter(compressor.tokenizer)
    compressor.model = loaded if classifies else _WithPairs(loaded)
    compressor.device = device
    compressor.use_llmlingua2 = classifies
    compressor.max_position_embeddings = loaded.config.max_position_embeddings
    compressor.cache_bos_num, compressor.prefix_bos_num = 10, 100
    compressor.max_batch_size, compressor.max_seq_len, compressor.max_force_token = 1, _WINDOW, 0
    compressor.special_tokens, compressor.added_tokens = set(compressor.tokenizer.all_special_tokens), []
    return compressor


class _Counter:
    """A tokenizer with the one method of tiktoken's that LLMLingua calls."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False).input_ids
        return ids


class _WithPairs:
    """A causal model whose cache is a list of (keys, values), one a layer, as transformers 4 gave LLMLingua."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, input_ids: Any, past_key_values: Any = None, **options: Any) -> Any:
        from transformers import DynamicCache

        cache = None if past_key_values is None else DynamicCache([tuple(pair) for pair in past_key_values])
        output = self._model(input_ids, past_key_values=cache, **options)
        output.past_key_values = [(layer.keys, layer.values) for layer in output.past_key_values.layers]
        return output


def _by_perplexity(compressor: Any) -> Shorten:
    def shorten(text: str, rate: float) -> str:
        count = len(compressor.oai_tokenizer.encode(text))
        if count < 2:
            return text  # nothing comes before the first token, so nothing is known of it
        # What is left over from whole segments stays as it is, be it the whole of a short text: so they come out even.
        segment = count // ceil(count / _SEGMENT)
        made = compressor.compress_prompt([text], rate=rate, iterative_size=segment)
        return str(made["compressed_prompt"])

    return shorten


def _by_classifier(compressor: Any) -> Shorten:
    def shorten(text: str, rate: float) -> str:
        try:
            return str(compressor.compress_prompt([text], rate=rate)["compressed_prompt"])
        except IndexError:  # it fails on 510 tokens of which its vocabulary has none, as of emoji alone
            return text

    return shorten
