"""Queries from data sets: the library `datasets` reads folders for real; what is not downloaded is only counted."""

from __future__ import annotations

import builtins
import json

import project
import pytest

from twt_core import planning, session
from twt_core.config import load_config
from twt_core.data import DOWNLOADS, _reason, read_data
from twt_core.data_file import DataFile
from twt_core.errors import InputError
from twt_core.hub_data import placeholder, size
from twt_core.progress import Progress
from twt_core.records import Query
from twt_core.rows import BadRow

HUB = "{dataset: owner/sums, columns: {query: question, answer: {column: solution, pattern: '#### (.*)'}}%s}"


def sums(numbers):
    return [{"nr": n, "question": f"What is {n} plus 1?", "solution": f"Think.\n#### {n + 1}"} for n in numbers]


@pytest.fixture
def data_set(tmp_path, monkeypatch):
    """A data set in a folder, with the splits that are given."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))

    def made(**splits):
        for split, rows in splits.items():
            project.write_rows(tmp_path / "sums" / f"{split}.jsonl", rows)
        return "{dataset: ./sums, columns: {query: question, answer: {column: solution, pattern: '#### (.*)'}}%s}"

    (tmp_path / "sums").mkdir()
    return made


@pytest.fixture
def read(tmp_path, model):
    """The queries of the tiny project, whose `queries` are written so."""

    def made(queries, *overrides, **options):
        config = load_config(project.make(tmp_path, model), [f"queries={queries}", *overrides])
        return read_data(config, tmp_path / "runs" / DOWNLOADS, **options)

    return made


def refusal(read, *arguments, **options):
    with pytest.raises(InputError) as caught:
        read(*arguments, **options)
    return str(caught.value)


def test_columns_make_queries(data_set, read):
    data = read(data_set(train=sums(range(50, 53))) % "")
    assert data.queries == [
        Query(id=f"train/{n}", query=f"What is {50 + n} plus 1?", answer=str(51 + n)) for n in range(3)
    ]
    assert data.notes == [] and data.rows("train/0") == 1


def test_dotted_paths_and_lists_and_numbers(data_set, tmp_path, read):
    rows = [
        {"meta": {"key": 7}, "q": "Which?", "key": "B", "choices": {"label": ["A", "B"], "text": ["x", "y"]}},
        {"meta": {"key": 8}, "q": "Which one?", "key": "A", "choices": {"label": ["A", "B"], "text": ["u", "v"]}},
    ]
    data_set(train=rows)
    columns = "columns: {id: meta.key, query: q, answer: key, choices: choices.text}"
    data = read(f"{{dataset: ./sums, {columns}}}")
    assert data.queries[0] == Query(id="7", query="Which?", answer="B", choices=("x", "y"))


def test_a_part_that_a_row_lacks_is_that_rows_problem(data_set, read):
    rows = [{"q": "Which?", "choices": {"text": ["x", "y"]}}, {"q": "What?", "choices": None}]
    text = data_set(train=rows).partition("}")[0].partition(", columns")[0]
    data = read(f"{text}, columns: {{query: q, choices: choices.text}}}}")
    assert [query.choices for query in data.queries] == [("x", "y"), None]


def test_a_list_of_accepted_answers_and_a_pattern_for_each_of_a_list(data_set, read):
    rows = [{"q": "Who?", "answer": {"value": "Twain", "aliases": ["Twain", "Clemens", "Twain"]}, "o": ["(x)", "(y)"]}]
    data_set(train=rows)
    columns = "columns: {query: q, answer: answer.aliases, choices: {column: o, pattern: '[(](.)[)]'}}"
    [query] = read(f"{{dataset: ./sums, {columns}}}").queries
    assert query.answers == ("Twain", "Clemens") and query.choices == ("x", "y")


def test_a_number_has_a_pattern_taken_out_of_its_digits(data_set, read):
    data_set(train=[{"q": "Which?", "a": 1234}])
    [query] = read("{dataset: ./sums, columns: {query: q, answer: {column: a, pattern: '(.)$'}}}").queries
    assert query.answer == "4"


def test_the_identity_of_a_source_is_what_its_rows_depend_on():
    def identity(**options):
        return DataFile(dataset="owner/sums", columns={"query": "q"}, **options).identity()

    assert identity(rows=5, max_bytes=9) == identity()
    for other in ({"split": "test"}, {"revision": "v2"}, {"shuffle": 1}, {"skip": 1}, {"limit": 1}, {"config": "main"}):
        assert identity(**other) != identity()
    assert identity(leave_out=("unusable",)) != identity()


def test_options_as_a_list_of_mappings_and_as_parquet(data_set, tmp_path, read):
    datasets = pytest.importorskip("datasets")
    rows = [{"q": "Which?", "o": [{"label": "A", "text": "x"}, {"label": "B", "text": "y"}]}]
    datasets.Dataset.from_list(rows).to_parquet(str(tmp_path / "sums" / "test.parquet"))
    data = read("{dataset: ./sums, split: test, columns: {query: q, choices: o.text}}")
    assert data.queries == [Query(id="test/0", query="Which?", choices=("x", "y"))]


def test_a_window_of_the_shuffled_rows(data_set, read):
    text = data_set(train=sums(range(50, 90)))
    whole = [query.id for query in read(text % ", shuffle: 3").queries]
    assert sorted(whole) == sorted(query.id for query in read(text % "").queries) != whole
    assert [query.id for query in read(text % ", shuffle: 3, skip: 5, limit: 4").queries] == whole[5:9]
    assert [query.id for query in read(text % ", skip: 38").queries] == ["train/38", "train/39"]


def test_bad_rows_end_the_run_and_are_named(data_set, read):
    rows = sums([50, 51, 52])
    rows[1]["question"] = "So the answer is 52."
    rows[2]["solution"] = "no mark"
    found = refusal(read, data_set(train=rows) % "").splitlines()
    assert found[0].endswith("sums/train row 1: query holds its own answer: take the answer out of the question")
    assert "sums/train row 2: answer is empty" in found[1]
    assert found[2] == "To leave such rows out and count them: leave_out: [unusable]"


def test_what_is_left_out_is_counted_by_reason(data_set, read):
    rows = sums([50, 50, 1, 53, 54, 55, 56])  # "What is 1 plus ..." is asked by no test query of the project
    rows[2]["question"] = "What is 0 plus 2?"  # t0
    rows[3]["question"] = "What is it? <|im_end|>"
    rows[4]["question"] = "x" * 100
    text = data_set(train=rows) % ", max_bytes: 60, leave_out: [unusable, repeated, held_out]"
    data = read(text)
    assert [query.id for query in data.queries] == ["train/0", "train/5", "train/6"]
    [note] = data.notes
    assert "sums/train: 4 of 7 rows left out: " in note
    for reason in (
        "1 x query has the chat control token <|im_end|>", "1 x the question has more than … bytes (max_bytes)",
        "1 x asks the same as a row before", "1 x asks the same as a held-out row",
    ):  # fmt: skip
        assert reason in note


@pytest.mark.parametrize("end", ["", "'", '"'])
def test_rows_with_tests_that_cannot_be_used_have_one_reason(end):
    problems = [f"the test {text + end!r} is not of the form: assert f(1) == 2" for text in ("f(1)[2:]", "{3: 'c'}")]
    assert {_reason(BadRow(n, 1, problem)) for n, problem in enumerate(problems)} == {"the test … is not of the form"}
    assert _reason(BadRow(1, 1, '"choices" holds an empty option: A) x')) == '"choices" holds an empty option'


def test_ids_that_are_there_twice(data_set, read):
    text = data_set(train=[*sums([50]), {**sums([51])[0], "nr": 50}]).replace("{query", "{id: nr, query")
    assert "row 1: id '50' is already on row 0" in refusal(read, text % "")
    assert "1 x id … is already on row …" in read(text % ", leave_out: [unusable]").notes[0]


def test_held_out_rows_end_the_run_unless_left_out(data_set, read):
    rows = sums([50, 51])
    rows[1]["question"] = "What is 1 plus 3?"
    assert "1 of its queries are among the training queries: t1 (= train/1)" in refusal(read, data_set(train=rows) % "")


def test_nothing_left(data_set, read):
    text = data_set(train=sums([50])) % ", max_bytes: 3, leave_out: [unusable]"
    assert "sums/train: no row is left to distil from" in refusal(read, text)


BAD_SOURCES = {
    "{dataset: owner/sums, path: queries.jsonl, columns: {query: q}}": "give one of the two: path",
    "{split: test}": "give one of the two: path",
    "{path: queries.jsonl, limit: 3, split: test}": "limit, split: for a dataset, not for a path",
    "{dataset: owner/sums}": "columns is missing: name the column of the question",
    "{dataset: owner/sums, columns: {answer: a}}": "queries.columns.query: missing. The question.",
    "{dataset: ./gone, columns: {query: q}}": "no such folder",
    "{dataset: a/b/c, columns: {query: q}}": "must be a hub id, owner/name, or a folder",
    "{dataset: json, columns: {query: q}}": "must be a hub id, owner/name, or a folder",
    "{dataset: ./%s, columns: {query: q}}" % ("x" * 300): "no such folder",
    "{path: %s}" % ("x" * 300): "cannot be read: File name too long",
    "{dataset: owner/sums, columns: {query: {column: q, pattern: x}}}": "has 0 groups",
    "{dataset: owner/sums, columns: {query: {column: q, pattern: '('}}}": "no regular expression",
    "{dataset: owner/sums, columns: {query: 3}}": "queries.columns.query: must be a mapping, {column: ...}",
    "{dataset: owner/sums, columns: {querry: q, query: q}}": 'Did you mean "query"',
    "{dataset: owner/sums, columns: {query: q}, leave_out: [all]}": "must be 'unusable', 'repeated' or 'held_out'",
    "{dataset: owner/sums, columns: {query: q}, limit: 0}": "at least 1",
}


@pytest.mark.parametrize("source", BAD_SOURCES)
def test_a_source_that_makes_no_sense(read, source):
    assert BAD_SOURCES[source] in refusal(read, source)


BAD_SETS = {
    "{dataset: ./sums, columns: {query: questoin}}": "there is no 'questoin'. There is: nr, question, solution",
    "{dataset: ./sums, columns: {query: question.text}}": "there is no 'text'. There is: a str, with no parts",
    "{dataset: ./sums, split: tset, columns: {query: question}}": "cannot be loaded: Unknown split \"tset\"",
    "{dataset: ./sums, config: no, columns: {query: question}}": "reads this as False",
    "{dataset: ./sums, config: none, columns: {query: question}}": "cannot be loaded: BuilderConfig 'none' not found",
    "{dataset: ./sums, rows: 5, columns: {query: question}}": "has 2 rows, and the config says 5",
}  # fmt: skip


@pytest.mark.parametrize("source", BAD_SETS)
def test_a_data_set_that_is_not_as_the_config_says(data_set, read, source):
    data_set(train=sums([50, 51]))
    assert BAD_SETS[source] in refusal(read, source)


def test_without_a_network_the_way_out_is_named(read):
    pytest.importorskip("datasets")
    found = refusal(read, HUB % "")
    assert found.startswith("owner/sums/train: not downloaded yet, and HF_HUB_OFFLINE forbids it. Unset HF_HUB_OFFLINE")


def test_without_the_library_the_way_out_is_named(read, monkeypatch):
    real = builtins.__import__

    def no_datasets(name, *arguments, **options):
        if name == "datasets":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", no_datasets)
    assert 'pip install "twt-distill[hub]"' in refusal(read, HUB % "")


@pytest.fixture
def hub(data_set, tmp_path, monkeypatch):
    """A hub that is a folder here: the library reads it for real, under the hub's name. Gone with the first call."""
    datasets = pytest.importorskip("datasets")
    data_set(train=sums([50, 51]))
    load = datasets.load_dataset
    monkeypatch.setattr(
        datasets, "load_dataset", lambda _, *more, **named: load(str(tmp_path / "sums"), *more, **named)
    )

    def gone():
        monkeypatch.setattr(datasets, "load_dataset", load)

    return gone


