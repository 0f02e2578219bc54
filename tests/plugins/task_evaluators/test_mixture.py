import json

import pytest
import samples
from pydantic import Field, ValidationError

from twt_core import plugins
from twt_core.components import Context, TaskEvaluator
from twt_core.config import load_config
from twt_core.data import Data
from twt_core.errors import InputError, PluginError
from twt_core.planned_grades import Passes, grades_at_most
from twt_core.records import Answered, Draft, Grade, Query
from twt_core.settings import Settings
from twt_core.summary import grades_of
from twt_plugins.task_evaluators.exact_match import ExactMatch
from twt_plugins.task_evaluators.mixture import Mixture

SUM = Query(id="s", query="What is 1 plus 1?", answer="2", task="sums")
RIDDLE = Query(id="r", query="Which?", answer="B", choices=("bank", "river"), task="riddles")
CODE = Query(id="c", query="Add one.", tests=("assert add(1) == 2",), task="code")
TASKS = {"sums": {"use": "math"}, "riddles": {"use": "multiple_choice"}, "code": {"use": "python_function"}}


def task(**tasks):
    return TaskEvaluator.model_validate({"use": "mixture", "tasks": tasks or TASKS})


def alone(query):
    return TaskEvaluator.model_validate(TASKS[query.task])


@pytest.mark.parametrize("query", [SUM, RIDDLE, CODE], ids=lambda query: query.task)
def test_everything_that_is_done_with_a_query_is_done_by_its_task(query):
    mixed, own = task(), alone(query)
    label = {"sums": "2", "riddles": "B", "code": "def add(x):\n    return x + 1"}[query.task]
    draft = Draft(query=query, annotation=samples.annotation(label=label), student_rationale="Hm.")
    text = own.completion("First this. Then that.", label, query)
    assert mixed.completion("First this. Then that.", label, query) == text
    assert mixed.teacher_messages(query) == own.teacher_messages(query)
    assert mixed.rewrite_messages(draft) == own.rewrite_messages(draft)
    assert mixed.student_messages(query) == own.student_messages(query)
    assert mixed.read(text, query) == own.read(text, query) and mixed.read(text, query).label == label
    assert mixed.answered(text, query) is own.answered(text, query)
    assert mixed.factor_weights(query) == own.factor_weights(query)
    assert mixed.answer_schema(query) == own.answer_schema(query)
    assert mixed.same(label, label, query) is True
    for labels in (query, query.unlabeled()):
        assert mixed.gradable(labels) is own.gradable(labels)
    mixed.check(query)


def test_the_tasks_prompts_differ():
    mixed = task()
    asked = {mixed.teacher_messages(query)[-1].content.partition("\n")[0] for query in (SUM, RIDDLE, CODE)}
    assert len(asked) == 3


def test_an_answer_is_the_same_by_its_own_task_alone():
    mixed = task(sums={"use": "math"}, words={"use": "exact_match"})
    assert mixed.same("1/2", "0.5", SUM)
    assert not mixed.same("1/2", "0.5", SUM.model_copy(update={"task": "words"}))


def test_tests_are_run_where_the_task_runs_them():
    assert task().tests_passed("def add(x):\n    return x + 1", CODE) == 1.0
    assert task().tests_passed("2", SUM) is None


class Counting(ExactMatch):
    """Grades by its name, and notes what it is given."""

    name: str
    seen: list[list[str]] = Field(default_factory=list)
    judged: bool = False

    @property
    def asks_teachers(self):
        return self.judged

    def grade(self, answers, context: Context):
        assert context.task is self
        self.seen.append([answer.query.id for answer in answers])
        return [Grade(correct=True, verdict=f"{self.name} {answer.query.id}") for answer in answers]


def answers(order):
    return [
        Answered(query=Query(id=str(n), query="?", task={"a": "one", "b": "two"}[letter]), text="")
        for n, letter in enumerate(order)
    ]


def test_each_task_grades_its_own_answers_at_once_and_the_order_stays():
    one, two, idle = Counting(name="one"), Counting(name="two"), Counting(name="idle")
    mixed = Mixture(tasks={"two": two, "one": one, "idle": idle})
    grades = mixed.grade(answers("abbab"), samples.context(mixed))
    assert [grade.verdict for grade in grades] == ["one 0", "two 1", "two 2", "one 3", "two 4"]
    assert (one.seen, two.seen, idle.seen) == ([["0", "3"]], [["1", "2", "4"]], [])
    assert mixed.grade([], samples.context(mixed)) == []


def test_a_task_that_gives_too_few_grades_is_named():
    class Short(Counting):
        def grade(self, answers, context):
            return []

    mixed = Mixture(tasks={"one": Short(name="one"), "two": Counting(name="two")})
    with pytest.raises(PluginError, match=r"Short' returned 0 values, expected 1"):
        mixed.grade(answers("a"), samples.context(mixed))


