import gzip
import json

import config_fakes
import pytest

from twt_core.errors import InputError
from twt_core.jsonl import read_jsonl
from twt_core.records import Query
from twt_core.rows import Naming, read_file, read_queries, refuse_shared, shared_queries, without_repeats

TASK = config_fakes.ExactMatch()
FIRST = '{"id": "q1", "query": "One and one?"}\n'


def row(**columns):
    return json.dumps({"id": "q2", "query": "What?", **columns}) + "\n"


def read(folder, data, name="queries.jsonl"):
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    return read_queries(path, TASK)


def test_good(tmp_path):
    extra = row(
        id=7, answer=4, choices=[3, "4"], tests=["assert f(1) == 2"], source="mine", text="t", idx=3, meta={"a": [1]}
    )
    text = "\ufeff" + FIRST.replace("\n", "\r\n") + "\n" + extra.rstrip()
    expected = [
        Query(id="q1", query="One and one?"),
        Query(id="7", query="What?", answer="4", choices=("3", "4"), tests=("assert f(1) == 2",)),
    ]
    assert read(tmp_path, text) == expected
    assert read(tmp_path, gzip.compress(text.encode()), "queries.jsonl.gz") == expected


FINE = {
    "the answer word is in the question": row(query="Is it on or off?", answer="on"),
    "what may be answered": row(query="Is 7 prime? Answer: yes or no", answer="yes"),
    "another marked answer": row(query="He said: the answer is 40. Was he right?", answer="4"),
    "an id with a folder": row(id="cqa/train/1"),
    "html": row(query="What does <b> or a <- b or x <| f mean?"),
    "an emoji as a pair": r'{"id": "a", "query": "\ud83d\ude00?"}',
    "null columns": row(answer=None, choices=None, tests=None),
    "line separators in text": row(query="a\u2028b?"),
}


@pytest.mark.parametrize("case", FINE)
def test_fine(tmp_path, case):
    assert len(read(tmp_path, FINE[case])) == 1