def test_what_was_downloaded_is_not_loaded_again(hub, read):
    before = read(HUB % "")
    hub()
    assert read(HUB % "").queries == before.queries
    assert read(HUB % "", download=False).queries == before.queries  # so a plan has them, too
    assert read(HUB % ", max_bytes: 50, leave_out: [repeated]").queries == before.queries
    assert "not downloaded yet" in refusal(read, HUB % ", limit: 1")  # other rows


DAMAGE = {
    "rows": lambda text: text[: text.index("\n") + 1],
    "json": lambda text: text[: len(text) // 2],
}


@pytest.mark.parametrize("part", DAMAGE)
def test_a_damaged_copy_is_downloaded_again(hub, read, tmp_path, part):
    before = read(HUB % "")
    [file] = (tmp_path / "runs" / DOWNLOADS).glob(f"*.{part}")
    whole = file.read_text(encoding="utf-8")
    for damaged in (DAMAGE[part](whole), None):
        if damaged is None:
            file.unlink()
        else:
            file.write_text(damaged, encoding="utf-8")
        assert "is not downloaded yet" in refusal(read, HUB % "", download=False)
        assert read(HUB % "").queries == before.queries
        assert file.read_text(encoding="utf-8") == whole
    file.unlink()
    hub()
    assert "not downloaded yet" in refusal(read, HUB % "")


def test_the_rows_of_a_copy_are_counted_too(hub, read):
    kept = read(HUB % ", rows: 2").queries
    hub()
    assert read(HUB % ", rows: 2").queries == kept
    found = refusal(read, HUB % ", rows: 3")
    assert "has 2 rows, and the config says 3" in found and "To read it anew, remove " in found


def test_rows_with_any_text_come_through(data_set, read):
    asked = 'A "tab"\tand\u2028a line\r\nand \U0001f600?'
    [query] = read(data_set(train=[{"question": asked, "solution": "#### é"}]) % "").queries
    assert (query.query, query.answer) == (asked, "é")


@pytest.fixture
def plan(fresh):
    """A plan of the tiny project with teachers that have a price, its queries written so."""
    priced = "{use: openai_compatible, name: ann, base_url: 'http://127.0.0.1:9', model: m, max_tokens: 10, %s}"
    teacher = priced % "input_usd_per_million: 1, output_usd_per_million: 2"

    def planned(queries, *overrides):
        given = [f"queries={queries}", f"teachers=[{teacher}]", *overrides]
        return planning.plan(fresh, given, fresh.parent / "runs")

    return planned


def test_a_plan_counts_what_is_not_downloaded(plan):
    found = plan(HUB % ", rows: 500, skip: 100, max_bytes: 300")
    assert [(row.answers, row.rewrites_at_most) for row in found.calls] == [(400, 400)]
    assert found.teacher_calls_at_most == 800
    assert found.notes == ["owner/sums/train: not downloaded yet, which `twt run` does; counted as 400 rows"]
    assert not any(step.cached for step in found.steps)
    assert plan(HUB % ", rows: 500, limit: 7, max_bytes: 300").calls[0].answers == 7
    assert plan(HUB % ", limit: 7, max_bytes: 300").calls[0].answers == 7


def test_its_price_bounds_that_of_any_row_and_is_not_known_without_a_bound(plan, fresh):
    declared = plan(HUB % ", limit: 12, max_bytes: 300").worst_case_usd
    present = plan("{path: queries.jsonl}").worst_case_usd
    assert declared > present > 0
    assert plan(HUB % ", limit: 12").worst_case_usd is None
    free = planning.plan(fresh, [f"queries={HUB % ', limit: 12'}"], fresh.parent / "runs")
    assert free.worst_case_usd == 0  # whatever the rows are


def test_grades_are_counted_too(plan):
    judge = "{use: openai_compatible, name: judge, base_url: 'http://127.0.0.1:9', model: m, "
    judge += "input_usd_per_million: 1, output_usd_per_million: 2}"
    for bound, known in ((", max_bytes: 300", True), ("", False)):
        found = plan(HUB % f", limit: 7{bound}", f"confidence_scorer={{use: grade, judge: {judge}}}").calls[-1]
        assert found.grades_at_most == 7 and (found.worst_case_usd is not None) == known


def test_a_plan_that_cannot_count_says_so(plan):
    with pytest.raises(
        InputError, match=r"owner/sums/train is not downloaded yet, so nothing can be planned: give rows"
    ):
        plan(HUB % "")


def test_test_sets_need_not_be_there_to_plan(plan):
    found = plan("{path: queries.jsonl}", f"test_queries={HUB % ', split: test'}")
    assert found.notes == ["owner/sums/test: not downloaded yet, which `twt run` does"]
    assert found.calls[0].answers == 12


def test_the_command_line_shows_it(twt, fresh):
    said = twt("plan", fresh, "--runs-dir", fresh.parent / "runs", "--set", f"queries={HUB % ', limit: 7'}")
    assert said.code == 0 and "owner/sums/train: not downloaded yet" in said.out
    assert json.loads(
        twt("plan", fresh, "--runs-dir", fresh.parent / "runs", "--set", f"queries={HUB % ', limit: 7'}", "--json").out
    )["notes"]


def test_no_row_within_the_bound_makes_a_longer_prompt_than_the_placeholder():
    columns = {"query": "q", "choices": "c", "tests": "t"}
    source = DataFile(dataset="owner/sums", columns=columns, max_bytes=120)
    stand_in = placeholder(source, 0, None)
    assert stand_in.choices and stand_in.tests
    from twt_plugins.task_evaluators.multiple_choice import MultipleChoice

    task = MultipleChoice()
    longest = len(str(task.teacher_messages(stand_in)).encode())
    for choices in (("a", "b"), tuple("abcdefghijkl"), ("é" * 20, "ü" * 20)):
        query = Query(id="1", query="", choices=choices)
        query = query.model_copy(update={"query": "?" * (120 - size(query))})
        assert size(query) == 120
        assert len(str(task.teacher_messages(query)).encode()) <= longest


def test_a_run_says_what_it_leaves_out(data_set, tmp_path, fresh):
    class Listening(Progress):
        said: list[str] = []  # noqa: RUF012

        def say(self, line):
            self.said.append(line)

    rows = sums([50, 51, 51])
    text = data_set(train=rows) % ", leave_out: [repeated]"
    recorded = project.recordings([{"id": f"train/{n}", "answer": str(51 + n)} for n in range(2)])
    project.write_rows(tmp_path / "recordings.jsonl", recorded)
    progress = Listening(quiet=True)
    overrides = [f"queries={text}", "stage_scheduler.use=standard_kd"]
    summary = session.run(fresh, overrides, tmp_path / "runs", None, progress)
    assert summary.annotations.queries == 2
    assert {teacher.label_accuracy for teacher in summary.teachers} == {1.0}
    assert any("1 of 3 rows left out: 1 x asks the same as a row before" in line for line in progress.said)
