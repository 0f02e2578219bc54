"""Record real models' answers (and, later, their rewrites) for the quickstart, over an OpenAI-compatible server.

Each model is a GGUF file, served on loopback by ``xllamacpp`` (``pip install xllamacpp``) in this process and asked over
HTTP, four requests at a time. Every reply is appended to a work file at once: stop the script when you like, and the
same command goes on where it stopped. ``recordings.jsonl.gz`` is written anew at the end.

    python examples/quickstart/record.py answers  --model qwen2.5-coder-1.5b=/models/qwen.gguf
    python examples/quickstart/record.py rewrites --model qwen2.5-coder-1.5b=/models/qwen.gguf --run runs/quickstart
"""

from __future__ import annotations

import argparse
import gzip
import json
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple, TypedDict

from twt_core.prompts import Message, Template

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


class Request(NamedTuple):
    """What to ask about one query."""

    id: str
    messages: list[Message]


def answer_requests() -> Iterator[Request]:
    """The quickstart's teacher prompt, for every query."""
    template = Template.from_file(HERE / "teacher.j2", frozenset({"query", "rationale_length"}))
    for line in (HERE / "queries.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        messages = template.render(query=row["query"], rationale_length="a few short sentences")
        yield Request(row["id"], messages)


def ask(model: str, purpose: str, request: Request) -> Recording:
    """One chat completion, with its token log-probs and usage."""
    body = {
        "model": model,
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
        id=request.id,
        teacher=model,
        purpose=purpose,
        text=choice["message"]["content"],
        logprobs=[(token["token"], round(token["logprob"], 4)) for token in choice["logprobs"]["content"]],
        usage={key: result["usage"][key] for key in ("prompt_tokens", "completion_tokens")},
    )


def read(path: Path) -> list[Recording]:
    """The replies in the work file; a torn last line is left out, and asked again."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
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


def record(model: str, path: Path, purpose: str, requests: Iterable[Request], work: Path, threads: int) -> None:
    """Ask for what the work file does not hold yet."""
    done = {row["id"] for row in read(work) if (row["teacher"], row["purpose"]) == (model, purpose)}
    todo = [request for request in requests if request.id not in done]
    print(f"{model}: {len(done)} {purpose}s on file, {len(todo)} to ask", flush=True)
    if not todo:
        return
    server = serve(path, threads)
    with work.open("a", encoding="utf-8") as file, ThreadPoolExecutor(AT_ONCE) as pool:
        file.write("\n" if work.stat().st_size else "")  # so that a torn line does not swallow the next
        for number, future in enumerate(as_completed([pool.submit(ask, model, purpose, r) for r in todo]), 1):
            file.write(json.dumps(future.result()) + "\n")
            file.flush()
            print(f"{model}: {number}/{len(todo)}", flush=True)
    del server


def pack(work: Path, target: Path) -> None:
    """All replies, ordered by id, teacher and purpose, gzipped without a time stamp, so that the bytes repeat."""
    rows = sorted(read(work), key=lambda row: (row["id"], row["teacher"], row["purpose"]))
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    target.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{target}: {len(rows)} recordings, {target.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    """Record, then pack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("purpose", choices=["answers", "rewrites"])
    parser.add_argument("--model", action="append", required=True, metavar="NAME=GGUF", help="may be given again")
    parser.add_argument("--limit", type=int, help="ask about the first N queries only")
    parser.add_argument("--threads", type=int, default=2, help="as many as there are idle cores (2): a thread that waits spins")
    parser.add_argument("--work", type=Path, default=HERE / "recordings.work.jsonl")
    arguments = parser.parse_args()
    requests = list(answer_requests())[: arguments.limit]
    for model, _, path in (option.partition("=") for option in arguments.model):
        record(model, Path(path), "answer", requests, arguments.work, arguments.threads)
    pack(arguments.work, HERE / "recordings.jsonl.gz")


if __name__ == "__main__":
    main()
