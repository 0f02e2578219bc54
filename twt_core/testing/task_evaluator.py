"""What a task evaluator promises: fair prompts, texts that are read back, junk that does no harm, grades in order."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import methodcaller
from typing import get_args

from twt_core import contract
from twt_core.components import TaskEvaluator
from twt_core.prompts import Message, Role
from twt_core.records import Annotation, Draft, Query, Reading
from twt_core.settings import Json
from twt_core.testing.batch import same_process
from twt_core.testing.checks import Check
from twt_core.testing.component import identity_of, is_plain, require_importable
from twt_core.testing.elsewhere import Call
from twt_core.testing.findings import Findings, shown
from twt_core.testing.grading import NO_ANSWER, Grading
from twt_core.testing.texts import EARLY_ANSWER, RATIONALES, damaged, junk

#: Of longer texts, the second look costs more than it finds.
_LONGEST_TWICE = 10_000


def evaluator_checks(
    task: TaskEvaluator, queries: Sequence[Query], labels: Mapping[str, Sequence[str]] | None, structured: bool
) -> list[Check]:
    """Those of a task evaluator. See `check_task_evaluator`.

    Raises:
        ValueError: no query, one without a label, or labels that are no list.
    """
    if not queries:
        raise ValueError("queries: give at least one that the task accepts")
    tried = [(query, _labels_of(query, labels or {})) for query in queries]

    def check(name: str, says: str, method: Callable[[_Checks], None]) -> Check:
        def run(findings: Findings) -> None:
            for query, answers in tried:
                method(_Checks(task, query, answers, findings))

        return Check(name, says, run)

    return [
        check("accepts", "check() takes the queries.", _Checks.query_is_accepted),
        check("prompts", "Prompts ask the question and give no answer away.", _Checks.prompts_ask_and_tell_no_answer),
        check("factors", "factor_weights() sum to 1.", _Checks.factors_weigh_one),
        check("labels", "same() knows an answer from another.", _Checks.labels_are_compared),
        check("read_back", "read() finds what completion() writes.", _Checks.completions_are_read_back),
        check("stopping", "answered() stops no student early.", _Checks.students_are_not_stopped_early),
        check("schema", "answer_schema() is None or a JSON schema.", _Checks.schema_is_one),
        *([check("structured", "read() takes JSON answers.", _Checks.objects_are_read)] if structured else []),
        check("junk", "read(), answered() and same() take any text.", _Checks.junk_does_no_harm),
        Check(
            "grading", "grade() is right about right and wrong.", lambda found: Grading(task, queries, found).check()
        ),
        Check(
            "speed",
            "grade() keeps in step with the number of answers.",
            lambda found: Grading(task, queries, found).check_speed(),
            extra=True,
        ),
        Check("process", "Prompts are the same in another process.", partial(_process, task, tried), extra=True),
    ]


def _labels_of(query: Query, labels: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    given = labels.get(query.id, query.answers)
    if isinstance(given, str):
        raise ValueError(f"labels: give query {query.id!r} a list of answers: [{given!r}]")
    if not given:
        raise ValueError(f"labels: give an answer to query {query.id!r}, which has none of its own")
    return tuple(given)


def _process(task: TaskEvaluator, tried: Sequence[tuple[Query, tuple[str, ...]]], findings: Findings) -> None:
    require_importable(type(task))
    identity_of(task)
    calls: list[Call] = [(methodcaller("identity"), (task,))]
    for query, labels in tried:
        unlabeled = query.unlabeled()
        calls += [(contract.teacher_messages, (task, unlabeled)), (contract.student_messages, (task, unlabeled))]
        calls += [(contract.completion, (task, RATIONALES[0], label, unlabeled)) for label in labels]
    same_process(findings, "teacher_messages", calls)


class _Checks:
    """One query, with answers to it."""

    def __init__(self, task: TaskEvaluator, query: Query, labels: tuple[str, ...], findings: Findings) -> None:
        self.task, self.labels, self.findings = task, labels, findings
        self.full, self.query = query, query.unlabeled()
        self.of = f"query {query.id!r}"

    def query_is_accepted(self) -> None:
        self.findings.call(f"check(), on {self.of}", lambda: self.task.check(self.full))
        self.findings.call(f"check(), on {self.of} without its answer", lambda: self.task.check(self.query))

    def prompts_ask_and_tell_no_answer(self) -> None:
        for name, call in (
            ("teacher_messages", lambda query: contract.teacher_messages(self.task, query)),
            ("student_messages", lambda query: contract.student_messages(self.task, query)),
            ("rewrite_messages", lambda query: tuple(self.task.rewrite_messages(self._draft(query)))),
        ):
            self._prompt(name, call)

    def _prompt(self, name: str, call: Callable[[Query], tuple[Message, ...]]) -> None:
        place = f"{name}(), on {self.of}"
        messages = self.findings.call(place, lambda: call(self.query))
        if messages is None or not self._are_messages(place, messages):
            return
        said = "\n".join(message.content for message in messages)
        self.findings.expect(self.query.query in said, f"{place}: the question is not in it: put query.query into it")
        again = self.findings.call(place, lambda: call(self.query))
        self.findings.expect(
            again == messages, f"{place}: another prompt each time, so that its answer is never reused"
        )
        told = self.findings.call(place, lambda: call(self.full))
        self.findings.expect(
            told == messages, f"{place}: it depends on the query's answer, which it must not give away"
        )

    def _are_messages(self, place: str, messages: Sequence[object]) -> bool:
        sound = [
            m for m in messages if isinstance(m, Message) and m.role in get_args(Role) and isinstance(m.content, str)
        ]
        if not self.findings.expect(
            bool(sound) and len(sound) == len(messages),
            f"{place}: expected a list of Message(role, text), roles {', '.join(get_args(Role))}, at least one",
        ):
            return False
        self.findings.expect(sound[-1].role == "user", f"{place}: the last message has to be the user's: it asks")
        return True

    def _draft(self, query: Query) -> Draft:
        thought = Annotation(query_id=query.id, teacher="teacher", rationale=RATIONALES[0], label=self.labels[0])
        return Draft(query=query, annotation=thought, student_rationale="Seven, I think.")

    def factors_weigh_one(self) -> None:
        place = f"factor_weights(), on {self.of}"
        weights = self.findings.call(place, lambda: dict(self.task.factor_weights(self.query)))
        if weights is not None:
            self.findings.expect(
                math.isclose(sum(weights.values()), 1, abs_tol=1e-6) and min(weights.values(), default=-1) >= 0,
                f"{place}: {weights} do not sum to 1, none below 0",
            )

    def labels_are_compared(self) -> None:
        for label in self.labels:
            self._expect_same(label, label, True, "an answer has to be the same as itself")
            self._expect_same(label, NO_ANSWER, False, "an answer to no question must not be the same as one")
            for other in self.labels:
                self._expect_same(label, other, self._same(other, label), "which it is not the other way round")

    def _same(self, label: str, other: str) -> bool | None:
        place = f"same({shown(label)}, {shown(other)}), on {self.of}"
        return self.findings.call(place, lambda: contract.same(self.task, label, other, self.full))

    def _expect_same(self, label: str, other: str, expected: bool | None, why: str) -> None:
        found = self._same(label, other)
        if found is not None and expected is not None:
            self.findings.expect(
                found is expected, f"same({shown(label)}, {shown(other)}), on {self.of}, is {found}: {why}"
            )

    def completions_are_read_back(self) -> None:
        for label in self.labels:
            for rationale in (None, *RATIONALES, EARLY_ANSWER):
                self._round_trip(label, rationale)

    def _round_trip(self, label: str, rationale: str | None) -> None:
        text = self._completion(rationale, label)
        if text is None:
            return
        place = f"read(completion({shown(rationale)}, {shown(label)})), on {self.of}"
        reading = self._read(place, text)
        if reading is None:
            return
        self.findings.expect(
            self._is(reading.label, label), f"{place}: label {shown(reading.label)}: read what completion writes"
        )
        self.findings.expect(
            reading.rationale == (rationale or ""),
            f"{place}: rationale {shown(reading.rationale)}: give back the whole of it, and nothing else",
        )
        told = self.findings.call(place, lambda: contract.read(self.task, text, self.full))
        self.findings.expect(told == reading, f"{place}: it depends on the query's answer, which it must not look at")

    def _is(self, found: str | None, label: str) -> bool:
        return found is not None and self._same(found, label) is True

    def _completion(self, rationale: str | None, label: str) -> str | None:
        place = f"completion({shown(rationale)}, {shown(label)}), on {self.of}"
        text = self.findings.call(place, lambda: contract.completion(self.task, rationale, label, self.query))
        again = self.findings.call(place, lambda: contract.completion(self.task, rationale, label, self.query))
        self.findings.expect(text == again, f"{place}: another text each time")
        return text

    def _read(self, place: str, text: str) -> Reading | None:
        """A reading, which has to be the same twice."""
        reading = self.findings.call(place, lambda: contract.read(self.task, text, self.query))
        if len(text) <= _LONGEST_TWICE:
            again = self.findings.call(place, lambda: contract.read(self.task, text, self.query))
            self.findings.expect(reading == again, f"{place}: another reading each time")
        self.findings.expect(
            reading is None or not _storable(text) or _storable(f"{reading.label}{reading.rationale}"),
            f"{place}: half of a surrogate pair, which no file can hold: .encode('utf-8', 'replace').decode('utf-8')",
        )
        return reading

    def _answered(self, text: str) -> bool:
        place = f"answered({shown(text)}), on {self.of}"
        found = self.findings.call(place, lambda: self.task.answered(text, self.query))
        self.findings.expect(found is None or isinstance(found, bool), f"{place}: give True or False")
        return found is True

    def students_are_not_stopped_early(self) -> None:
        for label in self.labels:
            for rationale in (None, *RATIONALES):
                text = self._completion(rationale, label) or ""
                self._not_stopped_within(f"{text}\n", rationale, label)

    def _not_stopped_within(self, text: str, rationale: str | None, label: str) -> None:
        ends = [place + 1 for place, char in enumerate(text) if char == "\n"]
        stopped = next((text[:end] for end in ends if self._answered(text[:end])), text)
        reading = self._read(f"read({shown(stopped)}), on {self.of}", stopped)
        self.findings.expect(
            reading is not None and self._is(reading.label, label),
            f"answered({shown(stopped)}), on {self.of}, stops a student before it has said {shown(label)}"
            + (f", after {shown(rationale)}" if rationale else ""),
        )

    def schema_is_one(self) -> None:
        place = f"answer_schema(), on {self.of}"
        schema, told = self._schema(self.query), self._schema(self.full)
        self.findings.expect(
            schema is None or (isinstance(schema, dict) and is_plain(schema) and "type" in schema),
            f"{place} gives {type(schema).__name__}: expected a JSON schema, in plain JSON, or None",
        )
        self.findings.expect(told == schema, f"{place}: it depends on the query's answer, which it must not give away")

    def _schema(self, query: Query) -> dict[str, Json] | None:
        return self.findings.call(f"answer_schema(), on {self.of}", lambda: self.task.answer_schema(query))

    def objects_are_read(self) -> None:
        if not self.findings.expect(
            _is_of_parts(self._schema(self.query)),
            f"answer_schema(), on {self.of}: expected an object's schema that requires rationale and answer, or do "
            "without structured=True",
        ):
            return
        weights = self.task.factor_weights(self.query)
        said = {"rationale": RATIONALES[0], "answer": self.labels[0], "scores": dict.fromkeys(weights, 0.5)}
        place = f"read() of a structured answer, on {self.of}"
        reading = self._read(place, json.dumps(said))
        if reading is not None:
            found = (reading.rationale, self._is(reading.label, self.labels[0]), reading.factors)
            self.findings.expect(
                found == (RATIONALES[0], True, said["scores"]),
                f"{place}: rationale {shown(reading.rationale)}, label {shown(reading.label)}, factors "
                f"{reading.factors}: read the parts of such an object, too, or do without structured=True",
            )

    def junk_does_no_harm(self) -> None:
        labels: dict[str, None] = {}
        for text in self._nasty():
            reading = self._read(f"read({shown(text)}), on {self.of}", text)
            self._answered(text)
            if reading is not None and reading.label is not None and len(reading.label) <= _LONGEST_TWICE:
                labels.setdefault(reading.label)
        for label in labels:  # a student's answer is compared, whatever it is
            self._expect_same(label, self.labels[0], self._same(self.labels[0], label), "not the other way round")

    def _nasty(self) -> Iterator[str]:
        yield from junk()
        yield from damaged(self._completion(RATIONALES[1], self.labels[0]) or "")


def _is_of_parts(schema: object) -> bool:
    required = schema.get("required") if isinstance(schema, dict) and schema.get("type") == "object" else None
    return isinstance(required, list) and "rationale" in required and "answer" in required


def _storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
