"""Reading llama.cpp's stream, whatever is in it."""

from __future__ import annotations

import pytest
from twt_core.errors import TeacherError

from twt_xllamacpp.reply import completion


def part(content=None, *logprobs, reason=None, **delta):
    tokens = [{"token": "?", "logprob": value, "bytes": [63]} for value in logprobs]
    choice = {"index": 0, "delta": {"content": content, **delta}, "finish_reason": reason}
    return {"choices": [choice | ({"logprobs": {"content": tokens}} if tokens else {})]}


END = [part(reason="stop"), {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}}]


def test_the_parts_make_up_the_answer():
    said = completion([part(role="assistant"), part("Bl", -0.5), part("ue", -1.5), *END])
    assert (said.text, said.finish_reason, said.cost_usd) == ("Blue", "stop", 0)
    assert said.usage is not None
    assert (said.usage.prompt_tokens, said.usage.completion_tokens) == (5, 3)
    assert [tuple(one) for one in said.logprobs or ()] == [("Bl", -0.5), ("ue", -1.5)]
    assert completion([part("Blue"), *END]).logprobs is None


def test_tokens_joined_are_the_text_however_it_was_held_back():
    said = completion([part("a", -1.0), part("bc", -2.0, -3.0), part("d"), *END])
    assert said.text == "".join(one.token for one in said.logprobs or ()) == "abcd"
    assert [one.logprob for one in said.logprobs or ()] == [-1, -2, -3]
    assert completion([part("x"), part("y", -1.0), *END]).logprobs is None


def test_what_a_model_thinks_is_not_its_answer():
    said = completion([part(None, -9.0, reasoning_content="Hm."), part("Blue", -0.5), *END])
    assert said.text == "Blue"
    assert [tuple(one) for one in said.logprobs or ()] == [("Blue", -0.5)]


@pytest.mark.parametrize(
    ("parts", "retry", "says"),
    [
        ([{"error": {"code": 400, "message": "no", "type": "invalid_request_error"}}], "never", "request_error: no"),
        ([{"error": {"code": 500, "message": "slot lost", "type": "server_error"}}], "now", "slot lost"),
        ([{"error": {"code": 503, "message": "busy"}}], "now", "503: busy"),
        (
            [{"error": {"code": 400, "message": "too long", "type": "exceed_context_size_error"}}],
            "never",
            r"too long \(context_size\)",
        ),
        ([part("Bl", -0.5)], "now", "broke off"),
        ([], "now", "broke off"),
    ],
)
def test_no_answer_is_an_error(parts, retry, says):
    with pytest.raises(TeacherError, match=says) as raised:
        completion(parts)
    assert raised.value.retry == retry
