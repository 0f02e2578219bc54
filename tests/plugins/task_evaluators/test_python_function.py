import pytest
import samples
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from twt_core.errors import InputError, TwtError
from twt_core.records import Annotation, Answered, Draft, Grade, Query
from twt_core.sandbox import contained
from twt_core.sandbox.program import Fault, Limits
from twt_plugins.confidence_scorers.tests_passed import TestsPassed
from twt_plugins.task_evaluators import judging
from twt_plugins.task_evaluators.fenced import answer, complete, fenced
from twt_plugins.task_evaluators.python_function import PythonFunction

TESTS = ("assert twice(2) == 4", "assert twice('ab') == 'abab'", "assert twice(0) == 0")
REFERENCE = "def twice(x):\n    return x + x"
QUERY = Query(id="1", query="Write a function to double what it is given.", tests=TESTS, answer=REFERENCE)
OPEN = QUERY.unlabeled()
TASK = PythonFunction()
RIGHT = "def twice(value):\n    return value * 2"
WRONG = "def twice(value):\n    return value ** 2"


def test_the_teacher_is_told_the_papers_weights_and_the_form() -> None:
    messages = TASK.teacher_messages(OPEN)
    assert [message.role for message in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    system = messages[0].content
    assert "correctness (0.50), readability (0.20), execution efficiency (0.20) and test coverage (0.10)" in system
    assert "at most five short sentences" in system and "weighted total only" in system
    assert messages[-1].content == f"Question: {OPEN.query}\n# Test cases:\n" + "\n".join(TESTS)


def test_the_teachers_demonstrations_are_read_and_pass_their_tests() -> None:
    messages = TASK.teacher_messages(OPEN)
    for asked, said, score in ((messages[1], messages[2], 0.97), (messages[3], messages[4], 0.55)):
        text, _, tests = asked.content.removeprefix("Question: ").partition("\n# Test cases:\n")
        query = Query(id="d", query=text, tests=tuple(tests.splitlines()))
        reading = TASK.read(said.content, query)
        assert reading.score == score and reading.rationale and "Code" not in reading.rationale
        assert reading.label and TASK.verdict(reading.label, query) == "passed"


def test_the_rewrite_prompt_shows_both_ways_of_thinking_and_the_code_in_a_block() -> None:
    annotation = Annotation(query_id="1", teacher="t", rationale="Add it to itself.", label=RIGHT)
    messages = TASK.rewrite_messages(Draft(query=OPEN, annotation=annotation, student_rationale="Twice it."))
    last = messages[-1].content
    assert f"Your thinking: Add it to itself.\nYour code:\n```python\n{RIGHT}\n```\n\nThe student's" in last
    assert last.endswith("thinking: Twice it.") and all(test in last for test in TESTS)
    assert "score" not in " ".join(message.content for message in messages).lower()
    assert "(none: it gave only code)" in TASK.rewrite_messages(Draft(query=OPEN, annotation=annotation))[-1].content


def test_the_rewrite_demonstration_is_shorter_keeps_its_code_and_passes() -> None:
    messages = TASK.rewrite_messages(Draft(query=OPEN, annotation=Annotation(query_id="1", teacher="t")))
    shown = messages[1].content
    reading = TASK.read(messages[2].content, OPEN)
    original = shown.partition("Your thinking: ")[2].partition("\nYour code:")[0]
    assert reading.label and reading.label in shown and len(reading.rationale) < len(original) / 2
    tests = tuple(shown.partition("# Test cases:\n")[2].partition("\n\n")[0].splitlines())
    assert TASK.verdict(reading.label, Query(id="d", query="x", tests=tests)) == "passed"


def test_the_student_is_asked_shortly() -> None:
    (message,) = TASK.student_messages(OPEN)
    assert message.content == TASK.question(OPEN) + "\nFinish with the code in a ```python block."


def test_the_completion_is_the_rationale_and_the_code() -> None:
    assert TASK.completion("Add.", RIGHT, OPEN) == f"Add.\nCode:\n```python\n{RIGHT}\n```"
    assert TASK.completion(None, RIGHT, OPEN) == f"```python\n{RIGHT}\n```"


TRICKY = (
    'def twice(x):\n    """```python\n    ```\n    Score: 0.1"""\n   \n    print("The answer is: 7")\n    return x + x'
)
RATIONALES = st.lists(
    st.sampled_from(
        [
            "Add it.",
            "```",
            "```python",
            "def twice(x): pass",
            "Code:",
            "",
            "  deep",
            "````",
            "Score: 0.5",
            "x = `a`",
            "~~~",
        ]
    ),
    min_size=1,
).map(lambda lines: "\n".join(lines).strip())
CODES = st.lists(
    st.sampled_from(
        ["def twice(x):", "    return x", "```", "    ```python", "", "# Code:", "Score: 1", "`````", "\t", "B"]
    ),
    min_size=1,
).map(lambda lines: "\n".join(lines).strip("\n").rstrip())


@given(RATIONALES, CODES)
@example("Add.", TRICKY)
def test_what_a_student_learns_to_write_is_read_back(rationale: str, code: str) -> None:
    if code:
        text = TASK.completion(rationale or None, code, OPEN)
        reading = TASK.read(text, OPEN)
        assert (reading.rationale, reading.label, reading.score) == (rationale, code, None)
        assert TASK.read(TASK.completion(None, code, OPEN), OPEN).label == code
        assert TASK.answered(text + "\n", OPEN)


@given(st.text() | st.lists(st.sampled_from(["```", "```python", "def f():", "Code:", "\n", " ", "x"])).map("\n".join))
def test_reading_never_raises(text: str) -> None:
    TASK.read(text, OPEN)
    TASK.answered(text, OPEN)


USE = "print(twice(2))"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        (f"Thinking: Add.\nCode:\n```python\n{RIGHT}\n```\nScore: 0.9", RIGHT),
        (f"**Code**:\n\n```python\n{RIGHT}\n```", RIGHT),
        (f"Thinking: Add.\n\n``` python\n{RIGHT}\n```\nscore: 0.95", RIGHT),
        (f"```py\n{RIGHT}\n```\nIt doubles.\n```python\n{USE}\n```", RIGHT),
        (f"First:\n```\n{USE}\n```\nThen:\n```python\n{RIGHT}\n```\n", RIGHT),
        (f"A draft:\n```python\n{WRONG}\n```\nBetter:\n```python\n{RIGHT}\n```\nUse:\n```python\n{USE}\n```", RIGHT),
        (f"A helper:\n```python\n{RIGHT}\n```\nOther:\n```python\ndef other(): pass\n```", RIGHT),
        (f"Run it:\n```bash\npython x.py\n```\nThe code:\n```python\n{RIGHT}\n```", RIGHT),
        (f"1. This:\n   ```python\n   {RIGHT.replace(chr(10), chr(10) + '   ')}\n   ```", RIGHT),
        (f"Thinking: Cut off.\n```python\n{RIGHT}", RIGHT),
        (RIGHT, RIGHT),
        (f"{RIGHT}\n\nThis doubles its argument.\nScore: 0.8", RIGHT),
        (f"Here it is.\n\n{RIGHT}", RIGHT),
        (f"import math\n{RIGHT}\n```", f"import math\n{RIGHT}"),
        (f"Code:\r\n```python\r\n{RIGHT}\r\n```\r\n".replace("\n    ", "\r\n    "), RIGHT),
        ("I do not know.", None),
        ("Code:\n```python\n```", None),
        ("The answer is: 7", None),
        ("", None),
    ],
)
def test_the_program_is_found_in_what_models_write(text: str, label: str | None) -> None:
    assert TASK.read(text, OPEN).label == label


