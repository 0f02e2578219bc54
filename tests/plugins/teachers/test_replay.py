import asyncio
import gzip
import json
import os

import pytest
import samples

from twt_core.errors import InputError, TeacherError
from twt_core.records import Query, TokenLogprob, Usage
from twt_plugins.teachers.replay import Replay

ROWS = [
    {"id": "q1", "teacher": "ann", "text": "A", "logprobs": [["A", -0.5]],
     "usage": {"prompt_tokens": 3, "completion_tokens": 1}},
    {"id": "q1", "teacher": "ann", "purpose": "rewrite", "text": "B"},
    {"id": "q1", "teacher": "ben", "text": "C"},
]  # fmt: skip


def text_of(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def write(tmp_path):
    def put(text, name="r.jsonl"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return put


def ask(replay, **request):
    return asyncio.run(replay.complete(samples.request(**request)))


def test_what_was_recorded_comes_back(write):
    teacher = Replay(name="ann", path=write(text_of(ROWS)))
    answer = ask(teacher)
    assert (answer.text, answer.cost_usd) == ("A", 0.0)
    assert answer.logprobs == (TokenLogprob("A", -0.5),)
    assert answer.usage == Usage(prompt_tokens=3, completion_tokens=1)
    assert ask(teacher, purpose="rewrite").text == "B"
    assert ask(Replay(name="ben", path=teacher.path), teacher="ben").text == "C"
    assert teacher.worst_case_usd(samples.request()) == 0.0


def test_gzip(write):
    assert ask(Replay(name="ann", path=write(gzip.compress(text_of(ROWS).encode()), "r.jsonl.gz"))).text == "A"


def test_what_was_not_recorded_fails_for_good(write):
    with pytest.raises(TeacherError, match=r"no rewrite is recorded in r\.jsonl") as failed:
        ask(Replay(name="ben", path=write(text_of(ROWS))), purpose="rewrite")
    assert failed.value.permanent


def test_missing_answers_are_refused_before_the_run_or_may_fail(write):
    path = write(text_of(ROWS))
    queries = [Query(id=f"q{n}", query="?") for n in (1, 2, 3)]
    Replay(name="ann", path=path).preflight(queries[:1])
    with pytest.raises(InputError, match=r"'ann' has no answer to 2 of 3 queries: q2, q3\. Record them"):
        Replay(name="ann", path=path).preflight(queries)
    with pytest.raises(InputError, match="no answer by teacher 'cai' to any query; it holds: ann, ben"):
        Replay(name="cai", path=path).preflight(queries)
    Replay(name="ann", path=path, missing="fail").preflight(queries)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (text_of(ROWS[:1] * 2), "r.jsonl:2: a second answer by 'ann' to query 'q1'"),
        (text_of([*ROWS, {"id": "q2", "teacher": "ann"}]), "r.jsonl:4 text: Field required"),
        (text_of([{"id": "q2", "teacher": "ann", "text": "x", "purpose": "poem"}]), "r.jsonl:1 purpose: "),
        (text_of([{"id": "q2", "teacher": "ann", "text": "x", "socre": 1}]), "r.jsonl:1 socre: Extra inputs"),
        (text_of(ROWS) + '{"id": "q', "r.jsonl:4:"),
        ("", "r.jsonl:1:1 the file is empty"),
    ],
)
def test_a_bad_recording_is_refused_with_its_line(write, text, says):
    with pytest.raises(InputError) as error:
        Replay(name="ann", path=write(text)).preflight([samples.QUERY])
    assert says in str(error.value)


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match=r"no such file"):
        Replay(name="ann", path=tmp_path / "r.jsonl").preflight([samples.QUERY])


def test_a_changed_file_is_read_again_and_more_rows_leave_known_answers_known(write, monkeypatch):
    path = write(text_of(ROWS))
    teacher = Replay(name="ann", path=path)
    before = teacher.canonical_request(samples.request())
    write(text_of([*ROWS, {"id": "q2", "teacher": "ann", "text": "new"}]))
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    assert ask(teacher, query_id="q2").text == "new"
    assert teacher.canonical_request(samples.request()) == before
    assert teacher.canonical_request(samples.request("q2")) != before
    assert teacher.canonical_request(samples.request(purpose="rewrite")) != before
