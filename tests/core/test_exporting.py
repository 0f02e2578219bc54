"""What is taken out of a run works without TwT, and is there whole or not at all."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import project
import pytest
import tiny_model
import yaml
from scripted_hub import TOKEN, ScriptedHub

from twt_core import finished as finished_run
from twt_core import session
from twt_core.errors import InputError, TwtError
from twt_core.exporting import export
from twt_core.exporting.markdown import block, code
from twt_core.exporting.ollama import literal, prompt_text, write_modelfile
from twt_core.exporting.placing import check_target, placed
from twt_core.exporting.source import Source
from twt_core.progress import Progress
from twt_core.prompts import Message
from twt_core.run import Manifest
from twt_core.settings import file_digest

ASKED = "What is 3 plus 4?"
SHOWN = 'Finish with "The answer is: " and the answer alone.'


def written(folder):
    return sorted(path.name for path in folder.iterdir())


def rows(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]


def front(folder):
    """What stands in a card between the two lines of dashes."""
    return yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("\n---\n")[0])


#: Settings of a run, with a learning rate that is none; with a task that nothing has.
STUDENT = '{"identity": {}, "task_evaluator": {"use": "exact_match"}, "student": {"learning_rate": -1}, "seed": 0}'
TASK = '{"identity": {}, "task_evaluator": {"use": "exact"}, "student": {"model": "a/b"}, "seed": 0}'


def seal(step):
    """Make a changed step whole again, as if it had been made so."""
    manifest = Manifest.model_validate_json((step / "manifest.json").read_text(encoding="utf-8"))
    files = {path.name: file_digest(path) for path in step.iterdir() if path.name != "manifest.json"}
    (step / "manifest.json").write_text(manifest.model_copy(update={"files": files}).model_dump_json())


def change(file, **values):
    """Other values in a run's JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def said_by(folder):
    """What a model answers with the settings that it comes with."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    chat = [{"role": "user", "content": f"{ASKED}\n{SHOWN}"}]
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.inference_mode():
        out = model.generate(**ids)
    return tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True).strip()


@pytest.mark.parametrize("what", ["merged", "ollama"])
@pytest.mark.parametrize("stage", ["untouched", "full", "answer_only"])
def test_a_merged_model_loads_and_says_the_same(finished, tmp_path, what, stage):
    said = export(finished.folder, what, tmp_path / "out", stage)
    assert stage in said
    assert said_by(tmp_path / "out") == finished_run.answer(finished.folder, ASKED, stage).text


def test_an_adapter_loads_in_peft(finished, tmp_path, model):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    export(finished.folder, "adapter", tmp_path / "out", "compressed")
    assert written(tmp_path / "out") == ["README.md", "adapter_config.json", "adapter_model.safetensors"]
    export(finished.folder, "merged", tmp_path / "merged", "compressed")
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    mine = PeftModel.from_pretrained(base, tmp_path / "out").merge_and_unload().state_dict()
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32).state_dict()
    assert mine.keys() == merged.keys()
    assert all(torch.allclose(mine[name], merged[name], atol=1e-2) for name in mine)


def test_a_stage_that_is_a_whole_model(again, tmp_path):
    export(again.folder, "merged", tmp_path / "merged", "full")
    stage = again.folder / again.summary.adapters["full"]
    manifest = Manifest.model_validate_json((stage / "manifest.json").read_text(encoding="utf-8"))
    shutil.rmtree(stage)
    stage.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(tmp_path / "merged" / name, stage / name)
    files = {path.name: file_digest(path) for path in stage.iterdir()}
    (stage / "manifest.json").write_text(manifest.model_copy(update={"files": files}).model_dump_json())
    with pytest.raises(InputError, match=r"stage full has no adapter: .* by --merged DIR"):
        export(again.folder, "adapter", tmp_path / "adapter", "full")
    export(again.folder, "merged", tmp_path / "out", "full")
    assert said_by(tmp_path / "out") == said_by(tmp_path / "merged")
    assert file_digest(tmp_path / "out" / "model.safetensors") == files["model.safetensors"]


def test_a_damaged_stage_is_not_taken_out(again, tmp_path):
    weights = again.folder / again.summary.adapters["full"] / "adapter_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    for what in ("adapter", "merged"):
        with pytest.raises(TwtError, match=r"damaged since it was made: adapter_model\.safetensors"):
            export(again.folder, what, tmp_path / "out", "full")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("stage", ["full", "compressed", "answer_only"])
def test_no_data_set_of_damaged_traces(again, tmp_path, stage):
    file = again.folder / again.summary.trace_steps[stage] / "rows.jsonl"
    file.write_text("".join(file.read_text(encoding="utf-8").splitlines(keepends=True)[:2]), encoding="utf-8")
    with pytest.raises(TwtError, match=r"damaged since it was made: rows\.jsonl\. Run again"):
        export(again.folder, "dataset", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda text: text[:-9], "it cannot be read"),
        (lambda text: text[: text.rindex("\n", 0, -1) + 1], "it has 11 of 12 queries"),
        (lambda text: text.replace('"q1"', '"r1"'), "query 'q1' is not in it"),
    ],
)
def test_no_data_set_of_damaged_queries(again, tmp_path, damage, problem):
    file = again.folder / "queries.jsonl"
    file.write_text(damage(file.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(TwtError) as caught:
        export(again.folder, "dataset", tmp_path / "out")
    assert str(caught.value).startswith(f"{file}: damaged since it was made: {problem}. Run again")
    file.unlink()
    with pytest.raises(TwtError, match="damaged since it was made: it cannot be read"):
        export(again.folder, "adapter", tmp_path / "out", "full")


@pytest.mark.parametrize("text", ["{", "", '{"seed": 0}', "\ud800", STUDENT, TASK])
def test_damaged_settings_of_a_run(again, tmp_path, text):
    (again.folder / "config.json").write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(InputError, match=r"config\.json: cannot be used: .* If it is damaged, remove it and run"):
        export(again.folder, "dataset", tmp_path / "out")


def test_settings_that_were_removed_are_written_again(again):
    before = finished_run.recipe(again.folder)
    (again.folder / "config.json").unlink()
    progress = Progress(quiet=True)
    session.run(again.config, (), again.runs, None, progress)
    assert finished_run.recipe(again.folder) == before


def modelfile(folder):
    """A Modelfile's instructions, read as Ollama does: a value in three quotes ends at the line that ends in them."""
    found, value = {}, None
    for line in (folder / "Modelfile").read_text(encoding="utf-8").splitlines():
        if value is None and line.startswith("#"):
            continue
        value = line if value is None else f"{value}\n{line}"
        name, _, text = value.removeprefix("PARAMETER ").partition(" ")
        if text.startswith('"""') and not (len(text) >= 6 and text.endswith('"""')):
            continue
        found[name], value = text.removeprefix('"""').removesuffix('"""').strip('"' if text[:3] != '"""' else ""), None
    assert value is None
    return found


