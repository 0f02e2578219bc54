"""Habitual Reasoning Distillation: what the student sees in each stage, and how it does after it (section 3.2)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from twt_core import contract
from twt_core.components import Compressor, Context, TaskEvaluator
from twt_core.metrics import score_stage
from twt_core.prompts import Message
from twt_core.rationale_steps import words
from twt_core.records import (
    Annotation,
    Answered,
    Draft,
    Generation,
    Grade,
    Objective,
    Prediction,
    Query,
    Rewrite,
    Stage,
    StageResult,
    StudentAnswer,
    Trace,
)
from twt_core.run import Rows
from twt_core.student.encoding import Target
from twt_core.student.student import Student


def full_traces(selected: Sequence[Annotation]) -> list[Trace]:
    """G as targets: every rationale whole (stage 1, eq. 4)."""
    return [
        Trace(query_id=a.query_id, teacher=a.teacher, sample=a.sample, rationale=a.rationale, label=a.label)
        for a in selected
        if a.label
    ]


def answer_only_traces(traces: Sequence[Trace]) -> list[Trace]:
    """G'': the labels alone (stage 3, eq. 6)."""
    return [trace.model_copy(update={"rationale": None, "kept_original": None}) for trace in traces]


def student_answers(
    queries: Mapping[str, Query],
    traces: Sequence[Trace],
    student: Student,
    adapter: Path | None,
    task: TaskEvaluator,
    prefix: str = "",
) -> list[StudentAnswer]:
    """What the student of the stage before writes on the queries that are distilled."""
    asked = [queries[query_id] for query_id in dict.fromkeys(trace.query_id for trace in traces)]
    texts = ask(asked, student, adapter, task, prefix)
    return [StudentAnswer(query_id=generation.query_id, text=generation.text) for generation in texts]


def compressed_traces(
    traces: Sequence[Trace], answers: Sequence[StudentAnswer], compressor: Compressor, context: Context
) -> list[Trace]:
    """G': each trace with its rationale compressed, or the original where the rewrite is no use, and why (eq. 5)."""
    drafts = drafts_for(context.queries, traces, answers, context.task)
    rewrites = contract.compress(compressor, drafts, context)
    return [_accepted(*row, context.task) for row in zip(traces, drafts, rewrites, strict=True)]


def drafts_for(
    queries: Mapping[str, Query], traces: Sequence[Trace], answers: Sequence[StudentAnswer], task: TaskEvaluator
) -> list[Draft]:
    """What a compressor works from, one draft a trace."""
    texts = {answer.query_id: answer.text for answer in answers}
    return [_draft(trace, queries[trace.query_id].unlabeled(), texts.get(trace.query_id, ""), task) for trace in traces]


def _draft(trace: Trace, query: Query, student_text: str, task: TaskEvaluator) -> Draft:
    annotation = Annotation(
        query_id=trace.query_id,
        teacher=trace.teacher,
        sample=trace.sample,
        rationale=trace.rationale or "",
        label=trace.label,
    )
    return Draft(
        query=query, annotation=annotation, student_rationale=contract.read(task, student_text, query).rationale
    )


def _accepted(trace: Trace, draft: Draft, rewrite: Rewrite, task: TaskEvaluator) -> Trace:
    refusal = rewrite.reason
    if refusal is None and (rewrite.label is None or not contract.same(task, rewrite.label, trace.label, draft.query)):
        refusal = "lost the answer"
    if refusal is None and not rewrite.rationale:
        refusal = "empty"
    if refusal is None and len(words(rewrite.rationale or "")) >= len(words(trace.rationale or "")):
        refusal = "not shorter"
    if refusal is not None:
        return trace.model_copy(update={"kept_original": refusal})
    return trace.model_copy(update={"rationale": rewrite.rationale, "kept_original": None})


def asked_with(prefix: str, query: Query, task: TaskEvaluator) -> list[Message]:
    """The student's prompt with a prefix before the question, which tells what to write (Hsieh et al. 2023)."""
    *before, question = contract.student_messages(task, query.unlabeled())
    return [*before, question._replace(content=prefix + question.content)]


