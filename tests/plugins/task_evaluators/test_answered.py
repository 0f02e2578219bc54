"""Where a student's text is complete, so that it is stopped there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twt_core.components import TaskEvaluator
from twt_core.records import Query
from twt_plugins.task_evaluators.reading import completion, has_answer_line

QUERY = Query(id="q", query="What is 3 plus 4?", choices=("six", "seven"))


@pytest.mark.parametrize(
    "text",
    [
        "The answer is: 7\n",
        "Three and four.\nThe answer is: 7\nSc",
        "Three and four.\n\n**The answer is:** 7\n\n",
        "So, the final answer is: a garden\n",
        "the answer is : $\\frac{1}{2}$\n",
        "> The answer is: \\boxed{7}\n",
        "```python\nx = 3 + 4\n```\nThe answer is: `x`\n",
        "The answer is: 7\nThe answer is: 8\n",
        "The answer is: 7\nQuestion: What is 1 plus 1?\n",
        "The answer is: 7 Score: 0.9\n",
    ],
)
def test_a_whole_answer_line_ends_a_text(text):
    assert has_answer_line(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "The answer is: 7",  # it may go on: 70
        "The answer is:\n",
        "The answer is:\n7\n",
        "The answer is: \n\n",
        "The answer is: Score: 0.9\n",
        "The answer is 7\nand more\n",
        'Finish with "The answer is: " and the answer alone.\n',  # the prompt, said again
        "Adding gives 7. The answer is: 7\n",
        "The answer is: ```python\ndef f():\n    return 7\n",
        "The answer is: ```python\ndef f():\n    return 7\n```\n",
        "The answer is:\n```python\ndef f():\n    return 7\n```\n",
        "```python\n# The answer is: 7\ndef f():\n",
        "The answer is: \\[\nx = 7\n\\]\n",
        "The answer is: $$\n7\n",
        '{"answer": "7"}\n',
    ],
)
def test_nothing_else_does(text):
    assert not has_answer_line(text)


@pytest.mark.parametrize("name", ["exact_match", "math", "multiple_choice"])
@pytest.mark.parametrize("rationale", [None, "Three and four.\nThat is seven: step 2 is not needed."])
def test_what_is_taught_is_complete_after_its_last_line_and_not_before(name, rationale):
    task = TaskEvaluator.model_validate({"use": name})
    taught = task.completion(rationale, "B", QUERY) + "\n"
    assert task.answered(taught, QUERY)
    lines = taught.splitlines(keepends=True)
    assert not any(task.answered("".join(lines[:count]), QUERY) for count in range(len(lines)))
    assert task.read(taught, QUERY).label == task.read(taught + "Score: 0.9\nThat is it.\n", QUERY).label is not None


@given(st.text(), st.text(alphabet="abc 7.", min_size=1).filter(str.strip), st.text())
def test_what_follows_does_not_take_it_back(rationale, label, rest):
    text = completion(rationale, label) + "\n"
    if has_answer_line(text):
        assert has_answer_line(text + rest)


@given(st.text(alphabet="the answer is:\n`*#7 ", max_size=80))
def test_any_text_can_be_asked_about(text):
    assert has_answer_line(text) in {True, False}
    assert not has_answer_line(text.rpartition("\n")[2])
