"""The other side of `agreement_harness.py`: lm-evaluation-harness and inspect_ai score outputs, in their own Python.

Reads the outputs' file, and prints one JSON object a line: {"row", "scorer", "right"}. It imports nothing of ours.
inspect_ai's scorer for MBPP runs the programs as they are: start this in a container, or let nothing hostile in.

    PYTHON_WITH_THEM benchmarks/agreement_sides.py OUTPUTS.jsonl
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Rows = list[tuple[int, dict[str, Any]]]


def gsm8k(rows: Rows) -> Iterator[tuple[int, str, bool]]:
    """lm-evaluation-harness's task gsm8k: its filters and its metric, as its own configuration has them."""
    import lm_eval
    import yaml
    from lm_eval.api.instance import Instance
    from lm_eval.api.metrics import exact_match_fn
    from lm_eval.filters import build_filter_ensemble

    config = yaml.safe_load((Path(lm_eval.__file__).parent / "tasks/gsm8k/gsm8k.yaml").read_text())
    [metric] = config["metric_list"]
    options = {key: metric[key] for key in ("ignore_case", "ignore_punctuation", "regexes_to_ignore")}
    for wanted in config["filter_list"]:
        steps = [(step["function"], {k: v for k, v in step.items() if k != "function"}) for step in wanted["filter"]]
        asked = [Instance("generate_until", row, (), 0, resps=[row["text"]]) for _, row in rows]
        build_filter_ensemble(wanted["name"], steps).apply(asked)
        for (at, row), one in zip(rows, asked, strict=True):
            found = one.filtered_resps[wanted["name"]]
            score = exact_match_fn(predictions=[found], references=[row["answer"]], **options)
            yield at, f"lm-eval {wanted['name']}", bool(score["exact_match"])


def mbpp(rows: Rows) -> Iterator[tuple[int, str, bool]]:
    """inspect_evals' scorer of MBPP, run by inspect_ai on the texts as if a model had just said them."""
    from inspect_ai import Task
    from inspect_ai import eval as evaluate
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelOutput
    from inspect_ai.solver import Generate, Solver, TaskState, solver

    # The package's name for the task hides its module.
    __import__("inspect_evals.mbpp.mbpp")
    verify = sys.modules["inspect_evals.mbpp.mbpp"].verify

    @solver
    def said() -> Solver:
        async def solve(state: TaskState, _: Generate) -> TaskState:
            state.output = ModelOutput.from_content("recorded", state.metadata["text"])
            return state

        return solve

    samples = [
        Sample(input=row["query"], target=row["tests"], id=at + 1, metadata={"text": row["text"]}) for at, row in rows
    ]
    task = Task(dataset=MemoryDataset(samples), solver=said(), scorer=verify(), sandbox="local")
    with tempfile.TemporaryDirectory() as folder:
        [log] = evaluate(task, model="mockllm/model", log_dir=folder, display="none", max_samples=1)
        for sample in log.samples or []:  # read from the folder now
            yield int(sample.id) - 1, "inspect_evals", (sample.scores or {})["verify"].value == "C"


def main() -> None:
    """Score what can be scored with what is installed."""
    rows = list(enumerate(json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()))
    for name, package, score in (("gsm8k", "lm_eval", gsm8k), ("mbpp", "inspect_evals", mbpp)):
        own = [(at, row) for at, row in rows if row["set"] == name]
        if not own:
            continue
        if find_spec(package) is None:
            print(json.dumps({"absent": package}))
            continue
        print(json.dumps({"version": f"{package} {version(package)}"}))
        for at, scorer, right in score(own):
            print(json.dumps({"row": at, "scorer": scorer, "right": right}))


if __name__ == "__main__":
    main()
