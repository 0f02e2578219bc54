"""How fast students answer: the tiny model through all of it, and llama.cpp's side on a real GGUF."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from twt_core.components import TaskEvaluator
from twt_core.models import find_model
from twt_core.records import Query
from twt_core.student.config import StudentConfig
from twt_core.student.loading import load_tokenizer

FILE = Path(__file__).parents[2] / "benchmarks" / "generate.py"
SPEC = importlib.util.spec_from_file_location("generate_benchmark", FILE)
assert SPEC is not None and SPEC.loader is not None
benchmark = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = benchmark
SPEC.loader.exec_module(benchmark)

BY_HAND = ["model.generate, one by one", "model.generate, batched unsorted"]


def job(base, server=None, **options):
    task, query = TaskEvaluator.model_validate({"use": "exact_match"}), Query(id="any", query="")
    config = StudentConfig(**{"model": "tiny", "max_new_tokens": 6, "generation_batch_size": 2, **options})
    return benchmark.Job(
        base,
        None,
        load_tokenizer(base),
        [],
        [],
        config,
        lambda text, _: task.answered(text, query),
        server or benchmark.Server(),
    )


def test_the_tiny_model_goes_through_all_of_it(model, tmp_path, monkeypatch, capsys):
    output = tmp_path / "generate.json"
    arguments = ["--base", model, "--questions", 5, "--max-new-tokens", 6, "--batch-size", 2, "--rounds", 2]
    monkeypatch.setattr(
        sys, "argv", [str(FILE), *map(str, arguments), "--sides", "twt", *BY_HAND, "--output", str(output)]
    )
    benchmark.main()
    whole = json.loads(output.read_text(encoding="utf-8"))
    assert set(whole) == {"command", "machine", "versions", "settings", "sides", "turns"}
    assert [row["side"] for row in whole["sides"]] == ["twt", *BY_HAND]
    assert [turn["side"] for turn in whole["turns"]] == ["twt", *BY_HAND, *reversed(["twt", *BY_HAND])]
    for row in whole["sides"]:
        assert row["same_texts"] == 1  # greedy in float32: each side writes the same
        assert len(row["ratios"]) == 2 and all(ratio > 0 for ratio in row["ratios"])
    assert whole["sides"][0]["ratios"] == [1, 1]
    assert all(0 < turn["useful_tokens"] <= turn["generated_tokens"] <= 5 * 6 for turn in whole["turns"])
    assert "useful tokens/s" in capsys.readouterr().out


def test_tokens_after_the_answer_or_the_end_are_not_useful(model):
    tokenizer = load_tokenizer(model)
    texts = ["The answer is: 7\nThe answer is: 7\n", "The answer is: 7<|im_end|>", "Thinking: 3"]
    rows = [tokenizer(text).input_ids for text in texts]
    written = benchmark._useful(job(model), rows)
    assert written.texts == ["The answer is: 7", "The answer is: 7", "Thinking: 3"]
    assert written.generated == sum(map(len, rows))
    assert written.useful == written.generated - len(rows[0]) // 2


def test_ratios_are_of_a_round():
    turns = [
        benchmark.Turn("twt", 0, 1.0, 9.0, 10, 10), benchmark.Turn("other", 0, 2.0, 9.0, 10, 20),
        benchmark.Turn("other", 1, 8.0, 9.0, 10, 20), benchmark.Turn("twt", 1, 2.0, 9.0, 10, 10),
    ]  # fmt: skip
    own, other = benchmark.rows_of(turns, {"twt": ["a", "b"], "other": ["a", "c"]})
    assert own.ratios == [1, 1]
    assert (other.ratios, other.ratio, other.useful_share, other.same_texts) == ([2, 4], 3, 0.5, 0.5)
    assert (own.questions_per_second, other.questions_per_second) == (1.5, 0.625)


def test_llama_cpp_gives_the_tokens_it_wrote(model):
    gguf = find_model(benchmark.MODEL)
    with benchmark.served(gguf, 2, 64) as server:
        before = server.cpu_seconds()
        rows = [benchmark._completed(job(model, server), ids) for ids in ([1, 2, 3, 4], [1, 2, 3, 4], [5, 6])]
        assert server.cpu_seconds() > before
    assert rows[0] == rows[1]
    assert all(0 < len(row) <= 7 and all(isinstance(token, int) for token in row) for row in rows)


def test_llama_cpp_needs_a_gguf(model):
    arguments = benchmark.argparse.Namespace(sides=["llama.cpp"], model=str(model))
    with pytest.raises(SystemExit, match="is no GGUF file"):
        benchmark._server(arguments, 64)
