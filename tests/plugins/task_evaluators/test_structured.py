import json

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import validate

from twt_core.components import TaskEvaluator
from twt_plugins.task_evaluators.structured import read_object

FACTORS = ("correctness", "clarity")
GOOD = {"rationale": "Three and four.", "answer": "7", "scores": {"correctness": 0.9, "clarity": 1}}


@pytest.mark.parametrize(
    "text", [json.dumps(GOOD), f"```json\n{json.dumps(GOOD, indent=1)}\n```", f" {json.dumps(GOOD)}\n"]
)
def test_its_parts(text):
    reading = read_object(text, FACTORS)
    assert (reading.rationale, reading.label) == ("Three and four.", "7")
    assert reading.factors == {"correctness": 0.9, "clarity": 1.0}
    assert reading.score is None


def test_other_harnesses_call_the_rationale_reasoning():
    assert read_object('{"reasoning": "Three and four.", "answer": "7"}').rationale == "Three and four."


@pytest.mark.parametrize("score", [1.5, -0.1, True, "0.9", None, [1], 95])
def test_a_score_that_is_none_is_left_out(score):
    text = json.dumps({**GOOD, "scores": {"correctness": score, "clarity": 0.5}, "score": score})
    reading = read_object(text, FACTORS)
    assert reading.factors == {"clarity": 0.5}
    assert reading.score is None


def test_a_number_is_an_answer_and_null_is_none():
    assert read_object('{"answer": 7}').label == "7"
    assert read_object('{"answer": 7.5}').label == "7.5"
    assert read_object('{"answer": null, "rationale": "x"}').label is None
    assert read_object('{"answer": true, "rationale": 3}').label is None
    assert read_object('{"answer": "\\ud800 x"}').label == "? x"


@pytest.mark.parametrize(
    "text", ["", "Thinking: x", "{", '{"a": 1}', "[1]", json.dumps(GOOD)[:-9], '{"a":' * 5000, "{}"]
)
def test_anything_else_is_no_structured_answer(text):
    assert read_object(text, FACTORS) is None


@given(
    st.text()
    | st.recursive(st.none() | st.floats() | st.text(), lambda x: st.dictionaries(st.text(), x)).map(json.dumps)
)
def test_it_never_raises(text):
    read_object(text, FACTORS)


@pytest.mark.parametrize("name", ["exact_match", "math", "multiple_choice"])
def test_every_task_reads_what_its_schema_asks_for(name):
    task = TaskEvaluator.model_validate({"use": name})
    answer = {"rationale": "So it is.", "answer": "7", "scores": dict.fromkeys(task.factor_weights(samples.QUERY), 0.5)}
    validate(answer, task.answer_schema(samples.QUERY))
    query = samples.QUERY.model_copy(update={"choices": ("7", "8") if name == "multiple_choice" else None})
    reading = task.read(json.dumps(answer), query)
    assert reading.rationale == "So it is."
    assert task.same(reading.label, "7", query)
    assert reading.factors == answer["scores"]