def targets(
    queries: Mapping[str, Query], traces: Sequence[Trace], task: TaskEvaluator, objectives: Sequence[Objective]
) -> list[Target]:
    """Traces as training texts, objective by objective."""
    return [
        target
        for place, objective in enumerate(objectives)
        for target in _of_objective(queries, traces, task, objective, place)
    ]


def _of_objective(
    queries: Mapping[str, Query], traces: Sequence[Trace], task: TaskEvaluator, objective: Objective, place: int
) -> list[Target]:
    found: list[Target] = []
    seen: set[tuple[str, str]] = set()
    for trace in traces:
        completion = _completion(trace, queries[trace.query_id], task, objective)
        if completion is None or (objective.once and (trace.query_id, completion) in seen):
            continue
        seen.add((trace.query_id, completion))
        prefix = objective.prefix.replace("{teacher}", trace.teacher)
        of = trace.teacher if objective.per_teacher else ""
        found.append(
            Target(
                trace.query_id,
                asked_with(prefix, queries[trace.query_id], task),
                completion,
                trace.teacher,
                task=f"{place}/{objective.target}/{of}",
                weight=objective.teacher_weights.get(of, objective.weight),
            )
        )
    return found


def _completion(trace: Trace, query: Query, task: TaskEvaluator, objective: Objective) -> str | None:
    if objective.target == "rationale":
        return trace.rationale
    rationale = trace.rationale if objective.target == "rationale_then_answer" else None
    return contract.completion(task, rationale, trace.label, query.unlabeled())


def with_replay(own: Sequence[Target], earlier: Sequence[Target], share: float, seed: str) -> list[Target]:
    """A stage's texts, and as many of earlier stages' as `share` of them, drawn without putting back."""
    count = min(len(earlier), round(share * len(own)))
    return [*own, *random.Random(seed).sample(list(earlier), count)]


def result(stage: Stage, dev: Rows[Prediction] | None) -> StageResult:
    """A stage as a scheduler sees it; without scores where they are not known."""
    if dev is None or dev.digest is None:
        return StageResult(stage=stage)
    score = score_stage(stage.name, dev.read())
    return StageResult(stage=stage, accuracy=score.accuracy, output_tokens=score.mean_output_tokens)


def ask(
    queries: Sequence[Query], student: Student, adapter: Path | None, task: TaskEvaluator, prefix: str, samples: int = 1
) -> list[Generation]:
    """The student's texts on queries, in order, each query's samples one after the other."""
    by_id = {query.id: query.unlabeled() for query in queries}
    prompts = [(query.id, asked_with(prefix, query, task)) for query in queries for _ in range(samples)]
    return student.answer(adapter, prompts, lambda text, query_id: contract.answered(task, text, by_id[query_id]))


def evaluate(
    queries: Sequence[Query], student: Student, adapter: Path | None, context: Context, prefix: str, samples: int = 1
) -> list[Prediction]:
    """The student's answers to queries, graded, each query's samples one after the other."""
    made = ask(queries, student, adapter, context.task, prefix, samples)
    return graded([query for query in queries for _ in range(samples)], made, context, samples)


def graded(
    queries: Sequence[Query], made: Sequence[Generation], context: Context, samples: int = 1
) -> list[Prediction]:
    """Texts with what the task reads in them and says of it; one query for each text."""
    task = context.task
    answers = [
        Answered(query=query, text=one.text, label=contract.read(task, one.text, query.unlabeled()).label)
        for query, one in zip(queries, made, strict=True)
    ]
    grades = contract.grade(task, answers, context)
    rows = enumerate(zip(answers, made, grades, strict=True))
    return [_prediction(*row, sample=place % samples) for place, row in rows]


def _prediction(answer: Answered, generation: Generation, grade: Grade, sample: int) -> Prediction:
    return Prediction(
        query_id=answer.query.id,
        question=answer.query.fingerprint,
        task=answer.query.task,
        sample=sample,
        text=generation.text,
        tokens=generation.tokens,
        prompt_tokens=generation.prompt_tokens,
        seconds=generation.seconds,
        label=answer.label,
        correct=grade.correct,
        verdict=grade.verdict,
        graded_by=grade.by,
        unsandboxed=grade.unsandboxed,
    )
