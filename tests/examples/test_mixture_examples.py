"""The mixtures among the examples: three tasks of our own, and the paper's three data sets in one run."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections import Counter
from pathlib import Path

import project
import pytest
import test_paper

from twt_core import planning, session
from twt_core.config import load_config
from twt_core.data import DOWNLOADS, read_data
from twt_core.data_file import each_of
from twt_core.progress import Progress

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDER = EXAMPLES / "mixture"
PAPER = EXAMPLES / "paper" / "mixture.yaml"
TASKS = ("sums", "riddles", "code")

spec = importlib.util.spec_from_file_location("mixture_make_questions", FOLDER / "make_questions.py")
questions = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = questions
spec.loader.exec_module(questions)

ROWS = {
    name: [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]
    for name in ("queries.jsonl", "test.jsonl")
}
MANY = questions.make(300, seed=5)


def kind(name):
    return [one for one in MANY if one.kind == name]


def test_the_committed_files_are_what_the_script_makes(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["make_questions.py", "--out", str(tmp_path)])
    questions.main()
    for name in ROWS:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


def test_the_tasks_take_turns_and_no_question_is_there_twice():
    for rows in ROWS.values():
        assert [row["task"] for row in rows] == [*TASKS] * (len(rows) // 3)
    asked = [" ".join(sorted(row["query"].split())) for rows in ROWS.values() for row in rows]
    assert len(set(asked)) == len(asked)
    ids = [row["id"] for rows in ROWS.values() for row in rows]
    assert len(set(ids)) == len(ids)


def test_another_seed_makes_other_questions_and_too_many_are_refused(monkeypatch):
    assert questions.make(9, 1) == questions.make(9, 1) != questions.make(9, 2)
    monkeypatch.setattr(questions, "MOST_TRIES", 100)
    with pytest.raises(SystemExit, match="not so many different questions of the task"):
        questions.make(101, 0)


def test_sums():
    for one in kind("bought"):
        packs, each, given = map(int, re.findall(r"\d+", one.query))
        assert int(one.answer) == packs * each - given > 0
    for one in kind("shared"):
        people, all_of_them, more = map(int, re.findall(r"\d+", one.query))
        assert divmod(all_of_them, people) == (int(one.answer) - more, 0)
    for one in kind("travelled"):
        first, hours, second, rest = map(int, re.findall(r"\d+", one.query))
        assert int(one.answer) == first * hours + second * rest


def test_riddles_have_four_options_and_the_right_one_anywhere():
    riddles = [one for one in MANY if one.task == "riddles"]
    assert {one.kind for one in riddles} == set(questions.OPTIONS)
    assert set(Counter(one.answer for one in riddles)) == set("ABCD")
    for one in riddles:
        assert len(set(one.choices)) == 4
    for one in kind("calendar"):
        days = questions.make_problems.DAYS
        today = days.index(re.search(r"Today is (\w+)\.", one.query)[1])
        shift = int(re.search(r"(\d+) days?", one.query)[1])
        right = days[(today + (-shift if "ago" in one.query else shift)) % 7]
        assert one.choices["ABCD".index(one.answer)] == right


def test_programs_do_what_is_asked():
    for one in [one for one in MANY if one.task == "code"]:
        space = {}
        exec(one.answer, space)
        for test in one.tests:
            exec(test, space)
        assert re.search(r"Write a function (\w+) ", one.query)[1] in space
    for one in kind("linear"):
        factor, summand = map(int, re.findall(r"by (\d+) and adds (\d+)", one.query)[0])
        assert one.tests[-1].endswith(f"== {-3 * factor + summand}")


def test_every_query_can_be_used():
    config = load_config(FOLDER / "mixture.yaml")
    data = read_data(config, Path("unused"))
    assert [len(data.queries), len(data.test), data.notes] == [90, 60, []]
    assert Counter(query.task for query in data.queries) == dict.fromkeys(TASKS, 30)


def test_it_runs_whole_at_a_reduced_size(tmp_path, model, embedder):
    for name, rows in ROWS.items():
        project.write_rows(tmp_path / name, rows[:9])
    overrides = [
        f"queries.path={tmp_path}/queries.jsonl", f"test_queries.path={tmp_path}/test.jsonl",
        f"student.model={model}", f"diversity_selector.embedder={embedder}", "student.device=cpu",
        "student.max_new_tokens=4", "student.max_length=1024",
        "quality_filter.otherwise.minimum=0.5",
        *(f"teachers.{n}.answers={tmp_path}/queries.jsonl" for n in range(3)),
    ]  # fmt: skip
    summary = session.run(FOLDER / "mixture.yaml", overrides, tmp_path / "runs", None, Progress(quiet=True))
    assert (summary.annotations.asked, summary.annotations.failed) == (27, 0)
    assert [stage.name for stage in summary.stages] == ["untouched", "full", "compressed", "answer_only"]
    assert set(summary.tasks) == set(TASKS) and all(teacher.simulated for teacher in summary.teachers)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("something went to the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


def test_the_papers_mixture_plans_without_a_key_or_a_network(tmp_path, no_network):
    planned = planning.plan(PAPER, (), tmp_path / "runs")
    assert {row.answers for row in planned.calls} == {374 + 1000 + 1000}
    assert planned.worst_case_usd and planned.worst_case_usd > 1
    assert len(planned.notes) == 6 and all("not downloaded yet" in note for note in planned.notes)
    assert list(tmp_path.iterdir()) == []


def test_the_papers_mixture_asks_what_its_tasks_ask():
    """So that their runs and this one share the teachers' answers."""
    config = load_config(PAPER)
    for name, task in config.task_evaluator.tasks.items():
        alone = load_config(EXAMPLES / "paper" / name / "twt.yaml")
        assert task.identity() == alone.task_evaluator.identity()
        [mixed], [own] = ([one for one in each_of(c.queries) if one.task in (None, name)] for c in (config, alone))
        same = ("dataset", "config", "split", "columns", "leave_out", "max_bytes")
        assert [getattr(mixed, option) for option in same] == [getattr(own, option) for option in same]
        assert config.teachers == alone.teachers and config.student == alone.student


def test_rows_as_the_hub_has_them_become_the_mixtures_queries(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    config, overrides = load_config(PAPER), []
    for option, rows in (("queries", test_paper.HUB_ROWS), ("test_queries", test_paper.TEST_ROWS)):
        for number, source in enumerate(getattr(config, option)):
            folder = tmp_path / option / source.task
            folder.mkdir(parents=True)
            project.write_rows(folder / f"{source.split}.jsonl", rows[source.task])
            place = f"{option}.{number}"
            overrides += [f"{place}.dataset={folder}", f"{place}.config=null", f"{place}.rows={len(rows[source.task])}"]
    data = read_data(load_config(PAPER, overrides), tmp_path / DOWNLOADS)
    for name in test_paper.TASKS:
        own = sorted((query for query in data.queries if query.task == name), key=lambda query: query.query)
        prefix = "metamath/" if name == "metamath" else ""  # its rows are called by their number
        assert own == [
            query.model_copy(update={"task": name, "id": f"{prefix}{query.id}"}) for query in test_paper.queries(name)
        ]
    assert [query.task for query in data.test] == list(test_paper.TASKS) and data.notes == []
