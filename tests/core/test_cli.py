"""The command line: exit codes, JSON, and what it must not import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import project
import pytest
import yaml

HEAVY = ("torch", "transformers", "litellm", "faiss", "sentence_transformers", "peft", "scipy", "numpy", "math_verify")

COMMANDS = [
    "run", "bench", "plan", "status", "plugins", "schema", "init", "answer", "evaluate", "compare", "export", "report",
    "view",
]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["plugins"],
        ["plugins", "teacher", "litellm"],
        ["run", "--help"],
        ["export", "--help"],
        ["schema"],
        ["init"],
        ["--version"],
    ],
)
def test_it_answers_without_the_heavy_libraries(arguments):
    script = (
        "import sys\nsys.argv = ['twt', *sys.argv[1:]]\nfrom twt_core.cli import main\n"
        "try:\n    main()\nfinally:\n    sys.stderr.write('imported: ' + ' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    imported = {name.partition(".")[0] for name in done.stderr.rpartition("imported: ")[2].split()}
    assert "typer" in imported
    assert imported.isdisjoint(HEAVY)


def test_a_config_is_refused_without_the_heavy_libraries(fresh):
    fresh.write_text(fresh.read_text(encoding="utf-8").replace("ann", "ben"), encoding="utf-8")
    script = (
        "import sys\nsys.argv = ['twt', 'run', sys.argv[1]]\nfrom twt_core.cli import main\n"
        "try:\n    main()\nfinally:\n    sys.stderr.write('imported: ' + ' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(fresh)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "two teachers have this name" in done.stderr
    assert not {"torch", "litellm", "transformers"} & set(done.stderr.rpartition("imported: ")[2].split())


@pytest.mark.parametrize("arguments", [["compare", "x" * 300, "y"], ["run", "x" * 300]])
def test_a_name_that_is_too_long_is_said(arguments, twt):
    said = twt(*arguments)
    assert said.code == 2
    assert "xxx" in said.err and "Traceback" not in said.err


def test_the_console_script_is_there():
    done = subprocess.run(
        [Path(sys.executable).with_name("twt"), "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("twt 0.")


def test_help_shows_examples_of_every_command(twt):
    said = twt("--help")
    assert all(command in said.out for command in COMMANDS)
    assert "Exit codes: 0 done, 1 failed, 2 bad input, 3 stopped by the" in said.out
    for command in COMMANDS:
        said = twt(command, "--help")
        assert said.code == 0
        assert f"twt {command}" in said.out.partition("Examples:")[2], command


@pytest.mark.parametrize(
    "arguments",
    [
        ["rnu"], ["run"], ["run", "a.yaml", "--no-such"], ["plugins", "a", "b", "c"],
        ["export", "none", "--dataset", "out", "--format", "csv"],
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_bad_input(twt, arguments):
    said = twt(*arguments)
    assert said.code == 2
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "none.yaml"], ["plan", "none.yaml"], ["status", "none"], ["answer", "none", "What?"],
        ["export", "none", "--merged", "out"], ["export", "none"],
        ["export", "none", "--dataset", "out", "--push", "no name"], ["export", "none", "--dataset", "out", "--public"],
        ["plugins", "teachr"], ["plugins", "teacher", "litelm"],
    ],
)  # fmt: skip
def test_what_is_not_there_is_bad_input(twt, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = twt(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("twt: ")
    assert "Traceback" not in said.err


def test_near_names_are_offered(twt, finished, tmp_path):
    assert 'Did you mean "teacher"?' in twt("plugins", "teachr").err
    assert 'Did you mean "litellm"?' in twt("plugins", "teacher", "litelm").err
    assert 'Did you mean "tiny"?' in twt("status", finished.runs / "tinny").err
    assert 'Did you mean "compressed"?' in twt("answer", finished.folder, "What?", "--stage", "compresed").err


def test_a_folder_that_is_no_runs_leads_to_those_that_are(twt, finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert twt("status", "tiny").err == "twt: tiny: no run folder. There are none.\n"
    (tmp_path / "runs").symlink_to(finished.runs)
    for command in (["status", "tiny"], ["report", "tiny"], ["answer", "tiny", "What?"]):
        assert twt(*command).err == 'twt: tiny: no run folder. Did you mean "runs/tiny"?\n'
    assert "runs: no run folder. Runs in it: tiny" in twt("status", "runs").err


def test_a_benchs_folder_leads_to_its_report_and_its_runs(twt, tmp_path):
    for name, file in (("grid", "bench.json"), ("grid.a", "config.json"), ("other", "config.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}", encoding="utf-8")
    assert 'Did you mean "grid"?' in twt("status", tmp_path / "gird").err
    said = twt("status", tmp_path / "grid").err
    assert f"It is a bench's: `twt report {tmp_path / 'grid'}` shows it. Its runs: grid.a\n" in said


def test_run_prints_the_table_and_where_to_go_on(twt, again):
    said = twt("run", again.config, "--runs-dir", again.runs)
    assert said.code == 0
    for part in ("stage", "accuracy", "95 % interval", "output tokens", "untouched", "answer_only", "recommended",
                 "36 asked = 27 kept + 9 rejected", "teacher calls: ", "twt answer"):  # fmt: skip
        assert part in said.out, part
    assert "nothing to do" in said.err
    quiet = twt("run", again.config, "--runs-dir", again.runs, "--quiet", "--json")
    assert (quiet.code, quiet.err) == (0, "")
    assert json.loads(quiet.out) == json.loads((again.folder / "summary.json").read_text(encoding="utf-8"))


def test_json_of_every_table(twt, finished):
    plan = json.loads(twt("plan", finished.config, "--runs-dir", finished.runs, "--json").out)
    assert all(step["cached"] for step in plan["steps"])
    status = json.loads(twt("status", finished.folder, "--json").out)
    assert len(status["steps"]) == 15
    assert status["summary"]["recommended_stage"] == finished.summary.recommended_stage
    listed = json.loads(twt("plugins", "--json").out)
    assert {"kind", "name", "distribution", "doc", "options"} == set(listed[0])
    [one] = json.loads(twt("plugins", "quality_filter", "threshold", "--json").out)
    assert one["options"][0]["default"] == 0.95
    answer = json.loads(twt("answer", finished.folder, "What is 1 plus 1?", "--json").out)
    assert answer["stage"] == finished.summary.recommended_stage
    assert answer["output_tokens"] > 0


def test_tables(twt, finished):
    assert "on disk" in twt("plan", finished.config, "--runs-dir", finished.runs).out
    assert "07-full-student" in twt("status", finished.folder).out
    said = twt("plugins", "quality_filter", "threshold")
    assert "minimum" in said.out
    assert "0.95" in said.out


def test_status_of_a_run_under_way(twt, again):
    (again.folder / "summary.json").unlink()
    (again.folder / "12-compressed-test-scores" / "manifest.json").unlink()
    said = twt("status", again.folder)
    assert said.code == 0
    assert "not whole" in said.out
    assert "not finished: the `twt run` or `twt bench` that began it goes on from here" in said.out
    said = twt("answer", again.folder, "What?")
    assert said.code == 2
    assert "is not finished" in said.err


def test_the_schema_takes_the_config(twt, finished):
    schema = json.loads(twt("schema").out)
    config = yaml.safe_load(finished.config.read_text(encoding="utf-8").replace("1e-3", "1.0e-3"))
    jsonschema.Draft202012Validator(schema).validate(config)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(
            {**config, "quality_filter": {"use": "threshold", "minimun": 1}}
        )


def test_init_writes_once(twt, tmp_path):
    printed = twt("init").out
    assert yaml.safe_load(printed)["teachers"]
    file = tmp_path / "run.yaml"
    assert twt("init", file).code == 0
    assert file.read_text(encoding="utf-8") == printed
    file.write_text("mine", encoding="utf-8")
    said = twt("init", file)
    assert said.code == 2
    assert "not overwritten" in said.err
    assert file.read_text(encoding="utf-8") == "mine"
    assert twt("init", tmp_path / "no" / "folder.yaml").code == 2


def test_answer_asks_any_stage(twt, finished):
    for stage in ("untouched", "full", "compressed", "answer_only"):
        said = twt("answer", finished.folder, "What is 1 plus 1?", "--stage", stage, "--json")
        assert json.loads(said.out)["stage"] == stage
    assert twt("answer", finished.folder, "  ").code == 2


def test_a_lora_target_that_is_no_module(twt, again):
    said = twt("run", again.config, "--runs-dir", again.runs, "--set", "student.lora.target_modules=[query]")
    assert said.code == 2
    assert "['query'] matches no module; the linear ones are: " in said.err
    assert "q_proj" in said.err
    assert "Traceback" not in said.err


def test_the_folder_of_another_config(twt, again):
    said = twt("run", again.config, "--runs-dir", again.runs, "--name", "tiny", "--set", "name=other")
    assert said.code == 2
    assert 'name: "tiny" → "other"' in said.err


def test_no_query_passes_the_filter(twt, again):
    said = twt("run", again.config, "--runs-dir", again.runs, "--set", "quality_filter.minimum=1")
    assert said.code in (1, 2)
    assert "Traceback" not in said.err
    assert "quality_filter" in said.err


def test_a_failing_plugin_is_exit_1_and_named(twt, again, monkeypatch):
    from twt_plugins.quality_filters.threshold import Threshold

    monkeypatch.setattr(Threshold, "judge", lambda self, *given: "yes")
    said = twt("run", again.config, "--runs-dir", again.runs, "--set", "quality_filter.minimum=0.9")
    assert said.code == 1
    assert said.err.splitlines()[-1].startswith("twt: plugin twt-distill 0.")
    assert "QualityFilter 'threshold' returned str, expected a list" in said.err


def test_a_folder_that_cannot_be_written(twt, fresh, tmp_path):
    (tmp_path / "file").touch()
    said = twt("run", fresh, "--runs-dir", tmp_path / "file")
    assert said.code == 2
    assert "Traceback" not in said.err


def test_output_to_a_closed_pipe_is_no_traceback(finished):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [Path(sys.executable).with_name("twt"), "schema"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert "Traceback" not in done.stderr


def test_a_row_that_is_wrong_is_said_with_its_line(twt, fresh):
    rows = project.queries()
    rows[3] = {"id": "q3", "qeury": "What?"}
    project.write_rows(fresh.parent / "queries.jsonl", rows)
    said = twt("run", fresh, "--runs-dir", fresh.parent / "runs")
    assert said.code == 2
    assert "queries.jsonl:4:1" in said.err
    assert not (fresh.parent / "runs" / "tiny").exists()
