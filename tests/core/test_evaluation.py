"""Evaluating: the same numbers as the run's own, nothing made twice, nothing mixed."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import project
import pytest
import tiny_model
from scripted_server import COMPLETION_TOKENS, PROMPT_TOKENS, fault, well

from twt_core import exporting
from twt_core.errors import InputError, TwtError
from twt_core.evaluation.appending import Appending, cut, read_rows
from twt_core.evaluation.compare import compare
from twt_core.evaluation.evaluate import Wanted, evaluate
from twt_core.evaluation.folder import Text
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.records import Grade
from twt_plugins.task_evaluators.exact_match import ExactMatch

QUIET = Progress(quiet=True)
SHORT = "student.max_new_tokens=8"


def rows(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def timeless(found: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in found]


@pytest.fixture
def questions(tmp_path) -> Path:
    return project.write_rows(tmp_path / "test.jsonl", project.queries(6, "t", step=2))


@pytest.fixture
def asked(model, questions, tmp_path):
    """An evaluation of the tiny model; options change it."""

    def do(**options):
        given = {"subject": str(model), "queries": questions, "task": "exact_match", "overrides": [SHORT]}
        return evaluate(Wanted(**{**given, "out": tmp_path / "out", "runs": tmp_path / "runs", **options}), QUIET)

    return do


@pytest.mark.parametrize("stage", ["untouched", "full", "answer_only"])
def test_a_stage_answers_as_it_did_in_its_run(finished, tmp_path, stage):
    test = finished.config.parent / "test.jsonl"
    found = evaluate(Wanted(str(finished.folder), test, stage=stage, out=tmp_path / "out"), QUIET)
    assert timeless(rows(tmp_path / "out" / "predictions.jsonl")) == timeless(
        project.rows_of(finished.folder, f"{stage}-test-scores")
    )
    own = next(score for score in finished.summary.stages if score.name == stage)
    same = ("accuracy", "accuracy_ci", "mean_output_tokens", "p95_output_tokens", "verdicts", "questions")
    assert {name: getattr(found.score, name) for name in same} == {name: getattr(own, name) for name in same}
    assert (found.kind, found.stage, found.questions, found.tokens_counted_by) == ("run", stage, 6, "tokenizer")
    assert found.missing == {}


def test_the_recommended_stage_is_evaluated_if_none_is_named(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stage = finished.summary.recommended_stage
    found = evaluate(Wanted(str(finished.folder), finished.config.parent / "test.jsonl"), QUIET)
    assert found.stage == stage
    assert found.folder == f"evaluations/tiny-{stage}-test"


def test_what_is_exported_answers_as_the_stage_does(finished, model, tmp_path):
    test = finished.config.parent / "test.jsonl"
    targets = {"merged": tmp_path / "merged", "adapter": tmp_path / "adapter"}
    list(exporting.export_all(finished.folder, targets, "full", "chatml", None))
    expected = timeless(project.rows_of(finished.folder, "full-test-scores"))
    wanted = Wanted("", test, task="exact_match", runs=tmp_path / "runs")
    for name, overrides in {
        "merged": [SHORT], "adapter": [SHORT, f"student.model={model}"], "step": [SHORT],
    }.items():  # fmt: skip
        subject = next(finished.folder.glob("*-full-student")) if name == "step" else tmp_path / name
        out = tmp_path / f"{name}-out"
        found = evaluate(
            Wanted(**{**vars(wanted), "subject": str(subject), "overrides": overrides, "out": out}), QUIET
        )  # fmt: skip
        assert found.kind == ("model" if name == "merged" else "adapter")
        assert timeless(rows(out / "predictions.jsonl")) == expected, name


def test_a_finished_evaluation_is_not_made_again(asked, tmp_path, monkeypatch):
    first = asked()
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.jsonl")}
    monkeypatch.setattr("twt_core.student.student.Student.answer", lambda *given: pytest.fail("it was asked again"))
    monkeypatch.setattr(ExactMatch, "grade", lambda *given: pytest.fail("it was graded again"))
    assert asked() == first
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.jsonl")} == before


DYING = """
import os, signal, sys
from twt_core.evaluation.appending import Appending
add, left = Appending.add, [int(sys.argv[1])]
def adding(self, *rows):
    add(self, *rows)
    left[0] -= 1
    if not left[0]:
        with open(self._path, "ab") as file:
            file.write(b'{"query_id":"t')
        os.kill(os.getpid(), signal.SIGKILL)
