"""Scorers, filters and selectors on recorded teachers: a few made-up rows through all of it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from random import Random

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "sampling.py"
SPEC = importlib.util.spec_from_file_location("sampling_benchmark", FILE)
assert SPEC is not None and SPEC.loader is not None
benchmark = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = benchmark  # its dataclasses look there for their names
SPEC.loader.exec_module(benchmark)

TEACHERS = {"ann": 0.95, "ben": 0.9, "cat": 0.5}


def recorded(path: Path, count: int) -> Path:
    random = Random(0)
    rows = []
    for n in range(count):
        outputs = []
        for name, accuracy in TEACHERS.items():
            right = random.random() < accuracy
            final = "7" if right else str(random.randrange(10, 99))
            if n == 0:
                final = None
            text = f"{name} adds three and four. It is {final}."
            outputs.append({"model": name, "text": text, "final": final, "correct": right and n > 0})
        rows.append({"id": f"q{n}", "query": "What is 3 plus 4?", "answer": "7", "outputs": outputs})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def result(tmp_path_factory, embedder):
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark, "SETS", {"gsm8k": {"made up": tuple(TEACHERS)}})
        patch.setattr(benchmark, "DRAWS", 3)
        [found] = benchmark.run({"gsm8k": recorded(folder / "r.jsonl", 60)}, {}, str(embedder), 10)
    return found


def cell(result, *names, part=False):
    return benchmark._find(result.part if part else result.cells, *names)


def test_every_combination_is_there_once(result):
    names = {(c.scorer, c.quality_filter, c.selector) for c in result.cells}
    assert len(names) == len(result.cells)
    assert len(names) == len(benchmark.SCORERS) * len(benchmark.FILTERS) * len(benchmark.SELECTORS)
    assert {c.selector for c in result.part} == {*benchmark.SELECTORS, *benchmark.EMBEDDING_SELECTORS}
    assert {c.queries for c in result.part} == {10}


def test_without_filter_and_selector_it_is_the_teachers(result):
    every = cell(result, "agreement", "none", "all")
    assert every.rows == 59 * 3
    assert every.row_share == pytest.approx(59 / 60, abs=1e-4)
    assert every.query_share.share == pytest.approx(59 / 60, abs=1e-4)
    mean = sum(teacher.accuracy.share for teacher in result.teachers) / 3
    assert every.accuracy.share == pytest.approx(mean, abs=1e-4)
    assert every.accuracy.low < mean < every.accuracy.high
    assert every.lowest_teacher == min(teacher.accuracy.share for teacher in result.teachers)
    assert {teacher.answered for teacher in result.teachers} == {round(59 / 60, 4)}


def test_agreement_separates_right_from_wrong(result):
    [agreement, own] = result.scorers
    assert agreement.auroc > 0.9 and own.auroc > 0.9
    kept = cell(result, "agreement", "threshold 0.5", "all")
    assert kept.accuracy.share > 0.95 and kept.row_share < 0.9


def test_differences_are_paired_with_random(result):
    drawn = cell(result, "agreement", "none", "random_pair", part=True)
    assert drawn.against_random is None and drawn.rows == 2 * round(10 * drawn.query_share.share)
    other = cell(result, "agreement", "none", "most_confident", part=True)
    assert other.against_random.share == pytest.approx(other.accuracy.share - drawn.accuracy.share, abs=2e-4)


def test_the_least_similar_are_least_similar(result):
    pairs = ("random_pair", "most_confident", "min_similarity_pair", "farthest_first", "mmr", "facility_location")
    cosines = {name: cell(result, "agreement", "none", name, part=True).cosine for name in pairs}
    assert min(cosines, key=cosines.get) == "min_similarity_pair"


def test_it_reads_as_a_table(result):
    text = benchmark.markdown([result])
    assert "## gsm8k, made up: 60 queries" in text
    assert "--out docs/results/sampling" in text
    widths = [{line.count("|") for line in block.splitlines()} for block in text.split("\n\n") if block[:1] == "|"]
    assert len(widths) == 4 and all(len(width) == 1 for width in widths)


def test_nothing_kept_is_a_result(result):
    empty = benchmark.Cell(**{**result.cells[0].model_dump(), "accuracy": None, "lowest_teacher": None, "rows": 0})
    shown = result.model_copy(update={"cells": [empty, *result.cells[1:]]})
    assert "nothing" in benchmark.markdown([shown])


def test_an_unknown_set_is_refused():
    with pytest.raises(benchmark.argparse.ArgumentTypeError, match="NAME one of gsm8k, cqa, strategyqa"):
        benchmark._named("mmlu=x.jsonl")