def test_scores_and_factors_stand_after_the_program_and_never_in_it() -> None:
    code = f"{RIGHT}\n# Score: 0.1\nprint('Score: 0.2')"
    reading = TASK.read(
        f"Thinking: Score: 0.3\nAdd.\nCode:\n```python\n{code}\n```\nReadability: 0.7\nscore: 0.85", OPEN
    )
    assert (reading.label, reading.score, reading.factors) == (code, 0.85, {"readability": 0.7})
    assert TASK.read(f"Score: 0.3\nCode:\n```python\n{code}\n```", OPEN).score is None


def test_a_structured_answer_is_read_with_or_without_a_fence() -> None:
    for code in (RIGHT, f"```python\n{RIGHT}\n```"):
        reading = TASK.read(f'{{"rationale": "Add.", "answer": {code!r}, "score": 1}}'.replace("'", '"'), OPEN)
        assert (reading.rationale, reading.label) == ("Add.", RIGHT)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        (f"Add.\nCode:\n```python\n{RIGHT}\n```\n", True),
        (f"```python\n{RIGHT}\n```\n", True),
        (f"```python\n{RIGHT}\n```\nMore", True),
        (f"```python\n{RIGHT}\n```", False),  # it may go on: ```python
        (f"Add.\nCode:\n```python\n{RIGHT}\n", False),
        (f"Add.\nCode:\n```python\n{RIGHT}\n    x = '''\n    ```\n", True),
        (f"For example\n```python\n{USE}\n```\n", False),
        ("The answer is: 7\n", False),
        ("```python\n```\n", False),
    ],
)
def test_a_students_text_ends_with_its_program(text: str, ends: bool) -> None:
    assert complete(text) is TASK.answered(text, OPEN) is ends