Appending.add = adding
sys.argv = ["twt", *sys.argv[2:]]
from twt_core.cli import main
main()
"""


def test_killed_anywhere_it_goes_on_to_the_same_predictions(asked, model, questions, tmp_path):
    asked(out=tmp_path / "whole")
    out = tmp_path / "out"
    command = ["evaluate", model, "--queries", questions, "--task", "exact_match", "--max-new-tokens", 8, "--out", out,
               "--set", "student.generation_batch_size=2"]  # fmt: skip
    texts = []
    for left, name in [(3, "texts"), (4, "predictions")]:  # the third text; after the others, the only batch of grades
        died = subprocess.run(
            [sys.executable, "-c", DYING, str(left), *map(str, command)], capture_output=True, check=False
        )
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert (out / f"{name}.jsonl").read_bytes().endswith(b'{"query_id":"t')
        assert not (out / "evaluation.json").exists()
        texts.append((out / "texts.jsonl").read_text(encoding="utf-8"))
    assert len(texts[0].splitlines()) == 4  # three, and half a line
    kept = {line for line in texts[0].splitlines()[:3]}
    assert kept < set(texts[1].splitlines())  # seconds and all: they were not written again
    found = asked(overrides=[SHORT, "student.generation_batch_size=2"])
    assert found.score.answers == 6
    for file in ("texts.jsonl", "predictions.jsonl"):
        assert timeless(rows(out / file)) == timeless(rows(tmp_path / "whole" / file))


def test_half_a_line_is_cut_off_and_a_damaged_one_is_named(tmp_path):
    path = tmp_path / "texts.jsonl"
    one = Text(query_id="a", text="é", tokens=1, seconds=0)
    with Appending(path) as file:
        file.add(one)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-9])
    assert read_rows(path, Text, "mend it") == [one]
    cut(path)
    with Appending(path) as file:
        file.add(one)
    assert path.read_bytes() == whole * 2
    path.write_bytes(b"{}\n" + whole)
    with pytest.raises(TwtError, match=r"texts.jsonl:1: damaged .* mend it"):
        read_rows(path, Text, "mend it")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"overrides": ["student.max_new_tokens=9"]}, "student.max_new_tokens: 8 → 9"),
        ({"limit": 3}, "questions: 6 → 3"),
        ({"overrides": [SHORT, "prefix=Well, "]}, "prompts: "),
        ({"overrides": [SHORT, "evaluation.samples=2", "student.temperature=1"]}, "samples: 1 → 2"),
    ],
)
def test_another_evaluation_is_never_mixed_into_a_folder(asked, tmp_path, change, said):
    asked()
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(InputError, match="holds another evaluation") as error:
        asked(**change)
    assert said in str(error.value)
    assert "--out" in str(error.value)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_two_models_of_one_shape_are_told_apart_by_their_last_weight(asked, model, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    other = Path(shutil.copytree(model, tmp_path / "model"))
    asked()
    weights = load_file(other / "model.safetensors")
    name = sorted(weights)[-1]
    weights[name].view(-1)[-1] += 1e-3
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"weights.model.safetensors: "):
        asked(subject=str(other))


def test_a_smaller_batch_goes_on_with_the_same_evaluation(asked):
    assert asked() == asked(overrides=[SHORT, "student.generation_batch_size=1"]).model_copy(
        update={"settings": asked().settings}
    )


def test_a_folder_of_something_else_is_left_alone(asked, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds something else than an evaluation"):
        asked()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_other_grading_is_refused_and_done_if_asked_for(asked, tmp_path, monkeypatch):
    first = asked()
    strict = [SHORT, "task.ignore=[]"]
    with pytest.raises(InputError, match=r"the same texts, graded otherwise:\n(.*\n)*Give --regrade"):
        asked(overrides=strict)
    monkeypatch.setattr("twt_core.student.student.Student.answer", lambda *given: pytest.fail("it was asked again"))
    again = asked(overrides=strict, regrade=True)
    assert again.task["ignore"] == []
    assert first.task["ignore"] != []
    assert asked(overrides=strict) == again


def test_what_could_not_be_graded_is_graded_again(asked, tmp_path, monkeypatch):
    grade, broken = ExactMatch.grade, [True]

    def sometimes(self, answers, context):
        found = grade(self, answers, context)
        if broken[0]:
            found[1:3] = [Grade(correct=None, verdict="infra")] * 2
        graded.append(len(found))
        return found

    graded: list[int] = []
    monkeypatch.setattr(ExactMatch, "grade", sometimes)
    assert asked().score.ungraded == {"infra": 2}
    broken[0] = False
    found = asked()
    assert found.score.ungraded == {}
    assert graded == [6, 2]
    assert [row["query_id"] for row in rows(tmp_path / "out" / "predictions.jsonl")] == [f"t{n}" for n in range(6)]
    assert asked() == found
    assert graded == [6, 2]


def test_a_grade_is_of_the_text_that_is_there(asked, tmp_path):
    first = asked()
    file = tmp_path / "out" / "texts.jsonl"
    there = rows(file)
    project.write_rows(file, [{**there[0], "text": "The answer is: 2"}, *there[1:]])
    asked()
    graded = rows(tmp_path / "out" / "predictions.jsonl")
    assert (graded[0]["text"], graded[0]["label"], graded[0]["correct"]) == ("The answer is: 2", "2", True)
    assert [row["query_id"] for row in graded] == [f"t{n}" for n in range(6)]
    file.unlink()
    assert asked().score.verdicts == first.score.verdicts


def test_questions_without_an_answer_are_not_graded_again(asked, questions, monkeypatch):
    found = project.queries(6, "t", step=2)
    found[2]["answer"] = None
    project.write_rows(questions, found)
    assert asked().score.ungraded == {"no_reference": 1}
    monkeypatch.setattr(ExactMatch, "grade", lambda *given: pytest.fail("it was graded again"))
    assert asked().score.ungraded == {"no_reference": 1}


def test_no_answers_at_all_are_nothing_to_measure_with(asked, questions):
    project.write_rows(questions, [{**row, "answer": None} for row in project.queries(6)])
    with pytest.raises(InputError, match='no row has an "answer"'):
        asked()


def test_rows_are_checked_before_anything_is_loaded(asked, questions, tmp_path):
    project.write_rows(questions, [{"id": "a", "qeury": "What?", "answer": "7"}])
    with pytest.raises(InputError, match=r"test.jsonl:1:1 no column \"query\""):
        asked()
    assert not (tmp_path / "out").exists()


def test_what_a_run_was_distilled_from_is_no_test(finished, tmp_path):
    rows_seen = [*project.queries(2, "mine"), *project.queries(2, "t", step=2)]
    file = project.write_rows(tmp_path / "some.jsonl", rows_seen)
    wanted = {"subject": str(finished.folder), "queries": file, "stage": "full", "out": tmp_path / "out"}
    with pytest.raises(
        InputError, match=r"distilled from 2 of its queries: mine0 \(= q0\), mine1 \(= q1\)\. .*--allow"
    ):
        evaluate(Wanted(**wanted), QUIET)
    assert not (tmp_path / "out").exists()
    found = evaluate(Wanted(**wanted, allow_seen=True), QUIET)
    assert found.trained_on == 2
    assert "2 of 4 questions are among those it was DISTILLED FROM" in found.notes()


def test_gzipped_questions_and_the_first_of_them(asked, questions):
    packed = questions.with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(questions.read_bytes()))
    assert asked(queries=packed, limit=2).questions == 2


def test_samples_differ_and_go_on_differing_after_a_stop(asked, tmp_path):
    sampled = [SHORT, "evaluation.samples=4", "evaluation.pass_at=[1,4]", "student.temperature=1"]
    found = asked(overrides=sampled, limit=2)
    assert found.score.answers == 8
    assert set(found.score.pass_at) == {1, 4}
    file = tmp_path / "out" / "texts.jsonl"
    there = rows(file)
    assert [(row["query_id"], row["sample"]) for row in there] == [(f"t{q}", s) for q in range(2) for s in range(4)]
    assert len({row["text"] for row in there}) == 8
    file.write_text("".join(json.dumps(row) + "\n" for row in there[:1]), encoding="utf-8")
    (tmp_path / "out" / "predictions.jsonl").unlink()
    asked(overrides=sampled, limit=2)
    assert len({row["text"] for row in rows(file)}) == 8


def test_samples_at_temperature_0_are_refused(asked):
    with pytest.raises(InputError, match="at temperature 0 all samples are the same"):
        asked(overrides=["evaluation.samples=4"])


def test_two_processes_do_not_share_a_folder(asked, tmp_path):
    from filelock import FileLock

    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(InputError, match="another process works on this"):
        asked()


def test_killed_as_the_folder_was_made_it_is_still_the_evaluations(asked, tmp_path):
    (tmp_path / "out").mkdir()
    for name in (".lock", ".identity.json.partial"):
        (tmp_path / "out" / name).touch()
    assert asked().score.answers == 6


@pytest.mark.parametrize("name", ["identity.json", "evaluation.json"])
def test_a_file_that_is_no_text_is_damaged(asked, tmp_path, name):
    asked()
    (tmp_path / "out" / name).write_bytes(b"\xff{}")
    if name == "identity.json":
        with pytest.raises(InputError, match="damaged, or of another version"):
            asked()
    else:
        with pytest.raises(InputError, match="damaged, or of another version"):
            compare([str(tmp_path / "out"), "other"])


@pytest.mark.parametrize("whole_config", [False, True])
def test_a_task_from_a_file_with_its_options(asked, tmp_path, whole_config):
    (tmp_path / "mine.j2").write_text("--- user\nSay {{ query }}", encoding="utf-8")
    task = "{use: exact_match, student_template: mine.j2}\n"
    file = tmp_path / "task.yaml"
    own = f"task_evaluator: {task}queries: {{path: none.jsonl}}\n" if whole_config else task
    file.write_text(own, encoding="utf-8")
    found = asked(task=str(file), overrides=[SHORT, "task.ignore=[case]"])
    assert found.task["ignore"] == ["case"]
    file.write_text(own.replace("student_template", "studnt_template"), encoding="utf-8")
    with pytest.raises(InputError, match=r'task.yaml:1:\d+ task.studnt_template: unknown key. Did you mean "student_t'):
        asked(task=str(file))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": None}, "task: missing. The kind of question: --task NAME"),
        ({"task": "exct_match"}, 'Did you mean "exact_match"?'),
        ({"subject": "./nowhere"}, "no model at ./nowhere"),
        ({"stage": "full"}, "is no run folder, and only runs have stages"),
        ({"overrides": ["student.max_new_tokens=0"]}, "--set student.max_new_tokens=0 student.max_new_tokens: must be"),
        ({"overrides": ["studnet.model=a"]}, 'studnet: unknown key. Did you mean "student"?'),
        ({"overrides": ["evaluation.pass_at=[2]"]}, "pass@2 takes as many samples; samples is 1"),
        ({"overrides": ["task.api_key=sk-12345678901234567890"]}, "environment"),
        ({"budget_usd": float("nan")}, "--budget-usd nan: must be greater than 0"),
        ({"query_task": "sums"}, "--query-task sums: exact_match is no mixture of tasks"),
        ({"overrides": ["student.model=org/other"]}, "--set student.model=org/other: the model is "),
        ({"budget_usd": 0}, "--budget-usd 0: must be greater than 0"),
        ({"teacher": "opnai_compatible"}, "--teacher opnai_compatible: no teacher is called"),
        ({"base_url": "http://127.0.0.1:9/v1", "teacher": "replay"}, "--base-url: teacher replay takes no address"),
    ],
)
def test_a_command_line_that_is_wrong_is_told_how_to_be_right(asked, tmp_path, change, said):
    with pytest.raises(InputError) as error:
        asked(**change)
    assert said in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_model_is_not_changed_by_its_evaluation(asked, model):
    with pytest.raises(InputError, match=r"lies in the model's own folder.* --out"):
        asked(out=model / "evaluations" / "x")
    assert not (model / "evaluations").exists()


def test_a_folder_without_a_model_names_the_runs_in_it(asked, finished):
    with pytest.raises(InputError, match=r"no run, model or adapter is in this folder. Runs in it: tiny"):
        asked(subject=str(finished.runs))


def test_a_bare_name_is_no_hub_id_where_a_run_has_it(asked, finished):
    with pytest.raises(InputError, match=r"tiny: no such folder. Did you mean .*tiny\?"):
        asked(subject="tiny", runs=finished.runs)


def test_an_adapter_that_names_no_base(asked, tmp_path):
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"names no base model. Give it: --set student.model="):
        asked(subject=str(tmp_path / "adapter"))


def test_a_run_that_is_damaged_says_so(again, tmp_path):
    next(again.folder.glob("*-full-student")).joinpath("adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(TwtError, match="damaged since it was made"):
        evaluate(Wanted(str(again.folder), again.config.parent / "test.jsonl", stage="full", out=tmp_path / "o"), QUIET)


def served(server, questions, tmp_path, **more):
    given = {"base_url": server.url, "task": "exact_match", "runs": tmp_path / "runs", "out": tmp_path / "out"}
    return evaluate(Wanted("org/large", questions, **{**given, **more}), QUIET)


def test_a_served_model_is_asked_once_and_its_tokens_are_the_servers(server, questions, tmp_path):
    found = served(server, questions, tmp_path)
    assert (found.kind, found.tokens_counted_by, found.tokens_unknown) == ("served", "server", 0)
    assert found.score.mean_output_tokens == COMPLETION_TOKENS
    assert found.score.accuracy == 1
    assert len(server.asked) == found.teacher_calls == 6
    assert {(body["model"], body["temperature"]) for body in server.asked} == {("org/large", 0.0)}
    first = rows(tmp_path / "out" / "predictions.jsonl")[0]
    assert (first["tokens"], first["prompt_tokens"], first["correct"]) == (COMPLETION_TOKENS, PROMPT_TOKENS, True)
    assert "tokens are as the server counts them" in found.notes()
    served(server, questions, tmp_path, out=tmp_path / "elsewhere")
    assert len(server.asked) == 6


def test_answers_that_a_server_owes_are_missing_and_asked_for_again(server, questions, tmp_path):
    def moody(body):
        return fault(400, "not today") if "What is 2 plus" in body["messages"][-1]["content"] else well(body)

    server.script = moody
    found = served(server, questions, tmp_path)
    assert sum(found.missing.values()) == 1
    assert found.score.answers == 5
    assert "1 answers are MISSING" in " ".join(found.notes())
    server.script = well
    found = served(server, questions, tmp_path)
    assert (found.missing, found.score.answers) == ({}, 6)
    assert len(server.asked) == 7
    order = [row["query_id"] for row in rows(tmp_path / "out" / "predictions.jsonl")]
    assert order == [f"t{n}" for n in range(6)]


def test_a_server_that_answers_nothing_is_no_result(server, questions, tmp_path):
    server.script = lambda body: fault(400, "never")
    with pytest.raises(TwtError, match=r"org/large answered nothing: 6 x .*never"):
        served(server, questions, tmp_path)
    assert not (tmp_path / "out" / "evaluation.json").exists()


def test_tokens_that_a_server_does_not_count_are_said_to_be_unknown(server, questions, tmp_path):
    def uncounted(body):
        reply = well(body)
        del reply.body["usage"]
        return reply

    server.script = uncounted
    found = served(server, questions, tmp_path)
    assert found.tokens_unknown == 6
    assert "the tokens of 6 answers are NOT KNOWN and count nowhere" in found.notes()


def test_a_budget_takes_prices_and_holds(server, questions, tmp_path):
    with pytest.raises(InputError, match="--budget-usd: the price of 'org/large' is not known"):
        served(server, questions, tmp_path, budget_usd=1.0)
    assert server.asked == []
    priced = ["served.input_usd_per_million=0", "served.output_usd_per_million=100", "served.max_tokens=100"]
    with pytest.raises(TwtError, match="budget"):
        served(server, questions, tmp_path, budget_usd=0.0125, overrides=[*priced, "served.concurrency=1"])
    assert len(server.asked) == 3  # a call costs $0.001 and may cost $0.01
    found = served(server, questions, tmp_path, budget_usd=1.0, overrides=priced)
    assert found.cost_usd == pytest.approx(0.006)
    assert len(server.asked) == 6


def test_a_judge_is_asked_through_the_ledger_and_named(server, questions, tmp_path):
    server.script = lambda body: well(body, "Verdict: wrong") if body["model"] == "judith" else well(body)
    judge = f"{{use: openai_compatible, name: judith, model: judith, temperature: 0, base_url: '{server.url}'}}"
    (tmp_path / "task.yaml").write_text(f"{{use: judge, judge: {judge}}}\n", encoding="utf-8")
    found = served(server, questions, tmp_path, task=str(tmp_path / "task.yaml"))
    assert (found.score.verdicts, found.score.judged_by) == ({"wrong": 6}, ["judith"])
    assert Counter(body["model"] for body in server.asked) == {"org/large": 6, "judith": 6}
    ledger = Ledger(tmp_path / "runs" / "ledger.sqlite")
    assert {row.teacher: row.calls for row in ledger.spending("evaluation ../out")} == {"judith": 6, "org/large": 6}
    ledger.close()
    served(server, questions, tmp_path, task=str(tmp_path / "task.yaml"), regrade=True)
    assert len(server.asked) == 12  # the same opinions, out of the ledger
    renamed = ["served.name=judith"]
    with pytest.raises(InputError, match="the judge and the model have one name, 'judith'"):
        served(server, questions, tmp_path, task=str(tmp_path / "task.yaml"), overrides=renamed)


def test_two_judges_of_one_name_are_refused(server, questions, tmp_path):
    judge = f"{{use: judge, judge: {{use: openai_compatible, name: judith, model: MODEL, base_url: '{server.url}'}}}}"
    both = f"{{use: mixture, tasks: {{a: {judge.replace('MODEL', 'one')}, b: {judge.replace('MODEL', 'two')}}}}}\n"
    (tmp_path / "task.yaml").write_text(both, encoding="utf-8")
    with pytest.raises(InputError, match="two different judges are called 'judith'"):
        served(server, questions, tmp_path, task=str(tmp_path / "task.yaml"), query_task="a")
    (tmp_path / "task.yaml").write_text(both.replace("two", "one"), encoding="utf-8")
    found = served(server, questions, tmp_path, task=str(tmp_path / "task.yaml"), query_task="a")
    assert found.score.judged_by == ["judith"]


def test_folders_of_one_name_have_costs_of_their_own(server, questions, tmp_path):
    priced = ["served.input_usd_per_million=0", "served.output_usd_per_million=100"]
    for folder in ("a", "b"):
        asking = [*priced, f"served.model={folder}"]
        found = served(server, questions, tmp_path, overrides=asking, out=tmp_path / folder / "test")
        assert (found.teacher_calls, found.cost_usd) == (6, pytest.approx(0.006)), folder


def test_the_key_of_a_server_is_looked_for_before_anything(server, questions, tmp_path):
    with pytest.raises(InputError, match="NO_SUCH_KEY is not set"):
        served(server, questions, tmp_path, overrides=["served.api_key_env=NO_SUCH_KEY"])
    assert not (tmp_path / "out").exists()


def test_a_model_without_a_chat_template_is_asked_plainly(asked, tmp_path):
    plain = tiny_model.build(tmp_path / "plain", project.texts(), chat=False)
    assert asked(subject=str(plain)).score.answers == 6


def test_seconds_of_a_served_model_are_of_what_was_asked(server, questions, tmp_path):
    def slow(body):
        time.sleep(0.02)
        return well(body)

    server.script = slow
    assert served(server, questions, tmp_path, overrides=["served.concurrency=1"]).score.seconds_per_answer >= 0.02


MIXTURE = "{use: mixture, tasks: {sums: {use: math}, words: {use: exact_match}}}\n"


def test_a_mixture_is_scored_each_and_all(asked, questions, tmp_path):
    (tmp_path / "task.yaml").write_text(MIXTURE, encoding="utf-8")
    mixed = [{**row, "task": ("sums", "words")[n % 2]} for n, row in enumerate(project.queries(6, "t", step=2))]
    project.write_rows(questions, mixed)
    found = asked(task=str(tmp_path / "task.yaml"))
    assert {name: score.questions for name, score in found.tasks.items()} == {"sums": 3, "words": 3}
    assert found.score.questions == 6
    assert [row["task"] for row in rows(tmp_path / "out" / "predictions.jsonl")] == ["sums", "words"] * 3


def test_the_task_of_all_rows_is_said_beside_the_file(asked, tmp_path):
    (tmp_path / "task.yaml").write_text(MIXTURE, encoding="utf-8")
    with pytest.raises(InputError, match="sums"):
        asked(task=str(tmp_path / "task.yaml"))
    found = asked(task=str(tmp_path / "task.yaml"), query_task="words")
    assert set(found.tasks) == {"words"}


def test_programs_run_and_pass_at_k_is_of_their_samples(server, questions, tmp_path):
    code = {"id": "p", "query": "Write add(a, b).", "answer": "def add(a, b):\n    return a + b"}
    project.write_rows(questions, [{**code, "tests": ["assert add(1, 2) == 3"]}])
    written = iter(["```python\ndef add(a, b):\n    return a + b\n```", "```python\ndef add(a, b):\n    return a\n```"])
    server.script = lambda body: well(body, next(written))
    sampled = ["evaluation.samples=2", "evaluation.pass_at=[1,2]", "served.temperature=1", "served.concurrency=1"]
    found = served(server, questions, tmp_path, task="python_function", overrides=sampled)
    assert sorted(row["correct"] for row in rows(tmp_path / "out" / "predictions.jsonl")) == [False, True]
    assert found.score.pass_at == {1: 0.5, 2: 1.0}
    assert not found.score.unsandboxed
