"""Record real models' answers and rewrites for the quickstart, over an OpenAI-compatible server.

Each model is a GGUF file, served on loopback by ``xllamacpp`` (``pip install xllamacpp``) in this process and asked
over HTTP. Every reply is appended to a work file at once: stop the script when you like, and the same command goes on
where it stopped. ``recordings.jsonl.gz`` is written anew at the end.

    python examples/quickstart/record.py answers  --model qwen2.5-coder-1.5b=/models/qwen.gguf
    twt run examples/quickstart/quickstart.yaml --runs-dir runs      # until the student has answered
    python examples/quickstart/record.py rewrites --model qwen2.5-coder-1.5b=/models/qwen.gguf --run runs/quickstart
"""

from __future__ import annotations

import argparse
import gzip
import json
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NoReturn, TypedDict, TypeVar

from twt_core.components import Context
from twt_core.config import RunConfig, load_config
from twt_core.distillation import drafts_for
from twt_core.records import Completion, Failed, Record, Request, StudentAnswer, Trace
from twt_core.rows import read_queries
from twt_core.run import Rows
from twt_core.sampling import requests_for

R = TypeVar("R", bound=Record)

HERE = Path(__file__).parent
PORT = 8099
AT_ONCE = 4
# The smallest of the three is a base model that ends its turn with plain text: the stops cut it there.
SAMPLING = {"temperature": 0.0, "seed": 0, "max_tokens": 160, "stop": ["<|im", "\nQuestion:"]}


class Recording(TypedDict):
    """One line of the recordings."""

    id: str
    teacher: str
    purpose: str
    text: str
    logprobs: list[tuple[str, float]]
    usage: dict[str, int]


def answer_requests(config: RunConfig) -> list[Request]:
    """Every query to every teacher of the quickstart."""
    task = config.task_evaluator
    return list(requests_for(read_queries(config.queries.path, task), config.teachers, task))


def rewrite_requests(config: RunConfig, run: Path) -> list[Request]:
    """What the quickstart's compressor asks of its teachers, after the student's answers in a run folder."""
    task = config.task_evaluator
    queries = {query.id: query.unlabeled() for query in read_queries(config.queries.path, task)}
    traces = _rows(run, "traces", Trace)
    answers = _rows(run, "compressed-student-answers", StudentAnswer)
    asked: list[Request] = []

    def note(requests: Sequence[Request]) -> list[Completion | Failed]:
        asked.extend(requests)
        return [Failed(cause="only noted") for _ in requests]

    context = Context(task, queries, note, _no_vectors)
    config.compressor.compress(drafts_for(queries, traces, answers, task), context)
    return asked


def _no_vectors(embedder: str, texts: Sequence[str]) -> NoReturn:
    raise NotImplementedError("the quickstart's compressor compares no texts")


def _rows(run: Path, step: str, record: type[R]) -> list[R]:
    [folder] = run.glob(f"[0-9][0-9]-{step}")
    return Rows(folder, None, record).read()


def ask(request: Request) -> Recording:
    """One chat completion, with its token log-probs and usage."""
    body = {
        "model": request.teacher,
        "messages": [message._asdict() for message in request.messages],
        "logprobs": True,
        **SAMPLING,
    }
    post = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(post, timeout=1800) as reply:
        result = json.load(reply)
    choice = result["choices"][0]
    return Recording(
        id=request.query_id,
        teacher=request.teacher,
        purpose=request.purpose,
        text=choice["message"]["content"],
        logprobs=[(token["token"], round(token["logprob"], 4)) for token in choice["logprobs"]["content"]],
        usage={key: result["usage"][key] for key in ("prompt_tokens", "completion_tokens")},
    )


def read(path: Path) -> list[Recording]:
    """The replies in the work file; a torn last line is left out, and asked again."""
    rows = []
    for line in path.read_text(encoding="utf-8").split("\n") if path.exists() else []:
        if not line:
            continue
        try:
            rows.append(Recording(**json.loads(line)))
        except json.JSONDecodeError:
            print(f"left out a torn line of {path}")
    return rows


def serve(path: Path, threads: int) -> object:
    """A server for one GGUF on PORT; it lives as long as the object."""
    from xllamacpp import CommonParams, Server

    params = CommonParams()
    params.model.path = str(path)
    params.n_parallel, params.n_ctx, params.port = AT_ONCE, AT_ONCE * 2048, PORT
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    return Server(params)


def record(path: Path, requests: Sequence[Request], work: Path, threads: int) -> None:
    """Ask one model for what the work file does not hold yet."""
    done = {(row["id"], row["teacher"], row["purpose"]) for row in read(work)}
    todo = [r for r in requests if (r.query_id, r.teacher, r.purpose) not in done]
    print(f"{path.name}: {len(requests) - len(todo)} on file, {len(todo)} to ask", flush=True)
    if not todo:
        return
    server = serve(path, threads)
    with work.open("a", encoding="utf-8") as file, ThreadPoolExecutor(AT_ONCE) as pool:
        file.write("\n" if work.stat().st_size else "")  # so that a torn line does not swallow the next
        for number, future in enumerate(as_completed([pool.submit(ask, request) for request in todo]), 1):
            file.write(json.dumps(future.result()) + "\n")
            file.flush()
            print(f"{path.name}: {number}/{len(todo)}", flush=True)
    del server


def pack(work: Path, target: Path, queries: set[str]) -> None:
    """The replies on `queries`, ordered by id, teacher and purpose, gzipped without a time stamp: the bytes repeat."""
    rows = sorted((r for r in read(work) if r["id"] in queries), key=lambda r: (r["id"], r["teacher"], r["purpose"]))
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    target.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{target}: {len(rows)} recordings, {target.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    """Record, then pack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("purpose", choices=["answers", "rewrites"])
    parser.add_argument("--model", action="append", required=True, metavar="NAME=GGUF", help="may be given again")
    parser.add_argument("--run", type=Path, help="for rewrites: the run folder with the student's answers")
    parser.add_argument("--threads", type=int, default=2, help="idle cores (2): a waiting thread spins")
    parser.add_argument("--work", type=Path, default=HERE / "recordings.work.jsonl")
    arguments = parser.parse_args()
    if arguments.purpose == "rewrites" and arguments.run is None:
        parser.error("rewrites need --run: they answer to what a student wrote")
    config = load_config(HERE / "quickstart.yaml")
    requests = answer_requests(config) if arguments.run is None else rewrite_requests(config, arguments.run)
    for model, _, path in (option.partition("=") for option in arguments.model):
        record(Path(path), [r for r in requests if r.teacher == model], arguments.work, arguments.threads)
    queries = {query.id for query in read_queries(config.queries.path, config.task_evaluator)}
    pack(arguments.work, HERE / "recordings.jsonl.gz", queries)


if __name__ == "__main__":
    main()