def test_it_asks_teachers_where_one_of_its_tasks_does():
    asking, silent = Counting(name="one", judged=True), Counting(name="two")
    assert Mixture(tasks={"one": asking, "two": silent}).asks_teachers
    assert not Mixture(tasks={"two": silent}).asks_teachers


def test_a_plan_has_those_answers_graded_alone_that_a_judge_would_be_asked_about():
    asking, silent = Counting(name="one", judged=True), Counting(name="two")
    queries = [answer.query for answer in answers("abba")]
    grades_at_most(Mixture(tasks={"one": asking, "two": silent}), [Passes(queries, 1)], 0, lambda _: 0.0, 8)
    assert (asking.seen, silent.seen) == ([["0", "3"]], [])


def test_what_teachers_say_is_graded_by_its_task_and_by_no_judge():
    class NoJudge(Counting):
        def same(self, label, other, query):
            return label == "right"

    asking, silent = NoJudge(name="one", judged=True), Counting(name="two")
    mixed = Mixture(tasks={"one": asking, "two": silent})
    known = [answer.query.model_copy(update={"answer": "7"}) for answer in answers("ab")]
    said = [samples.annotation(query.id, teacher, label=teacher) for query in known for teacher in ("right", "wrong")]
    found = grades_of(said, samples.context(mixed, known), Data(known, [], []))
    assert (asking.seen, silent.seen) == ([], [["1", "1"]])
    assert found == {a.key: a.query_id == "1" or a.label == "right" for a in said}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (SUM.model_copy(update={"task": None}), 'names no task: add "task", one of sums, riddles, code'),
        (SUM.model_copy(update={"task": "sum"}), "no task is called 'sum'. Did you mean \"sums\"?"),
        (SUM.model_copy(update={"task": "x"}), "There are: code, riddles, sums."),
        (SUM.model_copy(update={"task": "riddles"}), 'multiple_choice needs "choices"'),
    ],
)
def test_a_query_that_no_task_can_use_is_refused(query, words):
    with pytest.raises(ValueError) as caught:
        task().check(query)
    assert words in str(caught.value)


def test_it_says_which_tasks_it_has_in_the_order_of_the_config():
    assert task().task_names == ("sums", "riddles", "code")
    assert alone(SUM).task_names == ()


def test_it_goes_through_json_and_its_identity_is_that_of_its_tasks():
    mixed = task()
    again = TaskEvaluator.model_validate(json.loads(json.dumps(mixed.model_dump(mode="json"))))
    assert again == mixed and again.identity() == mixed.identity()
    assert mixed.identity()["tasks"]["sums"] == alone(SUM).identity()
    reordered = task(**dict(reversed(TASKS.items())))
    assert reordered.identity() == mixed.identity()
    assert task(**{**TASKS, "sums": {"use": "math", "rationale_length": "one word"}}).identity() != mixed.identity()


def test_a_components_distributions_are_found_in_a_mapping(monkeypatch):
    class Outer(Settings):
        inner: dict[str, TaskEvaluator]

    monkeypatch.setattr(plugins, "distribution_of", lambda cls: cls.__name__)
    assert plugins.distributions_in(Outer(inner={"a": task(), "b": alone(SUM)})) == {
        "Mixture", "Math", "MultipleChoice", "PythonFunction"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tasks", "place", "words"),
    [
        ("{}", "task_evaluator.tasks: ", "needs at least 1 of them"),
        ("{two words: {use: math}}", "task_evaluator.tasks.two words: ", "is one word of at most 50 letters"),
        ("{a/b: {use: math}}", "task_evaluator.tasks.a/b: ", "is one word"),
        ("{one: {use: mixture, tasks: {two: {use: math}}}}", "task_evaluator.tasks.one: ", "mixture within a mixture"),
        ("{one: {use: mth}}", "task_evaluator.tasks.one.use: ", 'Did you mean "math"?'),
        ("{one: {use: math, weight: 1}}", "task_evaluator.tasks.one.weight: ", 'Did you mean "weights"?'),
        ("[math]", "task_evaluator.tasks: ", "must be a mapping"),
    ],
)
def test_what_is_no_mixture_is_refused_with_its_place(fresh, tasks, place, words):
    with pytest.raises(InputError) as caught:
        load_config(fresh, [f"task_evaluator={{use: mixture, tasks: {tasks}}}"])
    assert place in str(caught.value) and words in str(caught.value)


def test_the_tasks_are_frozen_with_it():
    with pytest.raises(ValidationError, match="frozen"):
        task().tasks = {}
