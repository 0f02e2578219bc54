"""Queries from several sources: how they are written, checked, named, counted."""

from __future__ import annotations

import json

import jsonschema
import project
import pytest

from twt_core import planning
from twt_core.config import config_schema, load_config
from twt_core.data import DOWNLOADS, read_data
from twt_core.data_file import DataFile, each_of
from twt_core.errors import InputError
from twt_core.hub_data import _copy
from twt_core.yaml_reader import read_yaml_text

MIXED = "task_evaluator={use: mixture, tasks: {sums: {use: math}, words: {use: exact_match}}}"
FILES = "queries=[{path: queries.jsonl, task: sums}, {path: more.jsonl, task: words}]"
TESTED = "test_queries=[{path: test.jsonl, task: sums}, {path: other.jsonl, task: words}]"
HUB = "{dataset: owner/%s, columns: {query: q, answer: a%s}, %s}"


@pytest.fixture
def load(tmp_path, model):
    """The tiny project with two more files of queries."""
    config = project.make(tmp_path, model)
    project.write_rows(tmp_path / "more.jsonl", project.queries(3, "m", step=20))
    project.write_rows(tmp_path / "other.jsonl", project.queries(2, "o", step=30))
    return lambda *overrides: load_config(config, overrides)


@pytest.fixture
def read(load, tmp_path):
    def made(*overrides, download=True):
        return read_data(load(*overrides), tmp_path / "runs" / DOWNLOADS, download=download)

    return made


