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
    {"id": "q1", "teacher": "ann", "text": "A", "logprobs": [["A", -0.5]], "finish_reason": "stop",
     "usage": {"prompt_tokens": 3, "completion_tokens": 1}},
    {"id": "q1", "teacher": "ann", "purpose": "rewrite", "text": "B"},
    {"id": "q1", "teacher": "ben", "text": "C"},
]  # fmt: skip


def queries(*numbers):
    return [Query(id=f"q{n}", query="?") for n in numbers]


def text_of(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def write(tmp_path):
    def put(text, name="r.jsonl"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return put


def ask(replay, sample=0, about=None, **request):
    more = {"sample": sample, "about": about}
    return asyncio.run(replay.complete(samples.request(**request).model_copy(update=more)))


def test_what_was_recorded_comes_back(write):
    teacher = Replay(name="ann", path=write(text_of(ROWS)))
    answer = ask(teacher)
    assert (answer.text, answer.cost_usd, answer.finish_reason) == ("A", 0.0, "stop")
    assert answer.logprobs == (TokenLogprob("A", -0.5),)
    assert answer.usage == Usage(prompt_tokens=3, completion_tokens=1)
    assert ask(teacher, purpose="rewrite").text == "B"
    assert ask(Replay(name="ben", path=teacher.path), teacher="ben").text == "C"
    assert teacher.worst_case_usd(samples.request()) == 0.0


def test_gzip(write):
    assert ask(Replay(name="ann", path=write(gzip.compress(text_of(ROWS).encode()), "r.jsonl.gz"))).text == "A"


def test_samples_and_grades_are_told_apart(write):
    rows = [
        *ROWS,
        {"id": "q1", "teacher": "ann", "sample": 1, "text": "A1"},
        {"id": "q1", "teacher": "ann", "purpose": "grade", "about": "ben", "text": "Good"},
        {"id": "q1", "teacher": "ann", "purpose": "grade", "about": "cai", "text": "Poor"},
    ]
    teacher = Replay(name="ann", path=write(text_of(rows)), samples=2)
    assert [ask(teacher, sample=n).text for n in (0, 1)] == ["A", "A1"]
    assert [ask(teacher, purpose="grade", about=who).text for who in ("ben", "cai")] == ["Good", "Poor"]
    keys = [
        teacher.canonical_request(samples.request().model_copy(update={"sample": n, "about": who}))
        for n in (0, 1)
        for who in (None, "ben")
    ]
    assert len({json.dumps(key) for key in keys}) == 4


def test_what_was_not_recorded_fails_for_good(write):
    with pytest.raises(TeacherError, match=r"no rewrite is recorded in r\.jsonl") as failed:
        ask(Replay(name="ben", path=write(text_of(ROWS))), purpose="rewrite")
    assert failed.value.retry == "never"


def test_missing_answers_are_refused_before_the_run_or_may_fail(write):
    path = write(text_of(ROWS))
    Replay(name="ann", path=path).preflight(queries(1))
    with pytest.raises(InputError, match=r"'ann' has no answer to 2 of 3 queries: q2, q3\. It has no rewrite"):
        Replay(name="ann", path=path).preflight(queries(1, 2, 3))
    with pytest.raises(InputError, match=r"'ben' has no answer to 2 of 3 queries: q2, q3\. Record them"):
        Replay(name="ben", path=path).preflight(queries(1, 2, 3))
    with pytest.raises(InputError, match="no answer by teacher 'cai' to any query; it holds: ann, ben"):
        Replay(name="cai", path=path).preflight(queries(1, 2, 3))
    Replay(name="ann", path=path, missing="fail").preflight(queries(1, 2, 3))


def test_a_refusal_lists_ten_of_the_missing_or_all(write):
    path = write(text_of(ROWS))
    with pytest.raises(InputError, match=r"of 20 queries: q2, .*, q11 and 9 more \(missing_shown: 0 lists all\)\. "):
        Replay(name="ben", path=path).preflight(queries(*range(1, 21)))
    with pytest.raises(InputError, match=r"of 20 queries: q2, .*, q11, .*, q20\. "):
        Replay(name="ben", path=path, missing_shown=0).preflight(queries(*range(1, 21)))


def test_every_sample_must_be_there(write):
    path = write(text_of([*ROWS, {"id": "q2", "teacher": "ben", "text": "D"}]))
    with pytest.raises(InputError) as refused:
        Replay(name="ben", path=path, samples=2).preflight(queries(1, 2))
    assert "no answer to 2 of 2 queries x 2 samples: q1 (sample 1), q2 (sample 1). Record them" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (text_of(ROWS[:1] * 2), "r.jsonl:2: a second answer by 'ann' to query 'q1'"),
        (text_of([{**ROWS[0], "sample": 1}] * 2), "r.jsonl:2: a second answer by 'ann' to query 'q1' (sample 1)"),
        (text_of([{**ROWS[0], "sample": -1}]), "r.jsonl:1 sample: "),
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


def test_a_changed_file_is_read_again_and_more_rows_leave_known_answers_known(write):
    path = write(text_of(ROWS))
    teacher = Replay(name="ann", path=path)
    before = teacher.canonical_request(samples.request())
    write(text_of([*ROWS, {"id": "q2", "teacher": "ann", "text": "new"}]))
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    assert ask(teacher, query_id="q2").text == "new"
    assert teacher.canonical_request(samples.request()) == before
    assert teacher.canonical_request(samples.request("q2")) != before
    assert teacher.canonical_request(samples.request(purpose="rewrite")) != before


# A batch's output, in the form of OpenAI's reference.


def choice(text, index=0, **more):
    said = {"role": "assistant", "content": text, "refusal": None}
    return {"index": index, "message": said, "logprobs": None, "finish_reason": "stop", **more}


def answered(custom_id, *choices, **more):
    usage = {"prompt_tokens": 22, "completion_tokens": 2, "total_tokens": 24, "prompt_tokens_details": {}}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini-2024-07-18", "choices": choices,
            "usage": usage, "system_fingerprint": "fp", **more}  # fmt: skip
    response = {"status_code": 200, "request_id": "req_1", "body": body}
    return {"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": None}


def failed(custom_id, **more):
    return {"id": "batch_req_2", "custom_id": custom_id, "response": None, "error": None, **more}


TOKENS = {"content": [{"token": "7", "logprob": -0.25, "bytes": [55], "top_logprobs": []}], "refusal": None}


def test_a_batchs_output_is_read_as_this_teachers_answers(write):
    path = write(text_of([answered("q1", choice("7", logprobs=TOKENS))]))
    for name in ("ann", "gpt-4o-mini"):
        answer = ask(Replay(name=name, path=path), teacher=name)
        assert (answer.text, answer.finish_reason, answer.cost_usd) == ("7", "stop", 0.0)
        assert answer.logprobs == (TokenLogprob("7", -0.25),)
        assert answer.usage == Usage(prompt_tokens=22, completion_tokens=2)
    Replay(name="ann", path=path).preflight(queries(1))


def test_several_choices_are_samples_and_the_tokens_count_once(write):
    path = write(text_of([answered("q1", choice("7"), choice("8", 1)), answered("q2", choice("9"), choice(None, 1))]))
    teacher = Replay(name="ann", path=path, samples=2)
    teacher.preflight(queries(1, 2))
    assert [ask(teacher, sample=n).text for n in (0, 1)] == ["7", "8"]
    assert [ask(teacher, sample=n).usage is None for n in (0, 1)] == [False, True]
    assert ask(teacher, query_id="q2", sample=1).text == ""


BAD_REQUEST = {"status_code": 400, "request_id": "r", "body": {"error": {"message": "too long", "code": "length"}}}


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        (
            failed("q2", error={"code": "batch_expired", "message": "not done in time"}),
            "batch_expired: not done in time",
        ),
        (failed("q2", response=BAD_REQUEST), "status 400: length: too long"),
        (failed("q2", response={"status_code": 500, "body": {}}), "status 500"),
        (failed("q2"), "the batch's request failed"),
    ],
)
def test_what_failed_at_the_provider_is_missing_with_its_cause(write, row, cause):
    path = write(text_of([answered("q1", choice("7")), row]))
    with pytest.raises(TeacherError) as said:
        ask(Replay(name="ann", path=path), query_id="q2")
    assert str(said.value).endswith(cause)
    assert said.value.retry == "never"
    with pytest.raises(InputError) as refused:
        Replay(name="ann", path=path).preflight(queries(1, 2))
    assert f"no answer to 1 of 2 queries: q2 [{said.value}]" in str(refused.value)


def test_a_request_handed_in_again_counts_as_answered(write):
    rows = [failed("q1"), answered("q1", choice("7")), failed("q1")]
    assert ask(Replay(name="ann", path=write(text_of(rows)))).text == "7"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([answered("q1", choice("7")), answered("q1", choice("8"))], "r.jsonl:2: a second answer to query 'q1'"),
        ([answered("q1", choice("7")), answered("q2")], "r.jsonl:2 response.body choices: "),
        ([answered("q1", choice("7"), usage={"prompt_tokens": -1, "completion_tokens": 1})], "usage.prompt_tokens: "),
        ([answered("q1", {"index": 0, "text": "7"})], "r.jsonl:1 response.body choices.0.message: Field required"),
        ([{**answered("q1"), "response": {"body": {}}}], "r.jsonl:1 response.status_code: Field required"),
        ([answered("request-1", choice("7"))], "it holds: a batch's output, whose first custom_id is 'request-1'"),
    ],
)
def test_a_bad_batch_line_is_refused_with_its_line(write, rows, says):
    with pytest.raises(InputError) as error:
        Replay(name="ann", path=write(text_of(rows))).preflight([samples.QUERY])
    assert says in str(error.value)