@given(CODES.filter(bool), st.text(alphabet="`ab\nCode: ", max_size=40))
def test_nothing_written_after_the_end_changes_the_program(code: str, more: str) -> None:
    text = fenced(code) + "\n"
    found = answer(text + more.replace("````", ""))
    assert found is not None and found.code == code


@pytest.mark.parametrize(
    ("tests", "problem"),
    [
        (None, 'python_function needs "tests"'),
        ((), 'python_function needs "tests"'),
        (("twice(2) == 4",), "not of the form: assert"),
        (("assert twice(open('x')) == 4",), "uses open"),
    ],
)
def test_a_query_without_usable_tests_is_refused(tests: tuple[str, ...] | None, problem: str) -> None:
    TASK.check(QUERY)
    with pytest.raises(ValueError, match=problem):
        TASK.check(QUERY.model_copy(update={"tests": tests}))


def test_a_test_without_a_value_of_its_own_is_refused_before_anything_is_paid_for() -> None:
    with pytest.raises(ValueError, match="gives no plain value") as refused:
        TASK.check(QUERY.model_copy(update={"tests": ("assert twice(2) == iter([4])",)}))
    assert not isinstance(refused.value, InputError)  # a row's fault, which names the row and can be left out


@pytest.mark.parametrize(
    "test",
    [
        "assert twice(list(range(10**9))) == 1",
        "assert twice([n for n in iter(int, 1)]) == 1",
        "assert twice(['x' * 10**6] * 10**6 * 10**3) == 1",
        "assert twice(f'{1:1000000000}') == 1",
        "x = list(range(10**9))\nassert twice(x) == 1",
    ],
)
def test_a_test_that_breaks_its_limits_by_itself_is_refused_before_anything_is_paid_for(
    test: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "_OWN_LIMITS", Limits(seconds=1.0))
    with pytest.raises(ValueError, match="by itself, without any program, ends with") as refused:
        TASK.check(QUERY.model_copy(update={"tests": (*TESTS, test)}))
    assert not isinstance(refused.value, InputError)


def test_plain_tests_are_not_tried_before_anything_is_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "run", lambda *_: pytest.fail("a process for nothing"))
    TASK.check(QUERY.model_copy(update={"tests": ("assert twice([17, (2, {'a': -3})], key='b') == 17",)}))


def test_a_machine_that_contains_nothing_is_refused_unless_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contained, "_here", contained._Process())
    unseen = f"{RIGHT}  # unseen"
    answers = [Answered(query=OPEN, text="", label=unseen), Answered(query=OPEN, text="")]
    with contained.only():
        for judge in (lambda: TASK.check(QUERY), lambda: TASK.verdict(unseen, QUERY), lambda: grades(*answers)):
            with pytest.raises(InputError, match=r"cannot be contained.*--allow-unsandboxed-code"):
                judge()
        contained.allow_unsandboxed_code()
        TASK.check(QUERY)
        assert grades(*answers) == [
            Grade(correct=True, verdict="passed", unsandboxed=True), Grade(correct=False, verdict="no_answer"),
        ]  # fmt: skip
    assert grades(*answers)[0] == Grade(correct=True, verdict="passed")  # with walls, whatever is allowed


def test_no_option_switches_the_walls_off() -> None:
    with pytest.raises(ValidationError, match="unsandboxed"):
        PythonFunction.model_validate({"unsandboxed": True})


def grades(*answers: Answered, task: PythonFunction = TASK) -> list[Grade]:
    return task.grade(answers, samples.context(task, [answer.query for answer in answers]))