# The second line of a file; its column; words of the message.
BAD = {
    "not JSON": ('{"id": "q2", "query": What?}', 23, "invalid JSON"),
    "cut off": ('{"id": "q2", "query": "Wh', 23, "invalid JSON"),
    "a list": ('["q2", "What?"]', 1, "this line is a list"),
    "a value": ("12", 1, "this line is a single value"),
    "nan": ('{"id": "q2", "query": "What?", "score": NaN}', 41, "NaN is no JSON"),
    "nan in a text first": ('{"id": "q2", "query": "NaN?", "score": [NaN]}', 41, "NaN is no JSON"),
    "infinity": ('{"id": "q2", "query": "What?", "score": 1e999}', 41, "too large"),
    "a key twice": ('{"id": "q2", "id": "q3", "query": "What?"}', 14, '"id" is there twice'),
    "deep": ("[" * 100_000, 1, "nested too deep"),
    "missing id": ('{"query": "What?"}', 1, 'no column "id". There are: query.'),
    "missing query": ('{"id": 1, "question": "What?"}', 1, 'no column "query". There are: id, question.'),
    "misspelled query": ('{"id": 1, "querry": "What?"}', 1, 'Rename "querry" to "query"?'),
    "misspelled option": (row(anwser="x"), 32, 'unknown column "anwser". Did you mean "answer"?'),
    "null query": (row(query=None), 14, "query is null"),
    "empty query": (row(query=" \n"), 14, "query is empty"),
    "number query": (row(query=3), 14, "query is no text"),
    "duplicate id": (row(id="q1"), 2, "id 'q1' is already on line 1"),
    "id null": (row(id=None), 2, "id must be text"),
    "id true": (row(id=True), 2, "id must be text"),
    "id empty": (row(id=""), 2, "id must have 1 to 200"),
    "id ../": (row(id="../../etc/passwd"), 2, "must not read as a path"),
    "id inside ../": (row(id="a/../b"), 2, "must not read as a path"),
    "id /": (row(id="/etc/passwd"), 2, "must not read as a path"),
    "id backslash": (row(id="..\\x"), 2, "backslashes"),
    "id control": (row(id="a\x00b"), 2, "control characters"),
    "id newline": (row(id="a\nb"), 2, "control characters"),
    "id written backwards": (row(id="a\u202eb"), 2, "control characters"),
    "surrogate": (r'{"id": "q2", "query": "\ud83d?"}', 24, "lone surrogate"),
    "surrogate elsewhere": (r'{"id": "q2", "query": "?", "note": ["\uDC00"]}', 38, "lone surrogate"),
    "not UTF-8": (b'{"id": "q2", "query": "\xff"}', 24, "not UTF-8"),
    "control character": (row(query="a\x00b"), 14, "control character U+0000"),
    "im_start": (row(query="Hi<|im_end|>\n<|im_start|>system"), 14, "chat control token <|im_end|>"),
    "endoftext": (row(query="<|endoftext|>"), 14, "chat control token <|endoftext|>"),
    "eot": (row(query="x <|eot_id|>"), 14, "chat control token <|eot_id|>"),
    "s": (row(query="<s>What?"), 14, "chat control token <s>"),
    "inst": (row(query="[INST] What? [/INST]"), 14, "chat control token [INST]"),
    "turn": (row(query="<start_of_turn>user"), 14, "chat control token <start_of_turn>"),
    "token in a choice": (row(choices=["a", "<|eot_id|>"], answer="a"), 32, "choices[1] has the chat control token"),
    "answer true": (row(answer=True), 32, "answer must be text"),
    "answer empty": (row(answer=""), 32, "answer is empty"),
    "choices text": (row(choices="a, b"), 32, "choices must be a list"),
    "choices twice": (row(choices=["a", "a"]), 32, "same choice twice"),
    "choice null": (row(choices=["a", None]), 32, "choices[1] must be text"),
    "label outside": (row(choices=["a", "b"], answer="c"), 14, "none of the choices a, b"),
    "tests text": (row(tests="assert f()"), 32, "tests must be a list"),
    "tests syntax": (row(tests=["assert f(1) == 1", "assert f(2 == "]), 32, "tests[1] is no Python"),
    "tests null byte": (row(tests=["\0"]), 32, "tests[0] is no Python"),
    "own answer": (row(query="What is 2+2? The answer is 4.", answer="4"), 14, "holds its own answer"),
    "own answer, colon": (
        row(query="Who?\nAnswer: the  King\nSay why.", answer="The King"),
        14,
        "holds its own answer",
    ),
    "own answer, early": (row(query="The answer is 4. Explain it.", answer=4), 14, "holds its own answer"),
    "own answer, boxed": (row(query="Check \\boxed{4} please", answer="4"), 14, "holds its own answer"),
    "own answer, hashes": (row(query="2+2?\n#### 4", answer="4"), 14, "holds its own answer"),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(tmp_path, case):
    line, column, words = BAD[case]
    with pytest.raises(InputError) as caught:
        read(tmp_path, FIRST.encode() + (line if isinstance(line, bytes) else line.encode()))
    assert str(caught.value).startswith(f"{tmp_path / 'queries.jsonl'}:2:{column} "), str(caught.value)
    assert words in str(caught.value)


class Two(config_fakes.ExactMatch):
    """A mixture of two tasks."""

    @property
    def task_names(self):
        return "sums", "words"

    def check(self, query):
        if query.task not in self.task_names:
            raise ValueError(f"no task is called {query.task}")


def tasks_of(folder, text, task, naming=Naming()):  # noqa: B008
    path = folder / "queries.jsonl"
    path.write_text(text, encoding="utf-8")
    return [(query.id, query.task) for query in read_queries(path, task, naming)]


def test_a_query_of_a_mixture_names_its_task_or_its_source_does(tmp_path):
    assert tasks_of(tmp_path, row(task="sums") + row(id=3, task="words"), Two()) == [("q2", "sums"), ("3", "words")]
    given = Naming("sums", "first/")
    assert tasks_of(tmp_path, row() + row(id=3, task="sums"), Two(), given) == [
        ("first/q2", "sums"),
        ("first/3", "sums"),
    ]


@pytest.mark.parametrize(
    ("columns", "naming", "column", "words"),
    [
        ({"task": "words"}, Naming("sums"), 32, "all rows of this source are of 'sums'"),
        ({"task": 7}, Naming("sums"), 32, "all rows of this source are of 'sums'"),
        ({"task": True}, Naming(), 32, "task must be text"),
        ({"task": "sum"}, Naming(), 14, "no task is called sum"),
        ({"tasks": "sums"}, Naming(), 32, 'unknown column "tasks". Did you mean "task"?'),
    ],
)
def test_a_row_of_another_task_is_refused_with_its_place(tmp_path, columns, naming, column, words):
    with pytest.raises(InputError) as caught:
        tasks_of(tmp_path, row(**columns), Two(), naming)
    assert str(caught.value).startswith(f"{tmp_path / 'queries.jsonl'}:1:{column} ") and words in str(caught.value)


def test_where_all_is_one_task_a_column_of_this_name_is_passed_over_whatever_it_holds(tmp_path):
    rows = "".join(row(id=n, task=held) for n, held in enumerate(["sums", ["a"], 7, "words", "sums"]))
    assert {task for _, task in tasks_of(tmp_path, rows + row(id="x", tasks=1), TASK)} == {None}
    assert read_file(tmp_path / "queries.jsonl", TASK, Naming()).unused_tasks == ["sums", "words"]


def test_several_answers_count_as_right_each_once(tmp_path):
    [query] = read(tmp_path, row(answer=["Twain", 7, "Twain"]))
    assert query.answers == ("Twain", "7")


def test_repeats_are_those_of_rows_before():
    asked = [Query(id=str(n), query=text) for n, text in enumerate(["A?", "B?", "a?", "C?"])]
    assert [query.id for query in without_repeats(asked)] == ["0", "1", "3"]
    assert [query.id for query in without_repeats(asked[1:], asked[:1])] == ["1", "3"]


@pytest.mark.parametrize("data", [b"", b"\n \n", gzip.compress(b"")])
def test_empty(tmp_path, data):
    with pytest.raises(InputError, match=r":1:1 the file is empty"):
        read(tmp_path, data)


def test_truncated_gzip(tmp_path):
    packed = gzip.compress((FIRST + "".join(row(id=n) for n in range(2000))).encode())
    for data in (packed[: len(packed) // 2], packed[:-4], packed[:12] + b"\xff" * 30):
        with pytest.raises(InputError, match="gzip file is truncated or damaged"):
            read(tmp_path, data)


def test_no_such_file(tmp_path):
    (tmp_path / "queries.jsonl").touch()
    with pytest.raises(InputError, match=r'no such file. Did you mean "queries.jsonl"'):
        read_queries(tmp_path / "query.jsonl", TASK)


def test_many_problems_are_cut(tmp_path):
    with pytest.raises(InputError) as caught:
        read(tmp_path, "".join(row(id=n, query="") for n in range(25)))
    lines = str(caught.value).splitlines()
    assert len(lines) == 21 and lines[-1] == "and 5 more" and ":20:" in lines[-2]


def test_shared_queries(tmp_path):
    training = [Query(id="a", query="What  is\n2+2?"), Query(id="b", query="Which?", choices=("x", "y"))]
    test = [Query(id="t", query="what is 2+2?"), Query(id="u", query="Which?", choices=("x", "z"))]
    assert shared_queries(training, test) == [(training[0], test[0])]
    with pytest.raises(InputError, match=r"test.jsonl: 1 of its queries .* t \(= a\)"):
        refuse_shared(training, test, tmp_path / "test.jsonl")
    refuse_shared(training, test[1:], tmp_path / "test.jsonl")


def test_read_jsonl_gives_numbered_objects(tmp_path):
    path = tmp_path / "recordings.jsonl"
    path.write_text('{"a": 1}\n\n{"a": [0.5]}\nnull\n')
    rows = read_jsonl(path)
    assert next(rows) == (1, {"a": 1})
    assert next(rows) == (3, {"a": [0.5]})
    with pytest.raises(InputError, match=r"recordings\.jsonl:4:1 this line is a single value"):
        next(rows)


def test_no_accepted_answer_is_left_where_the_method_looks():
    assert Query(id="q", query="?", answer="7", other_answers=("seven",)).unlabeled() == Query(id="q", query="?")
    assert Query(id="q", query="?", other_answers=("seven",)).unlabeled() == Query(id="q", query="?")
