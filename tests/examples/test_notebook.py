"""The notebook: clean as it is kept, its own config loads, and it runs from top to bottom in a real kernel."""

from __future__ import annotations

import ast
import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import project
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from twt_core.config import load_config
from twt_core.summary import Summary

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = EXAMPLES / "notebook" / "distil.ipynb"
QUICKSTART = EXAMPLES / "quickstart"


def read() -> NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def source(name: str) -> str:
    [cell] = [cell for cell in read().cells if cell.id == name]
    return cell.source


def names_set(code: str) -> set[str]:
    return {
        node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def overridden(**values: object) -> NotebookNode:
    """The notebook with a cell after its parameters that sets some of them, as papermill does."""
    assert set(values) <= names_set(source("parameters"))
    notebook = read()
    [at] = [n for n, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ())]
    text = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell(text))
    return notebook


def said(notebook: NotebookNode, name: str) -> str:
    [cell] = [cell for cell in notebook.cells if cell.id == name]
    return "".join(output.get("text", "") for output in cell.outputs)


def test_it_is_valid_and_carries_no_outputs():
    notebook = read()
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert sum("parameters" in cell.metadata.get("tags", ()) for cell in code) == 1


@pytest.fixture
def values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The notebook's parameters, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {"folder": Path()}
    exec(source("parameters"), found)
    return found


def test_as_it_stands_its_config_loads(tmp_path, values):
    for name in ("questions", "config"):
        exec(source(name), values)
    config = load_config(tmp_path / "run.yaml")
    assert [teacher.name for teacher in config.teachers] == ["qwen2.5-1.5b", "qwen2.5-0.5b"]
    assert config.student.model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    rows = [(tmp_path / name).read_text(encoding="utf-8").splitlines() for name in ("queries.jsonl", "test.jsonl")]
    assert [len(lines) for lines in rows] == [200, 100]
    assert values["weekday"] and len({line.partition('"query"')[2] for lines in rows for line in lines}) == 300


def test_the_teachers_it_speaks_of_can_take_the_place_of_another(tmp_path, values):
    """Its prose names a paid teacher, and recorded ones."""
    named = [ast.literal_eval(text) for text in re.findall(r"`(\{.+?\})`", source("parameters-title"))]
    (tmp_path / "recordings.jsonl.gz").write_bytes((QUICKSTART / "recordings.jsonl.gz").read_bytes())
    for teacher in named:
        if "path" in teacher:
            assert teacher["path"].endswith("examples/quickstart/recordings.jsonl.gz")
            teacher["path"] = "recordings.jsonl.gz"
    values["TEACHERS"] = [*named, values["TEACHERS"][0]]
    for name in ("questions", "config"):
        exec(source(name), values)
    teachers = load_config(tmp_path / "run.yaml").teachers
    assert [teacher.name for teacher in teachers] == ["gpt-4o-mini", "qwen2.5-coder-1.5b", "qwen2.5-1.5b"]


def test_keys_are_asked_for_and_kept_out_of_every_file(tmp_path, values, monkeypatch):
    monkeypatch.setattr(os, "environ", {"HAD_API_KEY": "had"})
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"for {prompt}")
    values["KEYS"] = ["HAD_API_KEY", "NEW_API_KEY"]
    for name in ("keys", "questions", "config"):
        exec(source(name), values)
    assert os.environ == {"HAD_API_KEY": "had", "NEW_API_KEY": "for NEW_API_KEY: "}
    assert "NEW_API_KEY" not in (tmp_path / "run.yaml").read_text(encoding="utf-8")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel finds `twt` where a terminal would, and keeps its own files out of the home folder."""
    programs = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([programs, os.environ["PATH"]]))


@pytest.mark.usefixtures("here")
def test_it_runs_from_top_to_bottom(tmp_path, model, monkeypatch):
    project.make(tmp_path, model)
    for name in ("queries", "test"):  # the notebook writes questions of its own under these names
        (tmp_path / f"{name}.jsonl").rename(tmp_path / f"sums-{name}.jsonl")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = overridden(
        FOLDER=str(tmp_path),
        TEACHERS=[{"use": "replay", "name": name, "path": "recordings.jsonl"} for name in project.TEACHERS],
        SELECTOR={"use": "random_pair"},
        QUERIES={"path": "sums-queries.jsonl"},
        TEST_QUERIES={"path": "sums-test.jsonl"},
        STUDENT={
            "model": str(model), "learning_rate": 1e-3, "epochs": 1, "max_length": 512, "max_new_tokens": 8,
            "precision": "fp32",
        },
        QUESTION="What is 1 plus 1?",
    )  # fmt: skip
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    summary = Summary.model_validate_json((tmp_path / "runs" / "student" / "summary.json").read_text(encoding="utf-8"))
    assert [stage.name for stage in summary.stages] == ["untouched", "full", "compressed", "answer_only"]
    assert summary.recommended_stage in said(notebook, "run")
    assert "teacher calls" in said(notebook, "plan")
    assert "compared" in said(notebook, "compare")
    assert (tmp_path / "runs" / "student" / "report.html").is_file()
    [shown] = [output for cell in notebook.cells if cell.id == "report" for output in cell.outputs if "data" in output]
    assert "&lt;html" in shown.data["text/html"]
    assert (tmp_path / "model" / "model.safetensors").is_file()
