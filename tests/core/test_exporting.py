"""What is taken out of a run works without TwT."""

from __future__ import annotations

import json

import project
import pytest

from twt_core import finished as finished_run
from twt_core.errors import InputError
from twt_core.exporting import export
from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.student.config import StudentConfig
from twt_core.student.generation import generate

QUESTION = [{"role": "user", "content": "What is 3 plus 4?"}]


def greedy(model, tokenizer, count=8):
    import torch

    ids = tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.inference_mode():
        out = model.generate(**ids, max_new_tokens=count, do_sample=False, pad_token_id=tokenizer.pad_token_id)
    return tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True).strip()


@pytest.fixture(scope="module")
def stage_text(finished, model):
    """What a stage's student answers, as TwT asks it."""

    def ask(stage):
        config = StudentConfig(**{**finished_run.recipe(finished.folder).student, "model": str(model)})
        prompts = [("q", [Message("user", QUESTION[0]["content"])])]
        [made] = generate(
            model, finished_run.adapter_of(finished.folder, stage), prompts, config, 0, Progress(quiet=True)
        )
        return made.text

    return ask


@pytest.mark.parametrize("stage", ["untouched", "full", "answer_only"])
def test_a_merged_model_loads_and_says_the_same(finished, tmp_path, stage_text, stage):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    said = export(finished.folder, "merged", tmp_path / "out", stage)
    assert stage in said
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto")
    assert greedy(model, AutoTokenizer.from_pretrained(tmp_path / "out")) == stage_text(stage)


def test_an_adapter_loads_in_peft(finished, tmp_path, model):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    export(finished.folder, "adapter", tmp_path / "out", "compressed")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    export(finished.folder, "merged", tmp_path / "merged", "compressed")
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    mine = PeftModel.from_pretrained(base, tmp_path / "out").merge_and_unload().state_dict()
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32).state_dict()
    assert mine.keys() == merged.keys()
    assert all(torch.allclose(mine[name], merged[name], atol=1e-2) for name in mine)


def test_the_recommended_stage_is_the_default(finished, tmp_path):
    assert finished.summary.recommended_stage in export(finished.folder, "merged", tmp_path / "out")


def test_a_data_set_of_each_stage(finished, tmp_path):
    export(finished.folder, "dataset", tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "answer_only.jsonl",
        "compressed.jsonl",
        "full.jsonl",
    ]
    for stage, step in (("full", "traces"), ("compressed", "compressed-traces"), ("answer_only", "answer_only-traces")):
        lines = (tmp_path / "out" / f"{stage}.jsonl").read_text(encoding="utf-8").splitlines()
        rows, traces = [json.loads(line) for line in lines], project.rows_of(finished.folder, step)
        assert [(row["id"], row["teacher"]) for row in rows] == [(t["query_id"], t["teacher"]) for t in traces]
        for row, trace in zip(rows, traces, strict=True):
            assert [message["role"] for message in row["messages"]][-2:] == ["user", "assistant"]
            assert ("rationale" in trace) == (trace.get("rationale", "?") in row["messages"][-1]["content"])
            assert trace["label"] in row["messages"][-1]["content"]


def test_a_line_separator_in_a_text_ends_no_row(again, tmp_path):
    for file in (again.folder / "queries.jsonl", again.folder / "06-traces" / "rows.jsonl"):
        text = file.read_text(encoding="utf-8").replace(" plus ", "\u2028plus ").replace(" counts ", "\u2028counts ")
        file.write_text(text, encoding="utf-8")
    export(again.folder, "dataset", tmp_path / "out")
    lines = (tmp_path / "out" / "full.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert len(lines) == again.summary.annotations.selected
    assert "\u2028plus" in json.loads(lines[0])["messages"][-2]["content"]
    assert "\u2028counts" in json.loads(lines[0])["messages"][-1]["content"]


def test_nothing_is_overwritten(finished, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    (tmp_path / "file").touch()
    for target in ("out", "file"):
        with pytest.raises(InputError, match="nothing is overwritten"):
            export(finished.folder, "dataset", tmp_path / target)
    with pytest.raises(InputError, match="cannot write there"):
        export(finished.folder, "dataset", tmp_path / "file" / "out")


def test_the_untouched_student_has_no_adapter(finished, tmp_path):
    with pytest.raises(InputError, match="the untouched student has no adapter"):
        export(finished.folder, "adapter", tmp_path / "out", "untouched")


def test_no_such_stage(finished, tmp_path):
    with pytest.raises(InputError, match=r"no stage is called 'ful'\. Did you mean \"full\""):
        export(finished.folder, "merged", tmp_path / "out", "ful")
    assert not (tmp_path / "out").exists()


def test_the_command(twt, finished, tmp_path):
    said = twt(
        "export", finished.folder, "--dataset", tmp_path / "data", "--adapter", tmp_path / "adapter", "--stage", "full"
    )
    assert said.code == 0
    assert "the adapter of stage full" in said.out
    said = twt("export", finished.folder)
    assert said.code == 2
    assert "say what to export" in said.err
