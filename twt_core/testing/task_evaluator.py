"""What a task evaluator promises: fair prompts, texts that are read back, junk that does no harm, grades in order."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, get_args

from twt_core import contract
from twt_core.components import Context, TaskEvaluator, teachers_in
from twt_core.errors import TwtError
from twt_core.prompts import Message, Role
from twt_core.records import Annotation, Answered, Completion, Draft, Failed, Grade, Query, Reading, Request
from twt_core.testing.component import check_component
from twt_core.testing.findings import Findings, shown
from twt_core.testing.texts import EARLY_ANSWER, RATIONALES, damaged, junk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: An answer to no question.
NO_ANSWER = "twt kit: no such answer"

#: Of longer texts, the second look costs more than it finds.
_LONGEST_TWICE = 10_000


def check_task_evaluator(
    task: TaskEvaluator,
    queries: Sequence[Query],
    labels: Mapping[str, Sequence[str]] | None = None,
    *,
    structured: bool = False,
) -> None:
    """Try a task evaluator on queries of its kind, on answers to them, and on junk.

    Args:
        task: with the options that it is to be tried with.
        queries: at least one that it accepts; some with answers, or right and wrong are not tried.
        labels: answers to each query by its id, as `read` gives them; those that count as right if not given.
        structured: whether teachers with ``structured: true`` are to work with it: `read` then has to find the parts
            of a JSON object of the form of `answer_schema`, too.

    Raises:
        Nonconformity: what is wrong, and the way out.
        ValueError: no query, one without a label, or labels that are no list.
    """
    if not queries:
        raise ValueError("queries: give at least one that the task accepts")
    findings = Findings(task)
    check_component(task, findings)
    for query in queries:
        given = (labels or {}).get(query.id, query.answers)
        if isinstance(given, str):
            raise ValueError(f"labels: give query {query.id!r} a list of answers: [{given!r}]")
        answers = tuple(given)
        if not answers:
            raise ValueError(f"labels: give an answer to query {query.id!r}, which has none of its own")
        checks = _Checks(task, query, answers, findings)
        checks.query_is_accepted()
        checks.prompts_ask_and_tell_no_answer()
        checks.factors_weigh_one()
        checks.labels_are_compared()
        checks.completions_are_read_back()
        checks.students_are_not_stopped_early()
        if structured:
            checks.objects_are_read()
        checks.junk_does_no_harm()
    _Grading(task, queries, findings).check()
    findings.conclude()


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

    def objects_are_read(self) -> None:
        place = f"answer_schema(), on {self.of}"
        schema = self.findings.call(place, lambda: json.loads(json.dumps(dict(self.task.answer_schema(self.query)))))
        if schema is None or not self.findings.expect(
            schema.get("type") == "object" and {"rationale", "answer"} <= set(schema.get("required") or []),
            f"{place}: expected an object's schema that requires rationale and answer",
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


class _Grading:
    """All queries, graded together."""

    def __init__(self, task: TaskEvaluator, queries: Sequence[Query], findings: Findings) -> None:
        self.task, self.queries, self.findings = task, queries, findings
        self.judges = {teacher.name for teacher in teachers_in(task)}

    def check(self) -> None:
        answers = list(self._answers())
        before = [answer.model_dump_json() for answer in answers]
        grades = self._grade(answers)
        if grades is None:
            return
        for answer, grade in zip(answers, grades, strict=True):
            self._expect_grade(answer, grade)
        backwards = self._grade(answers[::-1])
        self.findings.expect(
            backwards is not None and backwards[::-1] == grades, "grade(): other grades in another order: one an answer"
        )
        self.findings.expect(self._grade([]) == [], "grade([]): expected no grades")
        self.findings.expect(
            [answer.model_dump_json() for answer in answers] == before, "grade(): it changed the answers it was given"
        )

    def _answers(self) -> Iterator[Answered]:
        for query in self.queries:
            for label in (*query.answers, NO_ANSWER, None):
                yield Answered(query=query, text="", label=label)
            yield Answered(query=query.unlabeled(), text="", label=next(iter(query.answers), None))

    def _grade(self, answers: Sequence[Answered]) -> list[Grade] | None:
        queries = {query.id: query.unlabeled() for query in self.queries}
        context = Context(self.task, queries, self._ask, _no_vectors)
        return self.findings.call("grade()", lambda: contract.grade(self.task, answers, context))

    def _ask(self, requests: Sequence[Request]) -> list[Completion | Failed]:
        self.findings.expect(self.task.asks_teachers, "grade() asks teachers, and asks_teachers does not say so")
        for request in requests:
            self.findings.expect(
                request.teacher in self.judges and request.purpose == "grade",
                f'grade() asks {request.teacher!r} for {request.purpose!r}: ask teachers of its options, for "grade"',
            )
        return [Failed(cause="nobody is asked in a test") for _ in requests]

    def _expect_grade(self, answer: Answered, grade: Grade) -> None:
        query, label = answer.query, answer.label
        place = f"grade() of {shown(label)}, on query {query.id!r}"
        self.findings.expect(bool(grade.verdict.strip()), f"{place}: the verdict is empty: give it in a word")
        if label is None or label == NO_ANSWER:
            self.findings.expect(grade.correct is not True, f"{place}: correct is True, which it is not")
        if label in query.answers:
            # A judge that nobody asks has no opinion; all others know.
            allowed = (True, None) if self.task.asks_teachers else (True,)
            self.findings.expect(
                grade.correct in allowed, f"{place}: correct is {grade.correct}, and it counts as right"
            )
        if not self._gradable(query):
            self.findings.expect(grade.correct is None, f"{place}, whose answer is not known: correct has to be None")

    def _gradable(self, query: Query) -> bool:
        place = f"gradable(), on query {query.id!r}"
        return self.findings.call(place, lambda: contract.gradable(self.task, query)) is not False


def _storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_vectors(_embedder: str, _texts: Sequence[str]) -> NDArray[np.float32]:
    raise TwtError("grade() embeds texts, for which no model is there in a test")
