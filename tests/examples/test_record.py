"""The recorder's files: read back with a torn last line, packed so that the bytes repeat."""

from __future__ import annotations

import gzip
import json

import project
import pytest
from test_make_problems import FOLDER, load

from twt_core.config import load_config
from twt_core.records import Query
from twt_plugins.teachers.replay import recordings

record = load("record")


def row(number, teacher="ann", purpose="answer"):
    return {
        "id": f"q{number}", "teacher": teacher, "purpose": purpose, "text": "Thinking: \u2028 é",
        "logprobs": [["a", -0.1]], "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }  # fmt: skip


@pytest.fixture
def work(tmp_path):
    file = tmp_path / "work.jsonl"
    rows = [row(2), row(1), row(1, purpose="rewrite"), row(1, "ben")]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return file


def test_no_file_is_no_replies(tmp_path):
    assert record.read(tmp_path / "none.jsonl") == []


def test_a_torn_last_line_is_left_out(work, capsys):
    whole = record.read(work)
    assert len(whole) == 4
    for cut in range(1, len(json.dumps(row(3)))):
        work.write_text("".join(json.dumps(r) + "\n" for r in whole) + json.dumps(row(3))[:cut], encoding="utf-8")
        assert record.read(work) == whole
    assert "torn line" in capsys.readouterr().out


def test_packed_rows_are_ordered_and_the_bytes_repeat(work, tmp_path):
    record.pack(work, tmp_path / "a.gz", {"q1", "q2"})
    lines = [*work.read_text(encoding="utf-8").splitlines(), json.dumps(row(9))]  # q9 is no query any more
    work.write_text("\n".join(reversed(lines)) + "\n", encoding="utf-8")
    record.pack(work, tmp_path / "b.gz", {"q1", "q2"})
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    rows = [json.loads(line) for line in gzip.decompress((tmp_path / "a.gz").read_bytes()).splitlines()]
    assert [(r["id"], r["teacher"], r["purpose"]) for r in rows] == [
        ("q1", "ann", "answer"), ("q1", "ann", "rewrite"), ("q1", "ben", "answer"), ("q2", "ann", "answer")
    ]  # fmt: skip
    assert len(recordings(tmp_path / "a.gz")) == 4  # what the replay teacher reads


def test_the_committed_recordings_are_whole_and_small():
    file = FOLDER / "recordings.jsonl.gz"
    known = {json.loads(line)["id"] for line in (FOLDER / "queries.jsonl").read_text(encoding="utf-8").splitlines()}
    found = recordings(file)
    assert found
    assert {key.query_id for key in found} <= known
    assert file.stat().st_size < 2e6


def test_every_teacher_is_asked_what_the_quickstart_asks():
    config = load_config(FOLDER / "quickstart.yaml")
    requests = list(record.answer_requests(config))
    queries = (FOLDER / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(requests) == len(queries) * len(config.teachers)
    query = Query.model_validate_json(queries[0])
    assert list(requests[0].messages) == config.task_evaluator.teacher_messages(query.unlabeled())


def test_rewrites_are_asked_for_what_the_run_selected(finished):
    config = load_config(finished.config)
    requests = record.rewrite_requests(config, finished.folder)
    traces = project.rows_of(finished.folder, "traces")
    assert [(r.query_id, r.teacher) for r in requests] == [(t["query_id"], t["teacher"]) for t in traces]
    assert {r.purpose for r in requests} == {"rewrite"}
    assert traces[0]["rationale"] in requests[0].messages[-1].content
