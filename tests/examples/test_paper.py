"""The paper's runs: each config plans without a key or a network, and runs whole at a reduced size.

A config that is added to a task's folder is tested by that alone.
"""

from __future__ import annotations

import gc
import json
import socket
from pathlib import Path

import jsonschema
import project
import pytest

from twt_core import planning, session
from twt_core.config import RunConfig, config_schema, load_config
from twt_core.config_source import ConfigSource
from twt_core.data import DOWNLOADS, read_data
from twt_core.progress import Progress
from twt_core.records import Query
from twt_core.yaml_reader import read_yaml_text

PAPER = Path(__file__).parents[2] / "examples" / "paper"
TASKS = ("mbpp", "cqa", "metamath")
CONFIGS = [path for task in TASKS for path in sorted((PAPER / task).glob("*.yaml")) if path.name != "task.yaml"]

#: Rows as the hub has them, and the queries they are to become.
HUB_ROWS = {
    "mbpp": [
        {
            "task_id": 601 + n, "text": f"Write a function to add {n} to a number.",
            "code": f"def add(x):\r\n  return x + {n}",
            "test_list": [f"assert add(1) == {1 + n}", f"assert add(2) == {2 + n}"],
            "test_setup_code": "", "challenge_test_list": [],
        }
        for n in range(6)
    ],
    "cqa": [
        {
            "id": f"075e483d21c29a51{n}", "question": f"What is number {n} after?", "question_concept": "number",
            "choices": {"label": list("ABCDE"), "text": [f"number {n - k}" for k in range(1, 6)]}, "answerKey": "A",
        }
        for n in range(6)
    ],
    "metamath": [
        {
            "type": "GSM_Rephrased", "query": f"What is {n} plus {n}?", "original_question": f"{n} + {n}?",
            "response": f"The answer is: unknown? No.\nIt is {2 * n}.\n#### {2 * n}\nThe answer is: {2 * n}",
        }
        for n in range(6)
    ],
}  # fmt: skip
TEST_ROWS = {
    "mbpp": [{**row, "task_id": 11, "text": f"{row['text']} Test."} for row in HUB_ROWS["mbpp"][:1]],
    "cqa": [{**row, "id": "t", "question": f"{row['question']} Test."} for row in HUB_ROWS["cqa"][:1]],
    "metamath": [{"question": "What is 7 plus 7?", "answer": "It is <<7+7=14>>14.\n#### 14"}],
}
LABELS = {
    "mbpp": lambda n: f"```python\ndef add(x):\n    return x + {n}\n```",
    "cqa": lambda _: "The answer is: [A]",
    "metamath": lambda n: f"The answer is: {2 * n}",
}
#: The stages that a method is to go through, where those are not the paper's three.
STAGES = {
    "standard_kd": ["answer_only"],
    "distilling_step_by_step": ["label_and_rationale"],
    "tinyllm": ["label_and_rationales"],
    "four_stage": ["full", "compressed_1", "compressed_2", "answer_only"],
    "no_compression": ["full", "answer_only"],
}
NO_DCRS = {"standard_kd", "distilling_step_by_step", "tinyllm", "no_dcrs"}


def shown(path):
    return f"{path.parent.name}/{path.stem}"