def refusal(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


def test_one_or_a_list_of_them(load):
    assert [source.path.name for source in each_of(load().queries)] == ["queries.jsonl"]
    config = load(MIXED, FILES, TESTED)
    assert [source.task for source in each_of(config.queries)] == ["sums", "words"]
    assert each_of(None) == () == each_of(config.dev_queries)
    changed = load(MIXED, FILES, TESTED, "queries.0.path=more.jsonl", "queries[1].id_prefix=b/")
    assert [source.path.name for source in changed.queries] == ["more.jsonl", "more.jsonl"]
    assert changed.queries[1].prefix == "b/"


def test_rows_follow_each_other_and_have_their_sources_task(read):
    data = read(MIXED, FILES, TESTED)
    assert [(query.id, query.task) for query in data.queries][11:13] == [("q11", "sums"), ("m0", "words")]
    assert [query.task for query in data.test] == ["sums"] * 6 + ["words"] * 2
    assert data.notes == []


def test_the_identity_of_a_single_source_is_as_it_was(load):
    assert list(load().identity()["queries"]) == ["path"]
    plain = DataFile(dataset="owner/sums", columns={"query": "q"})
    assert set(plain.identity()) == {
        "dataset", "config", "split", "revision", "columns", "shuffle", "skip", "limit", "leave_out"
    }  # fmt: skip
    assert set(plain.identity()["columns"]) == {"id", "query", "answer", "choices", "tests"}
    for other in ({"task": "sums"}, {"id_prefix": "a/"}, {"columns": {"query": "q", "task": "t"}}):
        assert DataFile(**{"dataset": "owner/sums", "columns": {"query": "q"}, **other}).identity() != plain.identity()


def test_what_a_source_calls_its_rows_leaves_a_downloaded_copy_as_it_is(tmp_path):
    def copy(**options):
        return _copy(DataFile(**{"dataset": "owner/sums", "columns": {"query": "q"}, **options}), tmp_path)

    assert copy(task="sums", id_prefix="x/") == copy()
    assert copy().name == "c4646c7279e6a449.rows"  # as named before sources had tasks
    assert copy(columns={"query": "q", "task": "t"}) != copy()


def test_rows_that_are_called_by_their_number_have_their_task_before_it():
    numbered = {"dataset": "owner/sums", "columns": {"query": "q"}}
    assert DataFile(**numbered, task="sums").prefix == "sums/"
    assert DataFile(**numbered, task="sums", id_prefix="x-").prefix == "x-"
    assert DataFile(**numbered, task="sums", id_prefix="").prefix == "" == DataFile(**numbered).prefix
    assert DataFile(dataset="owner/sums", columns={"query": "q", "id": "i"}, task="sums").prefix == ""


BAD = {
    "queries=[]": "queries: needs at least 1 of them",
    "queries=[queries.jsonl]": "queries[0]: must be a mapping, {path: ...}",
    "queries=7": "queries: must be a mapping, {path: ...}",
    "queries=[{paht: queries.jsonl}]": 'queries[0].paht: unknown key. Did you mean "path"?',
    "queries=[{path: queries.jsonl}, {path: gone.jsonl}]": "queries[1].path: ",
    "queries=[{path: queries.jsonl, task: sum}]": "queries[0].task: no task is called 'sum'. Did you mean \"sums\"?",
    "test_queries={path: test.jsonl, task: x}": "test_queries.task: no task is called 'x'. There are: sums, words.",
    "dev_queries=[{path: test.jsonl, task: x}]": "dev_queries[0].task: no task is called 'x'",
    f"queries=[{HUB % ('a', '', 'limit: 3')}]": "queries[0].task: missing: give the task of all rows",
    "queries=[{path: queries.jsonl, task: sums, id_prefix: ../}]": "queries[0].id_prefix: must match",
    "queries=[{path: queries.jsonl, limit: 3}]": "queries[0]: limit: for a dataset, not for a path",
}  # fmt: skip


@pytest.mark.parametrize("override", BAD)
def test_what_makes_no_sense_is_refused_with_its_place(load, override):
    text = refusal(load, MIXED, FILES, TESTED, override)
    assert BAD[override] in text and "\n" not in text, text


def test_a_problem_has_the_line_that_it_is_written_in(load, tmp_path):
    file = tmp_path / "run.yaml"
    written = "queries:\n  - path: queries.jsonl\n    task: sums\n  - path: queries.jsonl\n    task: wrods\n"
    text = file.read_text(encoding="utf-8").replace("queries: {path: queries.jsonl}\n", written, 1)
    file.write_text(text, encoding="utf-8")
    assert f"{file}:7:5 queries[1].task: no task is called 'wrods'" in refusal(load, MIXED)


def test_a_task_where_there_is_one_alone_is_refused(load):
    found = refusal(load, "queries={path: queries.jsonl, task: sums}")
    assert "queries.task: the task_evaluator exact_match is no mixture of tasks" in found
    found = refusal(load, f"queries={HUB % ('a', ', task: kind', 'limit: 3')}")
    assert "queries.columns.task: the task_evaluator exact_match is no mixture of tasks" in found


def test_the_schema_takes_one_and_several_and_nothing_else():
    validator = jsonschema.Draft202012Validator(config_schema())
    for queries, good in (("[{path: a}, {dataset: b/c}]", True), ("[]", False), ("[{paht: a}]", False), ("a", False)):
        text = project.CONFIG.format(model="m").replace("{path: queries.jsonl}", queries)
        assert validator.is_valid(read_yaml_text(text, "x").value) == good, queries


def test_ids_of_two_sources_that_are_the_same_are_named_with_both_places(read, tmp_path):
    project.write_rows(tmp_path / "more.jsonl", project.queries(3, "q", step=20))
    found = refusal(read, MIXED, FILES, TESTED)
    assert f"{tmp_path}/more.jsonl:1: id 'q0' is already on {tmp_path}/queries.jsonl:1, and so with 2 more" in found
    assert found.endswith("Give one of the two sources an id_prefix")
    data = read(MIXED, FILES, TESTED, "queries.1.id_prefix=w/")
    assert [query.id for query in data.queries][-3:] == ["w/q0", "w/q1", "w/q2"]


def test_a_question_that_is_tested_with_is_found_in_every_source(read, tmp_path):
    project.write_rows(tmp_path / "more.jsonl", project.queries(2, "m", step=30))
    assert "other.jsonl: 2 of its queries are among the training queries: o0 (= m0)" in refusal(
        read, MIXED, FILES, TESTED
    )


def test_each_held_out_source_has_answers(read, tmp_path):
    project.write_rows(tmp_path / "other.jsonl", [{"id": "o", "query": "Who?"}])
    assert 'other.jsonl: no row has an "answer"' in refusal(read, MIXED, FILES, TESTED)


def test_dev_queries_that_are_tested_with_are_noted(read, tmp_path):
    rows = [
        {"id": "d1", "query": "One and one?", "answer": "2"},
        {"id": "d2", "query": "what is 3  plus 5?", "answer": "8"},
    ]
    project.write_rows(tmp_path / "dev.jsonl", rows[:1])
    assert read("dev_queries={path: dev.jsonl}").notes == []
    project.write_rows(tmp_path / "dev.jsonl", rows)
    [note] = read("dev_queries={path: dev.jsonl}").notes
    assert note.startswith("dev_queries: 1 of 2 ask the same as a test query, such as 'd2'")


def test_a_task_without_queries_is_noted(read):
    data = read(MIXED, "queries={path: queries.jsonl, task: sums}", TESTED)
    assert data.notes == ["queries: none is of the task 'words'"]
    data = read(MIXED, FILES, "test_queries={path: test.jsonl, task: words}")
    assert data.notes == ["test_queries: none is of the task 'sums'"]


def test_a_mixtures_file_in_a_run_of_one_task_is_noted(read, tmp_path):
    rows = [{**row, "task": ("sums", "words")[n % 2]} for n, row in enumerate(project.queries(4))]
    project.write_rows(tmp_path / "queries.jsonl", rows)
    data = read()
    assert {query.task for query in data.queries} == {None}
    assert data.notes == [
        f"{tmp_path}/queries.jsonl: its rows name several tasks (sums, words), and the task_evaluator is no mixture: "
        "all are taken for one task"
    ]
    many = project.queries(30)
    for others in ([{**row, "task": "qa"} for row in rows], [{**row, "task": row["query"]} for row in many[10:]]):
        project.write_rows(tmp_path / "queries.jsonl", others)
        assert len(read().notes) == (len(others) == 20)
    project.write_rows(tmp_path / "queries.jsonl", [{**row, "task": row["query"]} for row in many[9:]])
    assert read().notes == []  # 21 different texts: this column is something else


@pytest.fixture
def sets(tmp_path, monkeypatch):
    """Two data sets in folders."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    for name, step in (("one", 50), ("two", 60)):
        rows = [{"q": row["query"], "a": row["answer"]} for row in project.queries(3, "", step)]
        rows.append({"q": "What is 1 plus 51?", "a": "52"})  # the second of the first set
        (tmp_path / name).mkdir()
        project.write_rows(tmp_path / name / "train.jsonl", rows)
    return "{dataset: ./%s, columns: {query: q, answer: a}%s}"


def test_data_sets_whose_rows_are_called_by_number(sets, read):
    written = f"queries=[{sets % ('one', ', task: sums')}, {sets % ('two', ', task: words')}]"
    assert [query.id for query in read(MIXED, written, TESTED).queries][3:5] == ["sums/train/3", "words/train/0"]
    same = f"queries=[{sets % ('one', '')}, {sets % ('two', '')}]"
    found = refusal(read, same)
    assert "two/train row 0: id 'train/0' is already on" in found and "one/train row 0, and so with 3 more" in found
    assert len(read(f"queries=[{sets % ('one', '')}, {sets % ('two', ', id_prefix: two/')}]").queries) == 8


def test_repeats_over_all_sources_are_left_out(sets, read):
    second = sets % ("two", ", id_prefix: two/, leave_out: [repeated]")
    data = read(f"queries=[{sets % ('one', ', leave_out: [repeated]')}, {second}]")
    assert [query.id for query in data.queries] == [
        "train/0",
        "train/1",
        "train/2",
        *(f"two/train/{n}" for n in (0, 1, 2)),
    ]
    assert [note.partition(": ")[2] for note in data.notes] == [
        "1 of 4 rows left out: 1 x asks the same as a row before"
    ] * 2


def test_a_row_of_a_data_set_may_name_its_task(sets, read, tmp_path):
    project.write_rows(
        tmp_path / "one" / "train.jsonl", [{"q": f"{kind}?", "a": "1", "kind": kind} for kind in ("sums", "words")]
    )
    written = "queries={dataset: ./one, columns: {query: q, answer: a, task: kind}}"
    assert [query.task for query in read(MIXED, written, TESTED).queries] == ["sums", "words"]


@pytest.fixture
def plan(load, tmp_path):
    teacher = (
        "{use: openai_compatible, name: ann, base_url: 'http://127.0.0.1:9', model: m, max_tokens: 10, "
        "input_usd_per_million: 1, output_usd_per_million: 2}"
    )

    def planned(*overrides):
        given = [MIXED, TESTED, f"teachers=[{teacher}]", *overrides]
        return planning.plan(tmp_path / "run.yaml", given, tmp_path / "runs")

    return planned


def test_a_plan_counts_each_source_that_is_not_downloaded(plan):
    one = HUB % ("a", "", "task: sums, limit: 100, max_bytes: 300")
    two = HUB % ("b", "", "task: words, limit: 30, max_bytes: 2000")
    both = plan(f"queries=[{one}, {two}, {{path: more.jsonl, task: words}}]")
    assert [(row.answers, row.rewrites_at_most) for row in both.calls] == [(133, 133)]
    assert both.notes == [
        "owner/a/train: not downloaded yet, which `twt run` does; counted as 100 rows",
        "owner/b/train: not downloaded yet, which `twt run` does; counted as 30 rows",
    ]
    prices = [plan(f"queries={one}"), plan(f"queries={two}"), plan("queries={path: more.jsonl, task: words}")]
    assert both.worst_case_usd == pytest.approx(sum(found.worst_case_usd for found in prices), abs=2e-6)


def test_a_price_without_a_bound_of_one_source_is_not_known(plan):
    one, two = HUB % ("a", "", "task: sums, limit: 9, max_bytes: 300"), HUB % ("b", "", "task: words, limit: 9")
    assert plan(f"queries=[{one}, {two}]").worst_case_usd is None


def test_rows_that_name_their_task_are_priced_as_of_the_one_with_the_longest_prompt(plan):
    rows = "limit: 9, max_bytes: 300"
    mixed = plan(f"queries={HUB % ('a', ', task: kind', rows)}")
    each = [plan(f"queries={HUB % ('a', '', f'{rows}, task: {name}')}") for name in ("sums", "words")]
    assert mixed.worst_case_usd == max(found.worst_case_usd for found in each)
    assert mixed.notes == ["owner/a/train: not downloaded yet, which `twt run` does; counted as 9 rows"]


def test_the_command_line_shows_the_note(twt, load, tmp_path):
    said = twt("plan", tmp_path / "run.yaml", "--runs-dir", tmp_path / "runs", "--json", "--set", MIXED, "--set",
               "queries={path: queries.jsonl, task: sums}", "--set", TESTED)  # fmt: skip
    assert json.loads(said.out)["notes"] == ["queries: none is of the task 'words'"]
