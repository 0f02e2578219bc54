import pytest
import samples

from twt_core import distillation
from twt_core.components import Compressor
from twt_core.records import (
    Completion,
    Failed,
    Generation,
    Objective,
    Query,
    Rewrite,
    StudentAnswer,
    Trace,
)
from twt_plugins.compressors.teacher_guided import TeacherGuided
from twt_plugins.task_evaluators.exact_match import ExactMatch

TASK = ExactMatch()
QUERY = Query(id="q1", query="What is 3 plus 4?", answer="SECRET")
QUERIES = {"q1": QUERY, "q2": Query(id="q2", query="What is 1 plus 1?", answer="2")}
CONTEXT = samples.context(TASK, list(QUERIES.values()))
TRACE = Trace(query_id="q1", teacher="ann", label="7", rationale="Three and four more are seven.")


class Proposes(Compressor):
    """What it is told to."""

    rewrite: Rewrite

    def compress(self, drafts, context):
        Proposes.seen = drafts
        return [self.rewrite for _ in drafts]


class Desk:
    def __init__(self, *answers):
        self.answers = list(answers)

    def ask(self, requests):
        self.requests = list(requests)
        return self.answers


class Student:
    """Answers the same to all, and remembers what it was asked."""

    def __init__(self, text):
        self.text = text

    def answer(self, adapter, prompts, answered):
        self.adapter, self.prompts = adapter, list(prompts)
        return [Generation(query_id=name, text=self.text, tokens=3, seconds=0.1) for name, _ in prompts]


def test_full_traces_are_what_the_teachers_said():
    assert distillation.full_traces([samples.annotation()]) == [
        Trace(query_id="q1", teacher="ann", rationale=samples.annotation().rationale, label="7")
    ]


def test_answer_only_traces_are_the_labels():
    [made] = distillation.answer_only_traces([TRACE.model_copy(update={"kept_original": "empty"})])
    assert made == Trace(query_id="q1", teacher="ann", label="7")


def compressed(rewrite, answers=()):
    [made] = distillation.compressed_traces([TRACE], list(answers), Proposes(rewrite=rewrite), CONTEXT)
    return made


def test_a_shorter_rewrite_with_the_same_answer_is_taken():
    assert compressed(Rewrite(rationale="3, 4: 7.", label="The 7.")).rationale == "3, 4: 7."


@pytest.mark.parametrize(
    ("rewrite", "why"),
    [
        (Rewrite(reason="call failed"), "call failed"),
        (Rewrite(rationale="3, 4: 8.", label="8"), "lost the answer"),
        (Rewrite(rationale="3, 4: 7."), "lost the answer"),
        (Rewrite(rationale="", label="7"), "empty"),
        (Rewrite(label="7"), "empty"),
        (Rewrite(rationale=TRACE.rationale, label="7"), "not shorter"),
        (Rewrite(rationale="One two three four five six seven.", label="7"), "not shorter"),
    ],
)
def test_else_the_original_stays_and_the_reason_is_kept(rewrite, why):
    assert compressed(rewrite) == TRACE.model_copy(update={"kept_original": why})


def test_an_old_reason_goes_with_a_new_rewrite():
    old = TRACE.model_copy(update={"kept_original": "call failed"})
    proposes = Proposes(rewrite=Rewrite(rationale="Seven.", label="7"))
    [made] = distillation.compressed_traces([old], [], proposes, CONTEXT)
    assert made.kept_original is None


def test_a_compressor_sees_the_students_thinking_and_no_answer():
    text = "Thinking: I guess.\nThe answer is: 9"
    compressed(Rewrite(reason="x"), [StudentAnswer(query_id="q1", text=text)])
    [draft] = Proposes.seen
    assert draft.student_rationale == "I guess."
    assert "SECRET" not in draft.model_dump_json()
    compressed(Rewrite(reason="x"))
    assert Proposes.seen[0].student_rationale == ""


def test_the_teacher_that_wrote_a_rationale_rewrites_it():
    traces = [TRACE, TRACE.model_copy(update={"teacher": "ben"}), TRACE.model_copy(update={"teacher": "cai"})]
    desk = Desk(Completion(text="Thinking: Seven.\nThe answer is: 7"), Failed(cause="500"), Completion(text="eh?"))
    made = distillation.compressed_traces(
        traces, [], TeacherGuided(), samples.context(TASK, list(QUERIES.values()), desk.ask)
    )
    assert [r.teacher for r in desk.requests] == ["ann", "ben", "cai"]
    assert {r.purpose for r in desk.requests} == {"rewrite"}
    assert [t.kept_original for t in made] == [None, "call failed", "lost the answer"]
    assert made[0].rationale == "Seven."