def test_ollama_asks_as_the_student_was_asked(finished, tmp_path):
    from transformers import AutoTokenizer

    export(finished.folder, "ollama", tmp_path / "out", "full")
    found = modelfile(tmp_path / "out")
    chat = [{"role": "user", "content": f"{ASKED}\n{SHOWN}"}]
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    assert found.pop("TEMPLATE").replace("{{ .Prompt }}", ASKED) == prompt
    assert found == {
        "FROM": ".", "temperature": "0", "num_predict": "8", "num_ctx": "520", "repeat_penalty": "1", "seed": "0",
        "stop": "<|im_end|>",
    }  # fmt: skip
    settings = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert settings["chat_template"] == tiny_model.CHAT_TEMPLATE


def test_ollama_samples_as_the_student_does(again, tmp_path):
    settings = json.loads((again.folder / "config.json").read_text(encoding="utf-8"))["student"]
    change(again.folder / "config.json", student={**settings, "temperature": 0.6})
    export(again.folder, "ollama", tmp_path / "out", "full")
    found = modelfile(tmp_path / "out")
    assert (found["temperature"], found["top_p"], found["top_k"]) == ("0.6", "0.95", "0")
    settings = json.loads((tmp_path / "out" / "generation_config.json").read_text(encoding="utf-8"))
    assert (settings["do_sample"], settings["temperature"], settings["top_p"]) == (True, 0.6, 0.95)


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("a { b }} c", "a { b }} c"),
        ("a {{ b", "a {{ `{` }}{ b"),
        ("ends in {", "ends in {{ `{` }}"),
        ('"a" "" b', '"a" "{{/* */}}" b'),
        ('"""" b', '"{{/* */}}"{{/* */}}"{{/* */}}" b'),
        ('ends in "', 'ends in "{{/* */}}'),
        ('ends in ""', 'ends in "{{/* */}}"{{/* */}}'),
    ],
)
def test_a_text_in_a_template_of_ollama(text, piece):
    assert literal(text) == piece


