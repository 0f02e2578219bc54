"""The conformance kit passes what is sound and finds what is not: each evaluator below is broken in one way."""

from __future__ import annotations

import itertools
import json
import re
import sys

import pytest
from pydantic import Field, SerializeAsAny

from twt_core.components import TaskEvaluator, Teacher
from twt_core.prompts import Message
from twt_core.records import Grade, Query, Reading, Request
from twt_core.testing import Nonconformity, check_task_evaluator, findings, grading, speed

QUERIES = [
    Query(id="a", query="Which is it?", answer="seven", other_answers=("7",)),
    Query(id="b", query="Which one, then?", answer="eight"),
]
COUNT = itertools.count()


class Sound(TaskEvaluator):
    """Answers in one word: a prompt, a parser and a check, and nothing else."""

    def teacher_messages(self, query):
        return [Message("user", f'{query.query}\nThink, and end with "The answer is: ", one word.')]

    def read(self, text, query):
        thinking, mark, label = text.rpartition("The answer is: ")
        return Reading(rationale=thinking.strip(), label=label.strip() or None) if mark else Reading(rationale=text)

    def same(self, label, other, query):
        return label.casefold() == other.casefold()


@pytest.fixture(autouse=True)
def few_answers(monkeypatch):
    """To be graded for speed, which is not what most of these tests are about."""
    monkeypatch.setattr(grading, "ROWS", 100)


def broken(base=Sound, **members):
    """A class that differs from the sound one in these members."""
    return type("Broken", (base,), {"__doc__": "Broken.", "__module__": __name__, **members})


def test_a_prompt_a_parser_and_a_check_are_enough():
    assert check_task_evaluator(Sound(), QUERIES) is None


def test_answers_may_be_given_where_queries_have_none():
    check_task_evaluator(Sound(), [Query(id="a", query="Which?")], {"a": ["seven", "eight"]})
    with pytest.raises(ValueError, match="labels: give an answer to query 'a', which has none of its own"):
        check_task_evaluator(Sound(), [Query(id="a", query="Which?")])
    with pytest.raises(ValueError, match=r"labels: give query 'a' a list of answers: \['seven'\]"):
        check_task_evaluator(Sound(), [Query(id="a", query="Which?")], {"a": "seven"})
    with pytest.raises(ValueError, match="queries: give at least one"):
        check_task_evaluator(Sound(), [])


def first_read(self, text, query):
    thinking, mark, label = text.partition("The answer is: ")
    return Reading(rationale=thinking.strip(), label=label.strip() or None) if mark else Reading()


def parsed(self, text, query):
    try:
        found = json.loads(text)
        return Reading(label=found["answer"])
    except (ValueError, KeyError, TypeError):
        return Sound.read(self, text, query)


def bomb(self, text, query):
    return Reading() if re.fullmatch(r"(a+)+", text) else Sound.read(self, text, query)


def graded(*grades):
    return lambda self, answers, context: [grades[n % len(grades)] for n in range(len(answers))]


def asking(teacher="judy", purpose="grade"):
    def grade(self, answers, context):
        requests = [
            Request(query_id="a", teacher=teacher, purpose=purpose, messages=(Message("user", "?"),)) for _ in answers
        ]
        return [Grade(correct=None, verdict="no_verdict") for _ in context.ask(requests)]

    return grade


def first_accepted(self, answers, context):
    return [
        Grade(correct=None, verdict="no_reference")
        if a.query.answer is None
        else Grade(correct=a.label == a.query.answer, verdict="compared")
        for a in answers
    ]


RIGHT, WRONG = Grade(correct=True, verdict="right"), Grade(correct=False, verdict="wrong")

