"""Another tool on the queries of `annotate.py`, as its documentation has one ask an OpenAI-compatible server.

This file is run by the Python of the tool's own environment, so that it imports nothing of TwT.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

Chat = list[dict[str, str]]

#: Seconds that one tool may take for one measurement.
LIMIT = 180.0
TEMPERATURE, TOP_P, MAX_TOKENS = 0.7, 1.0, 2048


class Other(NamedTuple):
    """A tool's calls per second, beyond the seconds that it takes for one query. Without any, `note` says why."""

    tool: str
    latency_ms: int
    concurrency: int
    queries: int
    per_second: float | None = None
    one_query_seconds: float | None = None
    version: str = ""
    note: str = ""


def ask_other(python: str, row: Other, url: str, chats: Sequence[Chat], folder: Path) -> Other:
    """Have a tool ask all of these, in a process of its own. `python` is that of its environment."""
    with TemporaryDirectory(dir=folder) as own:
        Path(own, "chats.json").write_text(json.dumps(chats), encoding="utf-8")
        command = [python, __file__, row.tool, url, str(row.concurrency), own]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return row._replace(note=f"stopped after {LIMIT:g} s")
        except OSError as error:
            return row._replace(note=f"{python}: {error.strerror}")
    if done.returncode:
        return row._replace(note=f"failed: {(done.stderr.strip().splitlines() or ['killed'])[-1]}"[:300])
    one, every, release = json.loads(done.stdout.strip().splitlines()[-1])
    return row._replace(per_second=(row.queries - 1) / max(every - one, 1e-9), one_query_seconds=one, version=release)


def curator(url: str, concurrency: int, chats: Sequence[Chat], folder: Path) -> Sequence[str]:
    """`curator.LLM` on its OpenAI backend. Its limits per minute are set out of the way; the cache is a new folder."""
    import litellm

    # Curator counts tokens with a table that it would fetch; LiteLLM, which it installs, ships that table.
    os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(litellm.__file__).parent / "litellm_core_utils" / "tokenizers")
    from bespokelabs import curator as library  # type: ignore[import-not-found,unused-ignore]

    class Asked(library.LLM):  # type: ignore[misc,name-defined,unused-ignore]
        def prompt(self, input: dict[str, Any]) -> Any:
            return input["messages"]

        def parse(self, input: dict[str, Any], response: str) -> dict[str, str]:
            return {"text": response}

    llm = Asked(
        model_name="made-up",
        backend="openai",
        generation_params={"temperature": TEMPERATURE, "top_p": TOP_P, "max_tokens": MAX_TOKENS},
        backend_params={
            "base_url": url, "api_key": "not-needed", "require_all_responses": False, "max_retries": 0,
            "max_concurrent_requests": concurrency,
            "max_requests_per_minute": 10**7, "max_tokens_per_minute": 10**10,
        },
    )  # fmt: skip
    answer = llm([{"messages": chat} for chat in chats], working_dir=str(folder))
    return list(answer.dataset["text"])


def distilabel(url: str, concurrency: int, chats: Sequence[Chat], folder: Path) -> Sequence[str]:
    """A pipeline of `ChatGeneration` on `OpenAILLM`: a batch's calls go out together, so that its size is how many."""
    from distilabel.models import OpenAILLM  # type: ignore[import-not-found,unused-ignore]
    from distilabel.pipeline import Pipeline  # type: ignore[import-not-found,unused-ignore]
    from distilabel.steps import LoadDataFromDicts  # type: ignore[import-not-found,unused-ignore]
    from distilabel.steps.tasks import ChatGeneration  # type: ignore[import-not-found,unused-ignore]

    options = {"temperature": TEMPERATURE, "top_p": TOP_P, "max_new_tokens": MAX_TOKENS}
    llm = OpenAILLM(
        model="made-up", base_url=url, api_key="not-needed", max_retries=0, timeout=300, generation_kwargs=options
    )
    with Pipeline(name="annotate", cache_dir=folder) as pipeline:
        load = LoadDataFromDicts(data=[{"messages": chat} for chat in chats], batch_size=concurrency)
        load >> ChatGeneration(llm=llm, input_batch_size=concurrency)
    made = pipeline.run(use_cache=False)
    return list(made["default"]["train"]["generation"])


TOOLS: dict[str, tuple[str, Callable[[str, int, Sequence[Chat], Path], Sequence[str]]]] = {
    "curator": ("bespokelabs-curator", curator),
    "distilabel": ("distilabel", distilabel),
}


def main(tool: str, url: str, concurrency: int, folder: Path) -> None:
    """Ask one query, then all; the seconds of both go to the output's last line. Imports are in neither."""
    os.environ |= {"TELEMETRY_ENABLED": "false", "CURATOR_DISABLE_RICH_DISPLAY": "1", "HF_HUB_OFFLINE": "1"}
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    distribution, ask = TOOLS[tool]
    chats: list[Chat] = json.loads((folder / "chats.json").read_text(encoding="utf-8"))
    seconds = []
    for name, part in (("warm", chats[:1]), ("one", chats[:1]), ("all", chats)):
        (folder / name).mkdir()
        began = time.perf_counter()
        texts = ask(url, concurrency, part, folder / name)
        seconds.append(time.perf_counter() - began)
        if len(texts) != len(part) or not all(texts):
            raise SystemExit(f"{len(texts)} answers to {len(part)} queries")
    print(json.dumps([*seconds[1:], version(distribution)]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
