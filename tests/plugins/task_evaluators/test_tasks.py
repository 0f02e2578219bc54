import hashlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from twt_core.records import Annotation, Draft, Query
from twt_plugins.task_evaluators import prompted, register_task_evaluators
from twt_plugins.task_evaluators.exact_match import ExactMatch
from twt_plugins.task_evaluators.math import Math
from twt_plugins.task_evaluators.multiple_choice import MultipleChoice
from twt_plugins.task_evaluators.options import letter_of
from twt_plugins.task_evaluators.prompted import PromptedTask
from twt_plugins.task_evaluators.python_function import PythonFunction

PLAIN = Query(id="1", query="Where is {{ the }} key?")
OPTIONS = Query(
    id="2", query="Where do boats sail?", choices=("bank", "river", "river bank", "the sea"), answer="river"
)
TASKS = [(ExactMatch(), PLAIN), (Math(), PLAIN), (MultipleChoice(), OPTIONS)]
tasks = pytest.mark.parametrize(("task", "query"), TASKS, ids=lambda value: type(value).__name__)


def test_the_hook_registers_the_tasks() -> None:
    found: dict[str, object] = {}
    register_task_evaluators(found.__setitem__)
    expected = {
        "exact_match": ExactMatch,
        "multiple_choice": MultipleChoice,
        "math": Math,
        "python_function": PythonFunction,
    }
    assert found.items() >= expected.items()


def test_importing_the_tasks_imports_nothing_heavy() -> None:
    heavy = {"torch", "litellm", "sympy", "math_verify"}
    code = f"import sys, twt_plugins.task_evaluators; print(sorted({heavy!r} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


@tasks
def test_the_teacher_is_told_the_format_and_the_weights(task: PromptedTask, query: Query) -> None:
    messages = task.model_copy(update={"rationale_length": "two lines"}).teacher_messages(query)
    assert [message.role for message in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    system = messages[0].content
    assert "correctness (0.50), logical reasoning (0.25), clarity (0.15) and completeness (0.10)" in system
    assert "two lines" in system and "0.00 to 1.00" in system and "weighted total only" in system
    assert messages[-1].content.startswith(f"Question: {query.query}")


@tasks
def test_the_demonstrations_are_read_by_the_reader(task: PromptedTask, query: Query) -> None:
    shown = [message.content for message in task.teacher_messages(query) if message.role == "assistant"]
    readings = [task.read(text, query) for text in shown]
    assert [reading.score for reading in readings] == [0.98, 0.35]
    assert all(reading.label and reading.rationale for reading in readings)


@tasks
def test_the_rewrite_prompt_holds_both_ways_of_thinking_and_no_score(task: PromptedTask, query: Query) -> None:
    annotation = Annotation(query_id=query.id, teacher="t", rationale="It is far {{ away }}.", label="B")
    messages = task.rewrite_messages(Draft(query=query, annotation=annotation, student_rationale="far"))
    last = messages[-1].content
    assert query.query in last and "Your thinking: It is far {{ away }}.\nYour answer: B" in last
    assert last.endswith("The student's thinking: far")
    assert "score" not in " ".join(message.content for message in messages).lower()
    silent = task.rewrite_messages(Draft(query=query, annotation=annotation))
    assert silent[-1].content.endswith("(none: it gave only an answer)")


def test_the_rewrite_demonstration_is_shorter_and_keeps_its_answer() -> None:
    messages = ExactMatch().rewrite_messages(Draft(query=PLAIN, annotation=Annotation(query_id="1", teacher="t")))
    reading = ExactMatch().read(messages[2].content, PLAIN)
    original = messages[1].content.partition("Your thinking: ")[2].partition("\n")[0]
    assert reading.label == "8 euros" and "Your answer: 8 euros" in messages[1].content
    assert len(reading.rationale) < len(original) / 2


@tasks
def test_the_student_prompt_is_short_and_its_completion_is_read_back(task: PromptedTask, query: Query) -> None:
    (message,) = task.student_messages(query)
    assert message.role == "user"
    assert len(message.content) - len(task.question(query)) < 70
    found = task.read(task.completion("One step.\nAnother.", "B", query), query)
    assert (found.rationale, found.label) == ("One step.\nAnother.", "B")
    assert task.read(task.completion(None, "B", query), query).label == "B"


@tasks
def test_our_demonstrations_are_not_the_quickstarts_questions(task: PromptedTask, query: Query) -> None:
    quickstart = (Path(__file__).parents[3] / "examples/quickstart/queries.jsonl").read_text(encoding="utf-8")
    for message in task.teacher_messages(query)[1:-1]:
        if message.role == "user":
            assert message.content.removeprefix("Question: ").partition("\n")[0] not in quickstart


@tasks
def test_reading_never_raises(task: PromptedTask, query: Query) -> None:
    for text in ["", "\ud800", "The answer is: ", "The answer is: [", "The answer is: \\boxed{", "x" * 10_000]:
        label = task.read(text, PLAIN).label
        assert task.read(text, query).label in (None, label)


def test_weights_must_sum_to_one_and_be_told() -> None:
    with pytest.raises(ValidationError, match=r"sum to 0\.5, not to 1"):
        Math(weights={"correctness": 0.5})
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Math(weights={"correctness": 1.5, "clarity": -0.5})
    with pytest.raises(ValidationError, match="valid number"):
        Math(weights={"correctness": True})
    task = Math(weights={"correctness": 0.875, "good_style": 0.125, "speed": 0})
    assert task.factor_weights(PLAIN) == {"correctness": 0.875, "good_style": 0.125, "speed": 0}
    assert "correctness (0.875), good style (0.125) and speed (0.00)" in task.teacher_messages(PLAIN)[0].content
    assert task.read("The answer is: 1\nGood style: 0.5", PLAIN).factors == {"good_style": 0.5}


@pytest.mark.parametrize("option", sorted(prompted.VARIABLES))
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--- user\n{{ querry }}", "unknown variable 'querry'"),
        ("--- user\n{{ query", r"own\.j2:\d"),
        ("hello", "starts with"),
    ],
)
def test_a_template_of_ones_own_is_checked_at_once(tmp_path: Path, option: str, text: str, message: str) -> None:
    path = tmp_path / "own.j2"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValidationError, match=message):
        ExactMatch.model_validate({option: path})