FAULTS = {
    "no question": (
        {"teacher_messages": lambda self, query: [Message("user", "Think.")]},
        "teacher_messages(), on query 'a': the question is not in it",
    ),
    "the answer in the prompt": (
        {"teacher_messages": lambda self, query: [Message("user", f"{query.query} Is it {query.answer}?")]},
        "teacher_messages(), on query 'a': it depends on the query's answer",
    ),
    "the answer in the student's prompt": (
        {"student_messages": lambda self, query: [Message("user", f"{query.query}{'!' * len(query.answers)}")]},
        "student_messages(), on query 'a': it depends on the query's answer",
    ),
    "a prompt that is no message": (
        {"teacher_messages": lambda self, query: query.query},
        "expected a list of Message",
    ),
    "no message": ({"student_messages": lambda self, query: []}, "returned no messages: at least one, the question"),
    "an unknown role": (
        {"teacher_messages": lambda self, query: [Message("human", query.query)]},
        "roles system, user, assistant",
    ),
    "a prompt that does not ask": (
        {"student_messages": lambda self, query: [Message("user", query.query), Message("assistant", "So:")]},
        "student_messages(), on query 'a': the last message has to be the user's",
    ),
    "another prompt each time": (
        {"teacher_messages": lambda self, query: [Message("user", f"{query.query} {next(COUNT)}")]},
        "teacher_messages(), on query 'a': another prompt each time",
    ),
    "no rewrite": (
        {"rewrite_messages": lambda self, draft: [Message("user", "Shorter, please.")]},
        "rewrite_messages(), on query 'a': the question is not in it",
    ),
    "a query refused": ({"check": lambda self, query: 1 / 0}, "check(), on query 'a' raised ZeroDivisionError"),
    "weights that are no mapping": (
        {"factor_weights": lambda self, query: [1.0]},
        "factor_weights(), on query 'a' raised TypeError",
    ),
    "weights of two": (
        {"factor_weights": lambda self, query: {"correctness": 1.0, "style": 1.0}},
        "{'correctness': 1.0, 'style': 1.0} do not sum to 1",
    ),
    "a parser that raises": (
        {"read": lambda self, text, query: Sound.read(self, text, query) if text else text.split("!")[1]},
        "raised IndexError: list index out of range",
    ),
    "a parser that ends the process": (
        {"read": lambda self, text, query: Sound.read(self, text, query) if text else sys.exit(3)},
        "read(''), on query 'a': plugin test_testing: TaskEvaluator",
    ),
    "a schema that is a text": (
        {"answer_schema": lambda self, query: "json"},
        "answer_schema(), on query 'a' gives str: expected a JSON schema",
    ),
    "a schema that is no JSON": (
        {"answer_schema": lambda self, query: {"type": "object", "required": {"answer"}}},
        "answer_schema(), on query 'a' gives dict: expected a JSON schema, in plain JSON",
    ),
    "a schema with the answer": (
        {"answer_schema": lambda self, query: {"type": "object", "enum": list(query.answers)}},
        "answer_schema(), on query 'a': it depends on the query's answer",
    ),
    "no reading": ({"read": lambda self, text, query: None}, "returned NoneType at position 0, expected Reading"),
    "the label lost": ({"read": lambda self, text, query: Reading(rationale=text)}, "label None: read what completion"),
    "the rationale lost": (
        {"read": lambda self, text, query: Sound.read(self, text, query).model_copy(update={"rationale": ""})},
        "rationale '': give back the whole of it",
    ),
    "the first answer read": ({"read": first_read}, "rationale '': give back the whole of it"),
    "a parser that knows the answer": (
        {
            "read": lambda self, text, query: (
                Reading(label=query.answer) if query.answer else Sound.read(self, text, query)
            )
        },
        "it depends on the query's answer, which it must not look at",
    ),
    "another reading each time": (
        {"read": lambda self, text, query: Reading(rationale=str(next(COUNT)), label="seven")},
        "another reading each time",
    ),
    "half a surrogate pair": ({"read": parsed}, "half of a surrogate pair, which no file can hold"),
    "a lesson without the answer": (
        {"completion": lambda self, rationale, label, query: rationale or f"The answer is: {label}"},
        "label None: read what completion writes",
    ),
    "an empty lesson": ({"completion": lambda self, rationale, label, query: " "}, "gave no text to learn"),
    "another lesson each time": (
        {"completion": lambda self, rationale, label, query: f"{rationale or ''}{next(COUNT)}\nThe answer is: {label}"},
        "completion(None, 'seven'), on query 'a': another text each time",
    ),
    "a student stopped early": (
        {"answered": lambda self, text, query: "answer" in text},
        "stops a student before it has said 'seven', after 'So far the answer is 12",
    ),
    "a stop that is no truth value": ({"answered": lambda self, text, query: text}, "give True or False"),
    "a stop that raises": ({"answered": lambda self, text, query: text[0] == "!"}, "answered(''), on query 'a' raised"),
    "all the same": ({"same": lambda self, label, other, query: True}, "must not be the same as one"),
    "nothing the same": ({"same": lambda self, label, other, query: False}, "has to be the same as itself"),
    "the same one way": (
        {"same": lambda self, label, other, query: other.startswith(label[:1]) and len(other) >= len(label)},
        "not the other way round",
    ),
    "a check that raises": (
        {"same": lambda self, label, other, query: label == other or int(label) == int(other)},
        "raised ValueError: invalid literal for int()",
    ),
    "a check that says maybe": (
        {"same": lambda self, label, other, query: 1},
        "returned int at position 0, expected bool",
    ),
    "all right": ({"grade": graded(RIGHT)}, "grade() of 'twt kit: no such answer', on query 'a': correct is True"),
    "all wrong": (
        {"grade": graded(WRONG)},
        "grade() of 'seven', on query 'a': correct is False, and it counts as right",
    ),
    "one accepted answer alone": ({"grade": first_accepted}, "grade() of '7', on query 'a': correct is False"),
    "no answer right": (
        {"grade": lambda self, answers, context: [RIGHT if a.label is None else WRONG for a in answers]},
        "grade() of None, on query 'a': correct is True",
    ),
    "grades by place": ({"grade": graded(RIGHT, RIGHT, WRONG, WRONG, WRONG)}, "other grades in another order"),
    "too few grades": ({"grade": lambda self, answers, context: [WRONG]}, "returned 1 values, expected"),
    "an empty verdict": ({"grade": graded(Grade(correct=None, verdict=" "))}, "the verdict is empty"),
    "a grade without a reference": ({"grade": graded(WRONG)}, "whose answer is not known: correct has to be None"),
    "a judge unsaid": ({"grade": asking()}, "asks_teachers does not say so"),
    "a stranger asked": (
        {"grade": asking("polly"), "asks_teachers": property(lambda self: True)},
        "grade() asks 'polly' for 'grade': ask teachers of its options",
    ),
    "an unstable identity": (
        {"identity": lambda self: {"use": "broken", "n": next(COUNT)}},
        "identity() differs from call to call",
    ),
    "an identity that is no JSON": ({"identity": lambda self: {"use": {1, 2}}}, "identity() is not plain JSON"),
    "no text": ({"__doc__": None}, "it has no docstring of its own"),
    "a misnamed option": ({"not_identity": frozenset({"speed"})}, "not_identity names 'speed', which is no option"),
    "an option without a text": (
        {"__annotations__": {"strict": bool}, "strict": Field(default=True)},
        "its option strict has no description",
    ),
    "options that can change": ({"model_config": {"frozen": False}}, "it is not frozen"),
    "options that it does not know": ({"model_config": {"extra": "ignore"}}, "takes an option that it does not know"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_and_named(fault):
    members, says = FAULTS[fault]
    with pytest.raises(Nonconformity) as found:
        check_task_evaluator(broken(**members)(), QUERIES)
    assert says in str(found.value)
    assert str(found.value).startswith("task_evaluator 'test_testing.Broken' breaks its contract:\n  ")


def test_it_is_an_assertion_that_failed():
    assert issubclass(Nonconformity, AssertionError)


def test_a_parser_that_takes_for_ever_is_ended(monkeypatch):
    monkeypatch.setattr(findings, "MOST_SECONDS", 0.5)
    with pytest.raises(Nonconformity, match=r"read\('aaaa.*\), on query 'a' takes more than 0.5 s: look for"):
        check_task_evaluator(broken(read=bomb)(), QUERIES)


@pytest.mark.parametrize("schema", [[], None, {"type": "object", "required": None}], ids=str)
def test_a_schema_that_is_none_is_found(schema):
    with pytest.raises(Nonconformity, match=r"answer_schema\(\), on query 'a'"):
        check_task_evaluator(broken(answer_schema=lambda self, query: schema)(), QUERIES, structured=True)


def each_for_each(self, answers, context):
    texts = [a.query.id for a in answers]
    return Sound.grade(self, [a for a in answers if sum(1 for one in texts if one == a.query.id) > 0], context)


def test_grading_that_grows_with_the_square_is_found(monkeypatch):
    monkeypatch.setattr(speed, "LEAST_SECONDS", 0.02)
    monkeypatch.setattr(grading, "ROWS", 2000)
    with pytest.raises(Nonconformity, match=r"grade\(\) takes .* s on .* rows, .* times what a quarter of them takes"):
        check_task_evaluator(broken(grade=each_for_each)(), QUERIES)


def test_a_task_may_have_no_schema():
    check_task_evaluator(broken(answer_schema=lambda self, query: None)(), QUERIES)


def test_structured_answers_are_asked_for_only_where_they_are_meant():
    with pytest.raises(Nonconformity, match="read the parts of such an object, too, or do without structured=True"):
        check_task_evaluator(Sound(), QUERIES, structured=True)

    def read(self, text, query):
        try:
            found = json.loads(text)
            return Reading(rationale=found["rationale"], label=found["answer"], factors=found["scores"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return Sound.read(self, text, query)

    check_task_evaluator(broken(read=read)(), QUERIES, structured=True)


def test_a_judge_that_nobody_asks_may_have_no_opinion():
    members = {
        "__annotations__": {"judge": SerializeAsAny[Teacher]},
        "judge": Field(description="Who."),
        "asks_teachers": property(lambda self: True),
    }
    judging = broken(**members, grade=asking())
    teacher = {"use": "openai_compatible", "name": "judy", "model": "none", "base_url": "http://127.0.0.1:9/v1"}
    check_task_evaluator(judging(judge=teacher), QUERIES)


def test_a_few_problems_of_each_method_are_shown():
    with pytest.raises(Nonconformity) as found:
        check_task_evaluator(broken(read=lambda self, text, query: None)(), QUERIES)
    lines = str(found.value).splitlines()
    assert len(lines) < 20 and any(re.fullmatch(r"  \.\.\. and \d+ more of read\(\)", line) for line in lines)
