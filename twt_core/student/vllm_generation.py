"""What the student answers, written by vLLM: for GPUs, an extra. The same records as `twt_core.student.generation`."""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from twt_core.errors import InputError
from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.records import Generation
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import encode_prompt
from twt_core.student.endings import AnswerEnd, IsComplete, text_of
from twt_core.student.loading import half_precision, load_merged, load_tokenizer

if TYPE_CHECKING:
    from vllm import LLMEngine, SamplingParams

    from twt_core.student.generation import Written


def require_vllm() -> None:
    """Look for vLLM without importing it.

    Raises:
        InputError: it is not installed.
    """
    if find_spec("vllm") is None:
        raise InputError(
            'student.generator: vllm is not installed: pip install "twt-distill[vllm]", or use "transformers"'
        )


def generate_with_vllm(
    base: Path | str,
    adapter: Path | None,
    prompts: Sequence[tuple[str, Sequence[Message]]],
    student: StudentConfig,
    seed: int,
    progress: Progress,
    answered: IsComplete,
    written: Written,
) -> list[Generation]:
    """See `twt_core.student.generation.generate`. What differs, besides the last bits of the logits:

    A model with an adapter is merged into the system's temporary folder first (TMPDIR moves that). Samples depend on
    the seed and a question's place, and not on its batch. `seconds` is the time since the text before was whole. vLLM
    cannot ask `answered`: it is asked here after each step, and a text that is complete is taken out of the engine.

    Raises:
        InputError: vLLM is not installed, is built for another device, or refuses the model.
    """
    require_vllm()
    if not prompts:
        return []
    tokenizer = load_tokenizer(base)
    encoded = [encode_prompt(tokenizer, messages) for _, messages in prompts]
    made: dict[int, Generation] = {}
    answer_end = AnswerEnd(tokenizer, answered) if student.stop_at_answer else None
    end = int(tokenizer.eos_token_id)
    longest = max(map(len, encoded)) + student.max_new_tokens
    with (
        progress.task("answering", {"questions": len(prompts)}) as task,
        _engine(base, adapter, student, longest) as engine,
    ):
        before = time.perf_counter()
        for place, ids in enumerate(encoded):
            engine.add_request(str(place), {"prompt_token_ids": ids}, _sampling(student, end, f"{seed} {place}"))
        for place, new in _finished(engine, [name for name, _ in prompts], answer_end):
            now = time.perf_counter()
            made[place] = Generation(
                query_id=prompts[place][0],
                text=text_of(tokenizer, new),
                tokens=len(new),
                seconds=now - before,
                prompt_tokens=len(encoded[place]),
            )
            before = now
            written(place, made[place])
            task.advance("questions")
    return [made[place] for place in range(len(prompts))]


@contextmanager
def _engine(base: Path | str, adapter: Path | None, student: StudentConfig, longest: int) -> Iterator[LLMEngine]:
    """The engine in a process of its own, which ends with the block, so that training has the memory again."""
    # Read at vLLM's import. It reports what it is used for unless told not to.
    os.environ["VLLM_NO_USAGE_STATS"] = "1"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    from vllm import EngineArgs, LLMEngine

    _require_device(student)
    _release_memory()
    with tempfile.TemporaryDirectory(prefix="twt-vllm-") as folder:
        arguments = EngineArgs(
            model=_ready(base, adapter, student, Path(folder)),
            dtype=str(half_precision(student)).removeprefix("torch."),
            max_model_len=longest,
            max_num_seqs=student.generation_batch_size,
            skip_tokenizer_init=True,
            generation_config="vllm",  # not the model's own settings, which may penalise repeats
            disable_log_stats=True,
            use_tqdm_on_load=False,
        )
        try:
            engine = LLMEngine.from_engine_args(arguments)
        except (ValueError, RuntimeError) as error:
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(f"student.generator: vllm cannot start: {why}") from error
        try:
            yield engine
        finally:
            engine.engine_core.shutdown()


def _require_device(student: StudentConfig) -> None:
    from vllm.platforms import current_platform

    if student.device not in {"auto", current_platform.device_type}:
        raise InputError(
            f'student.device: this vllm is built for {current_platform.device_type}, not {student.device}: use "auto"'
        )


def _release_memory() -> None:
    # The engine counts on what is free on the device, and torch keeps what training has let go.
    import torch

    gc.collect()
    torch.cuda.empty_cache()


def _ready(base: Path | str, adapter: Path | None, student: StudentConfig, folder: Path) -> str:
    if adapter is None:
        return str(base)
    load_merged(base, adapter, half_precision(student), "cpu").save_pretrained(folder)
    return str(folder)


def _sampling(student: StudentConfig, end: int, seed: str) -> SamplingParams:
    from vllm import SamplingParams

    return SamplingParams(
        temperature=student.temperature,
        top_p=student.top_p,
        max_tokens=student.max_new_tokens,
        seed=Random(seed).getrandbits(32),
        ignore_eos=True,  # the model's own, which may be others than the one it is taught to end with
        stop_token_ids=[end],
        detokenize=False,
    )


def _finished(engine: LLMEngine, query_ids: list[str], answer_end: AnswerEnd | None) -> Iterator[tuple[int, list[int]]]:
    """The place of each question as it is answered, and its generated ids, up to and with the one that ended it."""
    made: set[int] = set()
    checked: dict[int, int] = {}
    while engine.has_unfinished_requests():
        for output in engine.step():
            place, ids = int(output.request_id), list(output.outputs[0].token_ids)
            if place in made:  # a step that was under way when its text was complete
                continue
            length = answer_end.length(ids, query_ids[place], checked.get(place, 0)) if answer_end else None
            checked[place] = len(ids)
            if length is not None and not output.finished:
                engine.abort_request([output.request_id])
            if length is not None or output.finished:
                made.add(place)
                yield place, ids[:length]
