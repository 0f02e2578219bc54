import samples

from twt_core.records import Completion, Draft, Failed
from twt_plugins.compressors.teacher_guided import TeacherGuided

DRAFTS = [
    Draft(query=samples.QUERY.unlabeled(), annotation=samples.annotation(teacher=t), student_rationale="I guess so.")
    for t in ("ann", "ben")
]


def test_it_asks_each_rationales_teacher_with_all_that_the_prompt_needs():
    asked = []

    def ask(requests):
        asked.extend(requests)
        return [Completion(text="Thinking: Seven.\nThe answer is: 7"), Failed(cause="500")]

    made = TeacherGuided().compress(DRAFTS, samples.context(ask=ask))
    assert [(r.teacher, r.purpose, r.query_id) for r in asked] == [("ann", "rewrite", "q1"), ("ben", "rewrite", "q1")]
    prompt = asked[0].messages[-1].content
    for part in (samples.QUERY.query, DRAFTS[0].annotation.rationale, "I guess so.", "7"):
        assert part in prompt
    assert (made[0].rationale, made[0].label, made[0].reason) == ("Seven.", "7", None)
    assert (made[1].rationale, made[1].reason) == (None, "call failed")


def test_a_text_without_a_rationale_is_no_rewrite():
    [made] = TeacherGuided().compress(DRAFTS[:1], samples.context(ask=lambda _: [Completion(text="")]))
    assert (made.rationale, made.reason) == (None, "empty")