def test_the_student_is_asked_once_a_query():
    student = Student("x")
    traces = [TRACE, TRACE.model_copy(update={"teacher": "ben"})]
    made = distillation.student_answers(QUERIES, traces, student, None, TASK)
    assert made == [StudentAnswer(query_id="q1", text="x")]
    assert student.prompts == [("q1", TASK.student_messages(QUERY.unlabeled()))]


def test_targets_read_back_as_what_was_taught():
    traces = [TRACE, *distillation.answer_only_traces([TRACE])]
    [full, short] = distillation.targets(QUERIES, traces, TASK, [Objective()])
    assert (full.name, list(full.messages)) == ("q1", TASK.student_messages(QUERY.unlabeled()))
    assert TASK.read(full.completion, QUERY).rationale == TRACE.rationale
    assert TASK.read(short.completion, QUERY).label == TRACE.label
    assert "SECRET" not in repr([full, short])


def test_evaluation_says_right_wrong_or_nothing():
    queries = [*QUERIES.values(), Query(id="q3", query="Unanswered?")]
    right = distillation.evaluate(queries, Student("The answer is: 2"), None, CONTEXT, "")
    assert [p.correct for p in right] == [False, True, None]
    assert [p.query_id for p in right] == ["q1", "q2", "q3"]
    assert [p.verdict for p in right] == ["wrong", "right", "no_reference"]
    assert [p.question for p in right] == [query.fingerprint for query in queries]
    none = distillation.evaluate(queries, Student(""), None, CONTEXT, "")
    assert [(p.correct, p.label) for p in none] == [(False, None), (False, None), (None, None)]
    assert none[0].verdict == "no_answer"


def test_each_accepted_answer_is_right():
    query = Query(id="q1", query="Which town?", answer="New York", other_answers=("NYC",))
    for text, right in (("NYC", True), ("new york", True), ("York", False)):
        [made] = distillation.evaluate([query], Student(f"The answer is: {text}"), None, CONTEXT, "")
        assert made.correct is right


def test_samples_of_a_query_stand_side_by_side():
    queries = list(QUERIES.values())
    made = distillation.evaluate(queries, Student("The answer is: 2"), None, CONTEXT, "", samples=2)
    assert [(p.query_id, p.sample) for p in made] == [("q1", 0), ("q1", 1), ("q2", 0), ("q2", 1)]


ANN, BEN = TRACE, TRACE.model_copy(update={"teacher": "ben", "rationale": "Four and three."})


def test_an_objective_says_what_is_written_and_what_stands_before_the_question():
    objectives = [
        Objective(target="answer", prefix="[label] ", once=True),
        Objective(target="rationale", prefix="[{teacher}] ", per_teacher=True, weight=0.5, teacher_weights={"ben": 2}),
    ]
    answer, ann, ben = distillation.targets(QUERIES, [ANN, BEN], TASK, objectives)
    assert answer.completion == "The answer is: 7"
    assert [text.completion for text in (ann, ben)] == [ANN.rationale, BEN.rationale]
    [asked] = TASK.student_messages(QUERY.unlabeled())
    for text, prefix in ((answer, "[label] "), (ann, "[ann] "), (ben, "[ben] ")):
        assert list(text.messages) == [asked._replace(content=prefix + asked.content)]
    assert [text.weight for text in (answer, ann, ben)] == [1, 0.5, 2]
    assert len({text.task for text in (answer, ann, ben)}) == 3


def test_equal_answers_are_learned_once_if_an_objective_says_so():
    other = BEN.model_copy(update={"label": "8"})
    for once, count in ((True, 2), (False, 3)):
        assert (
            len(distillation.targets(QUERIES, [ANN, BEN, other], TASK, [Objective(target="answer", once=once)]))
            == count
        )


def test_a_rationale_that_is_not_there_is_not_taught():
    none = distillation.answer_only_traces([ANN])
    assert distillation.targets(QUERIES, none, TASK, [Objective(target="rationale")]) == []


def test_replay_draws_from_earlier_stages_by_its_seed():
    own, earlier = list("abcdefgh"), list("0123456789")
    mixed = distillation.with_replay(own, earlier, 0.5, "0/short")
    assert mixed[:8] == own
    assert len(set(mixed[8:])) == 4
    assert set(mixed[8:]) < set(earlier)
    assert distillation.with_replay(own, earlier, 0.5, "0/short") == mixed
    assert distillation.with_replay(own, earlier, 0.5, "1/short") != mixed
    assert distillation.with_replay(own, ["0"], 1.0, "0/short") == [*own, "0"]
    assert distillation.with_replay(own, earlier, 0.0, "0/short") == own