def test_a_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"none\.j2: No such file"):
        ExactMatch(student_template=tmp_path / "none.j2")


def test_a_template_beside_the_config_is_used(tmp_path: Path) -> None:
    (tmp_path / "own.j2").write_text("--- user\nQ: {{ query }}", encoding="utf-8")
    task = ExactMatch.model_validate({"student_template": "own.j2"}, context={"folder": tmp_path})
    assert task.student_messages(PLAIN)[0].content == "Q: Where is {{ the }} key?"


def test_the_identity_follows_every_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ExactMatch().identity()
    assert ExactMatch() == ExactMatch() and ExactMatch().identity() == before
    assert ExactMatch(rationale_length="one line").identity() != before
    text = (prompted.PROMPTS / "student.j2").read_text(encoding="utf-8")
    assert before["student_template"] == hashlib.sha256(text.encode()).hexdigest()
    copy = tmp_path / "student.j2"
    copy.write_text(text, encoding="utf-8")
    assert ExactMatch(student_template=copy).identity() == before
    copy.write_text(text + "Be brief.", encoding="utf-8")
    monkeypatch.setitem(ExactMatch.built_in, "student_template", copy)
    assert ExactMatch().identity() != before


@pytest.mark.parametrize(
    ("label", "other", "same"),
    [
        ("The Garden.", "garden", True),
        ("an  apple", "Apple", True),
        ("face-up", "face up", True),
        ("U.S.", "US", True),
        ("don\u2019t", "don't", True),
        ("\uff2d\uff4f\uff4e\uff41", "mona", True),
        ("1,000", "1000", True),
        ("5km", "5 km", True),
        ("A", "a", True),
        ("A", "the", False),
        ("3.5", "35", False),
        ("-5", "5", False),
        ("\u22125", "-5", True),
        ("10:30", "1030", False),
        ("C++", "C", False),
        ("!", "?", False),
        ("Mona", "Mona Lisa", False),
    ],
)
def test_exact_match(label: str, other: str, same: bool) -> None:
    assert ExactMatch().same(label, other, PLAIN) is same
    assert ExactMatch().same(other, label, PLAIN) is same


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        ("(b)", "B"),
        ("**B**", "B"),
        ("B) river", "B"),
        ("b) river", "B"),
        ("B. River", "B"),
        ("river", "B"),
        ("It is the river.", "B"),
        ("river bank", "C"),
        ("the river bank", "C"),
        ("sea", "D"),
        ("option C", "C"),
        ("C because it is wet", "C"),
        ("A bank", "A"),
        ("A river", "B"),
        ("Answer: D", "D"),
        ("A or B", None),
        ("A, B", None),
        ("B and C", None),
        ("A) river", None),
        ("bank or sea", None),
        ("E", None),
        ("", None),
        ("lake", None),
        ("I think", None),
    ],
)
def test_the_letter_of_an_option(text: str, letter: str | None) -> None:
    assert letter_of(text, OPTIONS.choices or ()) == letter
    assert MultipleChoice().read(f"a\nThe answer is: {text}\nScore: 0.9", OPTIONS).label == letter