def test_a_prompt_that_ends_in_a_quote(finished, tmp_path, model):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = '{% for m in messages %}{{ m.content }}{% endfor %}Begin: "'
    write_modelfile(Source.of(finished.folder, "full"), tokenizer, tmp_path)
    assert modelfile(tmp_path)["TEMPLATE"] == f'{{{{ .Prompt }}}}\n{SHOWN}Begin: "{{{{/* */}}}}'
    assert '""""' not in (tmp_path / "Modelfile").read_text(encoding="utf-8")


def test_a_prompt_without_a_chat_template(tmp_path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model.build(tmp_path, project.texts(), chat=False))
    assert prompt_text(tokenizer, [Message("system", "Be terse."), Message("user", ASKED)]) == f"Be terse.\n{ASKED}\n"


def test_a_begin_token_that_the_tokenizer_adds_is_not_in_the_template(model):
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    whole = f"<|im_start|>user\n{ASKED}<|im_end|>\n<|im_start|>assistant\n"
    assert prompt_text(tokenizer, [Message("user", ASKED)]) == whole
    begin = ("<|im_start|>", tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<|im_start|> $A", special_tokens=[begin])
    assert prompt_text(tokenizer, [Message("user", ASKED)]) == whole.removeprefix("<|im_start|>")


def test_a_card_says_how_to_ask(finished, tmp_path):
    export(finished.folder, "adapter", tmp_path / "out", "compressed")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert front(tmp_path / "out")["library_name"] == "peft"
    assert f"[user]\n{{question}}\n{SHOWN}\n" in card
    assert "```text\n(thinking)\nThe answer is: (answer)\n```" in card
    score = finished.summary.stages[2]
    low, high = score.accuracy_ci
    assert f"| **`compressed`** | **{score.accuracy:.1%} ({low:.1%} to {high:.1%})** | **8.0** | **6** |" in card
    assert "| `full` | the teachers' whole rationales, then the answer | 1 | 0.001 |" in card
    assert "| `ann` | `replay` |" in card
    assert str(finished.folder) not in card


@pytest.mark.parametrize("what", ["adapter", "merged", "ollama", "dataset"])
def test_an_export_does_not_say_where_things_lie(finished, tmp_path, model, what):
    export(finished.folder, what, tmp_path / "out", "full")
    for file in (tmp_path / "out").iterdir():
        for place in (model, finished.folder):
            assert str(place).encode() not in file.read_bytes(), file.name
    if what == "adapter":
        settings = json.loads((tmp_path / "out" / "adapter_config.json").read_text(encoding="utf-8"))
        assert settings["base_model_name_or_path"] == model.name


def test_a_card_shows_what_stands_before_a_question(again, tmp_path):
    schedule = [stage.model_dump(mode="json") for stage in again.summary.schedule]
    schedule[0]["objectives"][0]["prefix"] = "[label] "
    change(again.folder / "summary.json", schedule=schedule)
    export(again.folder, "ollama", tmp_path / "out", "full")
    assert "[user]\n[label] {question}\n" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "user\n[label] {{ .Prompt }}\n" in modelfile(tmp_path / "out")["TEMPLATE"]


def test_a_card_tells_the_tasks_of_a_stage_apart(again, tmp_path):
    schedule = [stage.model_dump(mode="json") for stage in again.summary.schedule]
    schedule[0]["objectives"] = [{"target": "rationale", "prefix": "[rationale] "}, {"target": "answer"}]
    change(again.folder / "summary.json", schedule=schedule)
    export(again.folder, "dataset", tmp_path / "data")
    shown = "| `full` | the teachers' whole rationales, alone; the answer alone |"
    assert shown in (tmp_path / "data" / "README.md").read_text(encoding="utf-8")
    tasks = {row["task"] for row in rows(tmp_path / "data" / "full.jsonl")}
    assert tasks == {"0/rationale/", "1/answer/"}
    export(again.folder, "adapter", tmp_path / "adapter", "full")
    card = (tmp_path / "adapter" / "README.md").read_text(encoding="utf-8")
    assert "```text\nThe answer is: (answer)\n```" in card
    assert f"[user]\n{{question}}\n{SHOWN}\n" in card


def test_a_question_with_options_is_shown_as_an_example(again, tmp_path):
    asked = [{**query, "choices": [str(n), "none"]} for n, query in enumerate(project.queries())]
    project.write_rows(again.folder / "queries.jsonl", asked)
    change(again.folder / "config.json", task_evaluator={"use": "multiple_choice"})
    export(again.folder, "ollama", tmp_path / "out", "full")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "as in this example" in card
    assert "[user]\nWhat is 0 plus 1?\nA) 0\nB) none\n" in card
    assert modelfile(tmp_path / "out")["TEMPLATE"] == (
        "<|im_start|>user\n{{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_card_takes_any_name(again, tmp_path):
    name = 'a: "b"\n---\n# | `c`'
    teachers = [t.model_dump(mode="json") for t in again.summary.teachers]
    change(again.folder / "summary.json", name=name, teachers=[{**teachers[0], "simulated": True}, *teachers[1:]])
    for what in ("dataset", "merged"):
        export(again.folder, what, tmp_path / what, "full")
        card = (tmp_path / what / "README.md").read_text(encoding="utf-8")
        assert card.count("\n---\n") == 1
        assert '`` a: "b" --- # \\| `c` ``' in card
        assert "`ann (simulated)`" in card
    assert front(tmp_path / "dataset")["pretty_name"] == name


def test_text_as_markdown_code():
    assert code("a b") == "`a b`"
    assert code("a `` b\n|") == "``` a `` b \\| ```"
    assert block("a\n```\nb") == "````text\na\n```\nb\n````"


def test_a_base_model_of_the_hub_is_named_to_the_hub(again, tmp_path):
    settings = json.loads((again.folder / "config.json").read_text(encoding="utf-8"))["student"]
    change(again.folder / "config.json", student={**settings, "model": "owner/base-1.5B"})
    export(again.folder, "adapter", tmp_path / "out", "full")
    meta = front(tmp_path / "out")
    assert (meta["base_model"], meta["base_model_relation"]) == ("owner/base-1.5B", "adapter")


def test_the_recommended_stage_is_the_default(finished, tmp_path):
    assert finished.summary.recommended_stage in export(finished.folder, "merged", tmp_path / "out")


def test_a_data_set_of_each_stage(finished, tmp_path):
    export(finished.folder, "dataset", tmp_path / "out")
    assert written(tmp_path / "out") == ["README.md", "answer_only.jsonl", "compressed.jsonl", "full.jsonl"]
    for stage, step in (("full", "traces"), ("compressed", "compressed-traces"), ("answer_only", "answer_only-traces")):
        found, traces = rows(tmp_path / "out" / f"{stage}.jsonl"), project.rows_of(finished.folder, step)
        assert [(row["id"], row["teacher"]) for row in found] == [(t["query_id"], t["teacher"]) for t in traces]
        for row, trace in zip(found, traces, strict=True):
            assert [message["role"] for message in row["messages"]][-2:] == ["user", "assistant"]
            assert ("rationale" in trace) == (trace.get("rationale", "?") in row["messages"][-1]["content"])
            assert trace["label"] in row["messages"][-1]["content"]


@pytest.mark.parametrize("form", ["alpaca", "sharegpt"])
def test_forms_hold_the_same_texts(finished, tmp_path, form):
    export(finished.folder, "dataset", tmp_path / "chatml")
    export(finished.folder, "dataset", tmp_path / form, form=form)
    for chatml, row in zip(rows(tmp_path / "chatml/full.jsonl"), rows(tmp_path / form / "full.jsonl"), strict=True):
        question, answer = chatml.pop("messages")
        assert row == chatml | {
            "alpaca": {"instruction": question["content"], "input": "", "output": answer["content"]},
            "sharegpt": {
                "conversations": [
                    {"from": "human", "value": question["content"]}, {"from": "gpt", "value": answer["content"]}
                ]
            },
        }[form]  # fmt: skip


def test_a_system_message_in_each_form(again, tmp_path):
    (tmp_path / "student.j2").write_text("--- system\nBe terse.\n--- user\n{{ query }}", encoding="utf-8")
    task = {"use": "exact_match", "student_template": str(tmp_path / "student.j2")}
    change(again.folder / "config.json", task_evaluator=task)
    for form in ("chatml", "alpaca", "sharegpt"):
        export(again.folder, "dataset", tmp_path / form, form=form)
    first = {form: rows(tmp_path / form / "full.jsonl")[0] for form in ("chatml", "alpaca", "sharegpt")}
    assert first["chatml"]["messages"][0] == {"role": "system", "content": "Be terse."}
    assert first["alpaca"]["instruction"] == "Be terse.\n\nWhat is 0 plus 1?"
    assert first["sharegpt"]["conversations"][0] == {"from": "system", "value": "Be terse."}


def test_a_data_set_has_what_its_stage_replayed(again, tmp_path):
    schedule = [stage.model_dump(mode="json") for stage in again.summary.schedule]
    schedule[1]["replay"] = 0.5
    change(again.folder / "summary.json", schedule=schedule)
    export(again.folder, "dataset", tmp_path / "out")
    full, compressed = rows(tmp_path / "out/full.jsonl"), rows(tmp_path / "out/compressed.jsonl")
    assert len(compressed) == len(full) + len(full) // 2
    assert all(row in full for row in compressed[len(full) :])
    assert not any(row in full for row in compressed[: len(full)])


@pytest.mark.parametrize("form", ["chatml", "alpaca", "sharegpt"])
def test_a_data_card_names_files_and_columns(finished, tmp_path, form):
    export(finished.folder, "dataset", tmp_path / "out", form=form)
    meta = front(tmp_path / "out")
    assert meta["license"] == "unknown"
    assert [config["config_name"] for config in meta["configs"]] == ["full", "compressed", "answer_only"]
    for config, info in zip(meta["configs"], meta["dataset_info"], strict=True):
        [file] = config["data_files"]
        assert file["split"] == "train"
        columns = [feature["name"] for feature in info["features"]]
        assert list(rows(tmp_path / "out" / file["path"])[0]) == columns
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    count = len(rows(tmp_path / "out" / "full.jsonl"))
    assert f"| `full` | the teachers' whole rationales, then the answer | {count} |" in card
    assert "quality_filter `threshold`" in card


def load(folder, stage):
    """A stage's rows, read by the library."""
    datasets = pytest.importorskip("datasets")
    cache = str(folder.with_name("cache"))
    return datasets.load_dataset(str(folder), stage, split="train", cache_dir=cache).to_list()


@pytest.mark.parametrize("form", ["chatml", "alpaca", "sharegpt"])
def test_the_datasets_library_loads_a_stage_by_name(finished, tmp_path, form):
    export(finished.folder, "dataset", tmp_path / "out", form=form)
    for stage in ("full", "answer_only"):
        assert load(tmp_path / "out", stage) == rows(tmp_path / "out" / f"{stage}.jsonl")


def test_a_datasets_folder_keeps_ids_that_look_like_dates(again, tmp_path):
    pytest.importorskip("datasets")
    for file in (again.folder / "queries.jsonl", *again.folder.glob("*-*traces/rows.jsonl")):
        text = file.read_text(encoding="utf-8")
        for number in range(12):
            text = text.replace(f'"q{number}"', f'"2024-01-{number + 1:02}"')
        file.write_text(text, encoding="utf-8")
    for step in again.folder.glob("*-*traces"):
        seal(step)
    for form in ("datasets", "chatml"):
        export(again.folder, "dataset", tmp_path / form, form=form)
    for stage in ("full", "answer_only"):
        for row in (expected := rows(tmp_path / "chatml" / f"{stage}.jsonl")):
            *row["prompt"], answer = row.pop("messages")
            row["completion"] = [answer]
        assert load(tmp_path / "datasets", stage) == expected


def test_a_format_without_its_library_writes_nothing(twt, finished, tmp_path, monkeypatch):
    monkeypatch.setattr("twt_core.exporting.data_sets.find_spec", lambda _: None)
    said = twt("export", finished.folder, "--dataset", tmp_path / "out", "--format", "datasets")
    assert said.code == 2
    assert 'pip install "twt-distill[hub]"' in said.err
    assert not (tmp_path / "out").exists()


def test_a_line_separator_in_a_text_ends_no_row(again, tmp_path):
    for file in (again.folder / "queries.jsonl", again.folder / again.summary.trace_steps["full"] / "rows.jsonl"):
        text = file.read_text(encoding="utf-8").replace(" plus ", "\u2028plus ").replace(" counts ", "\u2028counts ")
        file.write_text(text, encoding="utf-8")
    seal(again.folder / again.summary.trace_steps["full"])
    export(again.folder, "dataset", tmp_path / "out")
    found = rows(tmp_path / "out" / "full.jsonl")
    assert len(found) == again.summary.annotations.selected
    assert "\u2028plus" in found[0]["messages"][-2]["content"]
    assert "\u2028counts" in found[0]["messages"][-1]["content"]


def test_nothing_is_overwritten(finished, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    (tmp_path / "file").touch()
    for target in ("out", "file"):
        with pytest.raises(InputError, match="nothing is overwritten"):
            export(finished.folder, "dataset", tmp_path / target)
    with pytest.raises(InputError, match="cannot write there"):
        export(finished.folder, "dataset", tmp_path / "file" / "out")


@contextmanager
def no_file_over(size):
    """Writing past so many bytes of a file fails, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("what", ["dataset", "adapter", "merged", "ollama"])
def test_a_full_disk_leaves_nothing(finished, tmp_path, what):
    with no_file_over(4096), pytest.raises(TwtError, match="out: the export failed, and nothing of it stays: ") as full:
        export(finished.folder, what, tmp_path / "out", "full")
    assert full.value.exit_code == 1
    assert written(tmp_path) == []


def test_weights_are_for_whoever_may_read_the_folder(finished, tmp_path):
    export(finished.folder, "merged", tmp_path / "out")
    may_read = (tmp_path / "out").stat().st_mode & 0o666
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == dict.fromkeys(
        written(tmp_path / "out"), may_read
    )


def test_what_a_killed_export_left_is_no_hindrance(finished, tmp_path):
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "half.jsonl").write_text("{", encoding="utf-8")
    (tmp_path / "out").mkdir()
    export(finished.folder, "dataset", tmp_path / "out")
    assert written(tmp_path) == ["out"]
    assert "half.jsonl" not in written(tmp_path / "out")


def test_two_exports_to_one_place_leave_each_other_alone(finished, tmp_path):
    with placed(tmp_path / "out") as folder:
        (folder / "mine").touch()
        with pytest.raises(InputError, match="out: another export to it is under way"):
            export(finished.folder, "dataset", tmp_path / "out")
        export(finished.folder, "dataset", tmp_path / "other")
    assert written(tmp_path) == ["other", "out"]
    assert written(tmp_path / "out") == ["mine"]


@pytest.mark.parametrize("name", ["x" * 300, "x" * 254, "x\0y", "round"])
def test_a_place_where_no_folder_can_be(finished, tmp_path, name):
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(InputError, match="cannot write there"):
        export(finished.folder, "dataset", tmp_path / name)
    assert written(tmp_path) == ["round"]


def test_a_place_that_may_not_be_looked_at(finished, tmp_path, monkeypatch):
    def refused(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(InputError, match="out: cannot write there: Permission denied"):
        check_target(tmp_path / "out")


def test_the_untouched_student_has_no_adapter(finished, tmp_path):
    with pytest.raises(InputError, match="the untouched student has no adapter"):
        export(finished.folder, "adapter", tmp_path / "out", "untouched")


def test_no_such_stage(finished, tmp_path):
    with pytest.raises(InputError, match=r"no stage is called 'ful'\. Did you mean \"full\""):
        export(finished.folder, "merged", tmp_path / "out", "ful")
    assert not (tmp_path / "out").exists()


def test_the_command(twt, finished, tmp_path):
    said = twt(
        "export", finished.folder, "--dataset", tmp_path / "data", "--adapter", tmp_path / "adapter", "--stage", "full",
        "--format", "sharegpt",
    )  # fmt: skip
    assert said.code == 0
    assert "the adapter of stage full" in said.out
    assert "conversations" in rows(tmp_path / "data" / "full.jsonl")[0]
    said = twt("export", finished.folder)
    assert said.code == 2
    assert "say what to export" in said.err


def test_all_is_checked_before_the_first_is_written(twt, finished, tmp_path):
    targets = ["--dataset", tmp_path / "data", "--adapter", tmp_path / "adapter"]
    assert twt("export", finished.folder, *targets, "--stage", "untouched").code == 2
    assert twt("export", finished.folder, *targets, "--push", "me/mine").code == 2
    assert written(tmp_path) == []


@pytest.fixture
def push(finished, tmp_path):
    """The command line in a process of its own, with a hub: the hub's client reads its settings when imported."""

    def run(hub, *arguments, token=TOKEN):
        # Without xet, whose own storage has more to it than a test can play.
        env = {
            **os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "",
            "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1",
        }  # fmt: skip
        command = [Path(sys.executable).with_name("twt"), "export", finished.folder, "--stage", "full", *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(("what", "kind"), [("adapter", "models"), ("dataset", "datasets")])
def test_a_push_uploads_what_was_exported_for_its_owner_alone(push, tmp_path, what, kind):
    with ScriptedHub() as hub:
        done = push(hub, f"--{what}", tmp_path / "out", "--push", "me/mine")
        assert (done.returncode, done.stderr) == (0, "")
        assert "me/mine (private)" in done.stdout
        assert hub.private == {f"{kind}/me/mine": True}
        assert hub.files == {f"{kind}/me/mine": {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}}


def test_everybody_sees_a_push_only_when_told(push, tmp_path):
    with ScriptedHub() as hub:
        done = push(hub, "--dataset", tmp_path / "one", "--push", "me/mine", "--public")
        assert "me/mine (public)" in done.stdout
        assert hub.private == {"datasets/me/mine": False}
        hub.files.clear()
        done = push(hub, "--dataset", tmp_path / "two", "--push", "me/mine")
        assert done.returncode == 2
        assert "everybody may see me/mine, and --public is not given" in done.stderr
        assert hub.files == {}


def test_a_push_that_fails_says_how_to_go_on(push, tmp_path):
    with ScriptedHub() as hub:
        hub.refuse = 403
        done = push(hub, "--dataset", tmp_path / "out", "--push", "me/mine")
    assert done.returncode == 1
    assert f"To upload it later: hf upload me/mine {tmp_path / 'out'} . --repo-type dataset" in done.stderr
    assert TOKEN not in done.stderr
    assert (tmp_path / "out" / "full.jsonl").is_file()


def test_weights_go_to_the_storage_of_large_files(push, tmp_path):
    with ScriptedHub() as hub:
        hub.large = ".safetensors"
        done = push(hub, "--adapter", tmp_path / "out", "--push", "me/mine")
        assert (done.returncode, done.stderr) == (0, "")
        assert hub.files == {"models/me/mine": {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}}


def test_weights_that_do_not_arrive(push, tmp_path):
    with ScriptedHub() as hub:
        hub.large, hub.refuse_large = ".safetensors", 403
        done = push(hub, "--adapter", tmp_path / "out", "--push", "me/mine")
        assert hub.files == {}
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "not on the hub as me/mine: Error while uploading 'adapter_model.safetensors' to the Hub. To" in done.stderr
    assert f"hf upload me/mine {tmp_path / 'out'} . --repo-type model" in done.stderr


def test_a_push_without_a_token_or_a_name_writes_nothing(push, tmp_path):
    with ScriptedHub() as hub:
        done = push(hub, "--dataset", tmp_path / "out", "--push", "me/mine", token="")
        assert done.returncode == 2
        assert "no Hugging Face token. Log in by `hf auth login`, or set HF_TOKEN" in done.stderr
        for name in ("mine", "me/mine/too"):
            assert push(hub, "--dataset", tmp_path / "out", "--push", name).returncode == 2
        assert hub.private == {}
    assert not (tmp_path / "out").exists()