def usable(path: Path) -> Path:
    """The config, if what it needs beside the project is installed."""
    if path.stem == "compressor_model":
        pytest.importorskip("llmlingua")
    return path


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("something went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("path", CONFIGS, ids=shown)
def test_it_plans_without_a_key_or_a_network(path, tmp_path, no_network):
    planned = planning.plan(usable(path), (), tmp_path / "runs")
    config = load_config(path)
    assert {row.answers for row in planned.calls if row.answers} == {config.queries.declared}
    assert planned.worst_case_usd and planned.worst_case_usd > 1
    [_, costs] = rows_of_readme(path)
    assert costs.split(" | ")[1 + TASKS.index(path.parent.name)].startswith(f"{planned.teacher_calls_at_most:,}, $")
    assert len(planned.notes) == 2 and all("not downloaded yet" in note for note in planned.notes)
    assert [step.step for step in planned.steps if step.step.endswith("-student")] == [
        f"{stage}-student" for stage in STAGES.get(path.stem, ["full", "compressed", "answer_only"])
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", CONFIGS, ids=shown)
def test_it_has_the_papers_settings(path):
    config = load_config(path)
    student = config.student
    assert config.name == f"{path.parent.name}-{path.stem.replace('_', '-')}"
    assert (student.lora.r, student.learning_rate, student.batch_size, student.epochs) == (8, 1e-5, 8, 4)
    assert (student.max_length, student.temperature, student.top_p, student.max_new_tokens) == (4096, 0, 0.95, 2048)
    assert student.model == ("microsoft/Phi-3.5-mini-instruct" if "phi" in path.stem else "mistralai/Mistral-7B-v0.3")
    for teacher in config.teachers:
        options = teacher.model_dump()
        assert (options["temperature"], options["top_p"], options["max_tokens"]) == (0, 0.95, 2048)


def test_the_schema_takes_what_the_configs_say():
    validator = jsonschema.Draft202012Validator(config_schema())
    for path in CONFIGS:
        validator.validate(read_yaml_text(path.read_text(encoding="utf-8"), str(path)).value)
        validator.validate(ConfigSource.read(path, RunConfig).value)


def test_every_run_has_a_name_of_its_own_and_every_task_the_same_methods():
    assert len({load_config(path).name for path in CONFIGS}) == len(CONFIGS)
    assert len({frozenset(path.name for path in CONFIGS if path.parent.name == task) for task in TASKS}) == 1
    assert {path.stem for path in (PAPER / "methods").glob("*.yaml")} < {path.stem for path in CONFIGS}


def test_every_config_is_in_both_tables_of_the_readme():
    assert {path.stem: len(rows_of_readme(path)) for path in CONFIGS} == {path.stem: 2 for path in CONFIGS}


def rows_of_readme(path: Path) -> list[str]:
    """What it reproduces; what it costs."""
    lines = (PAPER / "README.md").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith(f"| `{path.stem}.yaml`")]


@pytest.mark.parametrize("task", TASKS)
def test_rows_as_the_hub_has_them_become_queries(task, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    config = load_config(PAPER / task / "twt.yaml")
    overrides = []
    for name, rows in (("queries", HUB_ROWS[task]), ("test_queries", TEST_ROWS[task])):
        source = getattr(config, name)
        (tmp_path / name).mkdir()
        project.write_rows(tmp_path / name / f"{source.split}.jsonl", rows)
        overrides += [f"{name}.dataset={tmp_path / name}", f"{name}.config=null", f"{name}.rows={len(rows)}"]
    data = read_data(load_config(PAPER / task / "twt.yaml", overrides), tmp_path / DOWNLOADS)
    assert sorted(data.queries, key=lambda query: query.query) == queries(task)
    assert [query.answer is not None for query in data.test] == [True]
    assert data.notes == []


def queries(task: str) -> list[Query]:
    """What the rows of the hub are to become."""
    if task == "mbpp":
        return [
            Query(id=str(row["task_id"]), query=row["text"], answer=row["code"], tests=tuple(row["test_list"]))
            for row in HUB_ROWS[task]
        ]
    if task == "cqa":
        return [
            Query(id=row["id"], query=row["question"], answer="A", choices=tuple(row["choices"]["text"]))
            for row in HUB_ROWS[task]
        ]
    return [Query(id=f"train/{n}", query=row["query"], answer=str(2 * n)) for n, row in enumerate(HUB_ROWS[task])]


@pytest.fixture
def frozen():
    """What is loaded by now is no garbage, and is not looked through again: the trainer looks after each stage."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with each task's queries, test queries, and what its teachers said."""
    folder = tmp_path_factory.mktemp("paper")
    for task in TASKS:
        asked = queries(task)
        tested = [query.model_copy(update={"id": f"t/{query.id}", "query": f"{query.query} Test."}) for query in asked]
        for name, rows in (("queries", asked), ("test", tested[:2])):
            project.write_rows(folder / f"{task}.{name}.jsonl", [row.model_dump(exclude_none=True) for row in rows])
        said = [row for n, query in enumerate(asked) for row in recordings(task, n, query)]
        project.write_rows(folder / f"{task}.said.jsonl", said)
    return folder


def recordings(task: str, number: int, query: Query) -> list[dict[str, object]]:
    """Each teacher's answer in the words of the paper's prompt, its rewrite, and its grade."""
    rows: list[dict[str, object]] = []
    for place, teacher in enumerate(("gpt-4", "gpt-4o-mini", "mistral-large")):
        low = (number + place) % 3 == 0
        label, who = LABELS[task](number), {"id": query.id, "teacher": teacher}
        thinking = f"Way {place} to number {number} is long. It is written out, step by step. Then it comes to an end."
        logprobs = [["Thinking", -1.0 if low else -0.01]]
        answer = f"Thinking:{thinking}\n{label}\nscore: {0.5 if low else 0.96}"
        rows.append({**who, "text": answer, "logprobs": logprobs})
        rows.append({**who, "purpose": "rewrite", "text": f"Thinking: Way {place}.\n{label}"})
        grade = {"id": query.id, "teacher": "judge", "purpose": "grade", "about": teacher}
        rows.append({**grade, "text": "Poor" if low else "Good"})
    return rows


def reduced(path: Path, small: Path, model: Path, embedder: Path) -> list[str]:
    """The overrides that take a config to the tiny model, recorded teachers and a few queries."""
    task, config = path.parent.name, load_config(path)

    def replay(name):
        return {"use": "replay", "name": name, "path": str(small / f"{task}.said.jsonl")}

    changed: dict[str, object] = {
        "queries": {"path": str(small / f"{task}.queries.jsonl")},
        "test_queries": {"path": str(small / f"{task}.test.jsonl")},
        "teachers": [replay(teacher.name) for teacher in config.teachers],
        "student.model": str(model),
        **{"student.epochs": 1, "student.max_length": 512, "student.max_new_tokens": 4},
        "student.lora.target_modules": ["q_proj"],
        **{"student.micro_batch_size": None, "student.gradient_checkpointing": False, "student.device": "cpu"},
    }
    if config.diversity_selector.use == "min_similarity_pair":
        changed["diversity_selector.embedder"] = str(embedder)
    if config.compressor.use == "llmlingua":
        changed["compressor.model"] = str(model)
    if config.confidence_scorer.use == "grade":
        changed["confidence_scorer.judge"] = replay("judge")
    return [f"{key}={json.dumps(value)}" for key, value in changed.items()]


# With the tiny model in the student's place, the second student's config is the first's.
@pytest.mark.parametrize("path", [path for path in CONFIGS if not path.stem.endswith("_phi")], ids=shown)
def test_it_runs_whole_at_a_reduced_size(path, small, model, embedder, frozen):
    overrides = reduced(usable(path), small, model, embedder)
    summary = session.run(path, overrides, small / "runs", None, Progress(quiet=True))
    counts, asked = summary.annotations, len(load_config(path).teachers) * 6
    assert [stage.name for stage in summary.stages] == [
        "untouched", *STAGES.get(path.stem, ["full", "compressed", "answer_only"])
    ]  # fmt: skip
    assert (counts.asked, counts.failed) == (asked, 0)
    assert counts.kept == (asked if path.stem in NO_DCRS else asked * 2 // 3)
    assert {teacher.label_accuracy for teacher in summary.teachers} == {1.0}
    for row in list(summary.compression.values())[:1]:  # a recorded rewrite is the same in each round
        assert row.mean_words_after < row.mean_words_before