def test_options_of_signs_are_told_apart() -> None:
    assert letter_of("-", ["+", "-"]) == "B"


def test_multiple_choice_shows_and_compares_options() -> None:
    task = MultipleChoice()
    shown = "Where do boats sail?\nA) bank\nB) river\nC) river bank\nD) the sea"
    assert task.teacher_messages(OPTIONS)[-1].content == f"Question: {shown}"
    assert task.student_messages(OPTIONS)[0].content.startswith(shown)
    assert task.same("B", "river", OPTIONS)
    assert not task.same("B", "C", OPTIONS)
    assert not task.same("lake", "lake", OPTIONS)


@pytest.mark.parametrize(
    ("choices", "answer", "message"),
    [
        (None, None, "there are 0"),
        (("a",), None, "there are 1"),
        (("x", " "), None, "empty option"),
        (("x", "y", "x "), None, "'x' more than once"),
        (("x", "y"), "z", r"'z' is none of the options: A\) x, B\) y"),
    ],
)
def test_multiple_choice_refuses_unusable_options(
    choices: tuple[str, ...] | None, answer: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        MultipleChoice().check(Query(id="1", query="?", choices=choices, answer=answer))


def test_multiple_choice_takes_an_answer_by_letter_or_text() -> None:
    for answer in (None, "B", "river"):
        MultipleChoice().check(OPTIONS.model_copy(update={"answer": answer}))


PLAIN_MATH = [
    *[("1/2", "0.5", True), ("2 1/2", "2.5", True), ("1,000", "1000", True), ("5 km", "5", True), ("$5", "5.00", True)],
    *[("\u20ac20", "20", True), ("50%", "0.5", True), ("50%", "50", True), ("50%", "5000%", False), ("-5", "5", False)],
    *[
        ("\u22125", "-5", True),
        ("12 apples", "13 apples", False),
        ("1e3", "1000", True),
        ("$7$", "7.", True),
        (".5", "0.5", True),
        (".5", "5", False),
    ],
    *[("0.3333333", "1/3", True), ("0.33", "1/3", False), ("1000000", "1000001", False), ("5\\text{ cm}", "5", True)],
    *[("3:30", "3:45", False), ("yes", "no", False), ("yes", "yes", True), ("9^{9^{9^9}}", "3", False)],
    *[("9**9**9**9", "3", False), ("((9^999)^999)^999", "3", False), ("99999!", "3", False), ("7" * 500, "3", False)],
]


def test_numbers_need_no_algebra() -> None:
    code = (
        "import sys; from twt_plugins.task_evaluators.math import Math; from twt_core.records import Query\n"
        f"wrong = [case for case in {PLAIN_MATH!r} for a, b in (case[:2], case[1::-1])\n"
        "         if Math().same(a, b, Query(id='1', query='?')) is not case[2]]\n"
        "print(wrong, 'math_verify' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"


@pytest.mark.parametrize(
    ("label", "other", "same"),
    [
        ("\\frac{1}{2}", "0.5", True),
        ("3\\pi", "$3\\pi$", True),
        ("3\\pi", "3", False),
        ("x = 3", "3", True),
        ("(1,2)", "(1, 2)", True),
        ("(1,2)", "(2,1)", False),
        ("\\sqrt{2}", "2^{1/2}", True),
        ("5x", "5", False),
        ("x^{2}+1", "1+x^2", True),
        ("5 x", "5", False),
        ("\\frac{", "1", False),
        ("1/0", "2", False),
        ("5km", "5", True),
    ],
)
def test_expressions_are_compared_by_value(label: str, other: str, same: bool) -> None:
    assert Math().same(label, other, PLAIN) is same
    assert Math().same(other, label, PLAIN) is same


def test_expressions_are_compared_outside_the_main_thread() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(Math().same("\\frac{1}{4}", "0.25", PLAIN)))
    thread.start()
    thread.join()
    assert found == [True]