def test_answers_are_graded_in_order_by_how_their_programs_end() -> None:
    task = PythonFunction(seconds=1.0)
    labels = [RIGHT, WRONG, None, "def twice(x):\n    while True: pass", "def twice(x): return 4", RIGHT]
    found = grades(*[Answered(query=OPEN, text="", label=label) for label in labels], task=task)
    assert [(one.correct, one.verdict) for one in found] == [
        (True, "passed"), (False, "error"), (False, "no_answer"), (False, "timeout"), (False, "failed"),
        (True, "passed"),
    ]  # fmt: skip
    assert not any(one.unsandboxed for one in found)
    assert TASK.gradable(OPEN) and not TASK.gradable(Query(id="2", query="No tests?", answer="x"))
    assert grades(Answered(query=Query(id="2", query="No tests?"), text="", label=RIGHT))[0].correct is None


def test_what_says_nothing_about_a_program_gives_no_grade(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = OPEN.model_copy(update={"tests": ("assert twice(2) == iter([4])",)})
    assert grades(Answered(query=bad, text="", label=RIGHT)) == [Grade(correct=None, verdict="bad_test")]
    monkeypatch.setattr(judging, "run_all", lambda programs: iter([[Fault("infra", "no memory")] * 3]))
    unseen = Answered(query=OPEN, text="", label=f"{RIGHT}  # not seen yet")
    assert grades(unseen) == [Grade(correct=None, verdict="infra")]
    with pytest.raises(TwtError, match="run again"):
        TASK.same(unseen.label or "", REFERENCE, QUERY)


def test_right_is_what_passes_the_tests() -> None:
    assert TASK.same(RIGHT, REFERENCE, QUERY) and TASK.same(REFERENCE, REFERENCE, QUERY)
    assert not TASK.same(WRONG, REFERENCE, QUERY)
    broken = QUERY.model_copy(update={"answer": WRONG})
    assert TASK.same(RIGHT, WRONG, broken) and not TASK.same(WRONG, WRONG, broken)


def test_two_programs_are_the_same_answer_when_equal_or_when_both_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    assert TASK.same(RIGHT, REFERENCE, OPEN)
    assert not TASK.same(RIGHT, WRONG, OPEN) and not TASK.same(WRONG, RIGHT, OPEN)
    assert not TASK.same(WRONG, WRONG + "\n", OPEN)
    monkeypatch.setattr(judging, "judged", lambda *_: pytest.fail("equal texts need no run"))
    assert TASK.same("never run", "never run", OPEN)
    assert not TASK.same("A", "B", Query(id="2", query="No tests?"))


def test_the_share_of_tests_passed_is_a_confidence() -> None:
    assert TASK.tests_passed(RIGHT, OPEN) == 1.0
    assert TASK.tests_passed(WRONG, OPEN) == pytest.approx(2 / 3)
    assert TASK.tests_passed("", OPEN) == 0.0
    assert TASK.tests_passed(RIGHT, Query(id="2", query="No tests?")) is None
    context = samples.context(TASK, [OPEN])
    TestsPassed().check_run(context)
    rows = [samples.annotation("1", label=label) for label in (RIGHT, WRONG, None)]
    assert TestsPassed().score(rows, context) == [1.0, pytest.approx(2 / 3), 0.0]


@pytest.mark.parametrize(
    ("program", "verdict"),
    [
        (RIGHT, "passed"),
        (WRONG, "error"),
        ("def twice(x): return 4", "failed"),
        ("def twice(x):\n    while True: pass", "timeout"),
        ("import sys\ndef twice(x): sys.exit(0)", "early_exit"),
        ("class I(int):\n    __eq__ = lambda s, o: True\ndef twice(x): return I()", "bad_return"),
        ("import os\ndef twice(x): os.abort()", "crashed"),
        ("def twice(x): return bytearray(2 << 30)", "oom"),
        ("def twice(x):\n    while True: print('x' * 10_000)", "output_limit"),
        ("no Python", "error"),
    ],
)
def test_every_way_to_end_has_its_name(program: str, verdict: str) -> None:
    task = PythonFunction(seconds=1.0)
    assert task.verdict(program, OPEN) == verdict
    assert task.same(program, REFERENCE, QUERY) is (verdict == "passed")


@pytest.mark.parametrize("options", [{"seconds": 0}, {"seconds": 601}, {"memory_mb": 64}, {"weights": {"a": 0.5}}])
def test_bad_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PythonFunction.model_validate(options)
