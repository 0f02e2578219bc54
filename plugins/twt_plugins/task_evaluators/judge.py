"""Questions whose answers no rule can compare: a language model says whether they are right."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pydantic import Field, SerializeAsAny, field_validator

from twt_core.components import Context, Teacher
from twt_core.prompts import Template
from twt_core.records import Answered, Completion, Failed, Grade, Query, Request
from twt_core.settings import ConfigPath, Json
from twt_plugins.task_evaluators.exact_match import ExactMatch
from twt_plugins.task_evaluators.judge_text import fenced, one_line, verdict
from twt_plugins.task_evaluators.prompted import PROMPTS, PromptedTask

#: The built-in prompt.
PROMPT = PROMPTS / "judge.j2"

#: What a template may use: the question, the accepted answers as a list ("" if none is known), the answer in its fence.
JUDGE_VARIABLES = frozenset({"query", "references", "answer"})

#: Why a provider ends a text that is not whole: its last line is then not the judge's last word.
_CUT_OFF = frozenset({"length", "content_filter"})


class Judge(ExactMatch):
    """Answers that a language model says are right or wrong, having the accepted ones before it.

    Model as judge: Zheng et al. 2023, arXiv:2306.05685; it errs, and can be swayed, so each grade names it. It sees the
    final answer and not the thinking. One call for each answer that differs, through ledger and budget. A judge that
    fails or says neither gives no grade: correct is None, verdict ``no_verdict``, and such answers are counted apart.
    Rewrites and votes are compared as by exact_match, and ask nobody.
    """

    built_in: ClassVar[dict[str, Path]] = {
        **PromptedTask.built_in,
        "teacher_template": PROMPTS / "judge.teacher.j2",
    }
    answer_form: ClassVar[str] = "the answer alone, on one line"
    not_identity = ExactMatch.not_identity | {"judge_template"}

    judge: SerializeAsAny[Teacher] = Field(
        description="The model that judges, written as a teacher; temperature 0 makes it repeatable."
    )
    judge_template: ConfigPath | None = Field(
        default=None, description="A template file for the judge's prompt. Variables: query, references, answer."
    )
    longest_answer: int = Field(
        default=1000, ge=1, description="Characters of an answer that the judge is shown, which bounds a call's price."
    )
    exact_match_first: bool = Field(
        default=False,
        description="Take an answer that equals an accepted one in normal form for right without asking the judge.",
    )
    without_reference: bool = Field(
        default=False,
        description="Have answers judged by what the judge knows where no right answer is known; else they get no "
        "grade.",
    )

    @field_validator("judge")
    @classmethod
    def _can_judge(cls, judge: Teacher) -> Teacher:
        if judge.simulated:
            raise ValueError(f"the teacher {judge.use} is simulated, and has no opinion: name a model")
        return judge

    @field_validator("judge_template")
    @classmethod
    def _shows_the_answer(cls, path: Path | None) -> Path | None:
        if path is not None:
            try:
                template = Template.from_file(path, JUDGE_VARIABLES)
            except OSError as error:
                raise ValueError(f"{path}: {error.strerror}") from error
            if template.render(query="", references="", answer="1") == template.render(
                query="", references="", answer="2"
            ):
                raise ValueError(f"{path}: shows the judge no answer: use {{{{ answer }}}} in it")
        return path

    @cached_property
    def _judge_source(self) -> str:
        return (self.judge_template or PROMPT).read_text(encoding="utf-8")

    @cached_property
    def _judge_prompt(self) -> Template:
        return Template(self._judge_source, str(self.judge_template or PROMPT.name), JUDGE_VARIABLES)

    def identity(self) -> dict[str, Json]:
        """As of every task with prompts, and the judge's by the hash of its text."""
        return {**super().identity(), "judge_template": hashlib.sha256(self._judge_source.encode()).hexdigest()}

    @property
    def asks_teachers(self) -> bool:
        """It does: each grade is a call, but of equal answers to a question."""
        return True

    def gradable(self, query: Query) -> bool:
        """Whether its right answer is known, or the judge may do without."""
        return self.without_reference or super().gradable(query)

    def grade(self, answers: Sequence[Answered], context: Context) -> list[Grade]:
        """See `TaskEvaluator.grade`. The judge is asked about all answers at once."""
        known = [self._known(answer) for answer in answers]
        asked = [self._request(answer) for answer, grade in zip(answers, known, strict=True) if grade is None]
        opinions = iter(context.ask(asked) if asked else [])
        return [self._opinion(next(opinions)) if grade is None else grade for grade in known]

    def _known(self, answer: Answered) -> Grade | None:
        """The grade of an answer that is no matter of opinion."""
        query, label = answer.query, answer.label
        if not self.gradable(query):
            return Grade(correct=None, verdict="no_reference")
        if label is None or not one_line(label):
            return Grade(correct=False, verdict="no_answer")
        if self.exact_match_first and any(self.same(label, known, query) for known in query.answers):
            return Grade(correct=True, verdict="right")
        return None

    def _request(self, answer: Answered) -> Request:
        messages = self._judge_prompt.render(
            query=self.question(answer.query),
            references="\n".join(f"- {one_line(known)}" for known in answer.query.answers),
            answer=fenced(answer.label or "", self.longest_answer),
        )
        return Request(query_id=answer.query.id, teacher=self.judge.name, purpose="grade", messages=tuple(messages))

    def _opinion(self, opinion: Completion | Failed) -> Grade:
        whole = isinstance(opinion, Completion) and opinion.finish_reason not in _CUT_OFF
        found = verdict(opinion.text) if isinstance(opinion, Completion) and whole else None
        correct = None if found is None else found == "right"
        return Grade(correct=correct, verdict=found or "no_verdict", by=self.judge.name)
