"""The paper's compressor: the teacher fits its own rationale to the student."""

from __future__ import annotations

from collections.abc import Sequence

from twt_core.components import Compressor, Context, TaskEvaluator
from twt_core.records import Completion, Draft, Failed, Request, Rewrite


class TeacherGuided(Compressor):
    """(p', r, r_student) -> r^T, asked of the teacher that wrote r (section 3.2, stage 2; figure 8)."""

    asks_teachers = True

    def compress(self, drafts: Sequence[Draft], context: Context) -> list[Rewrite]:
        """See `Compressor.compress`."""
        requests = [
            Request(
                query_id=draft.query.id,
                teacher=draft.annotation.teacher,
                purpose="rewrite",
                messages=tuple(context.task.rewrite_messages(draft)),
                sample=draft.annotation.sample,
            )
            for draft in drafts
        ]
        return [_read(answer, draft, context.task) for answer, draft in zip(context.ask(requests), drafts, strict=True)]


def _read(answer: Completion | Failed, draft: Draft, task: TaskEvaluator) -> Rewrite:
    if isinstance(answer, Failed):
        return Rewrite(reason="call failed")
    reading = task.read(answer.text, draft.query)
    return Rewrite(
        rationale=reading.rationale or None, label=reading.label, reason=None if reading.rationale else "empty"
    )
