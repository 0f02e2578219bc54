"""The kit on what is installed: `check_installed`, and pytest's fixture and option."""

from __future__ import annotations

import subprocess
import sys

import pytest

from twt_core import plugins
from twt_core.components import QualityFilter, TaskEvaluator
from twt_core.errors import InputError
from twt_core.testing.checking import check_installed
from twt_core.testing.checks import NotTried
from twt_core.testing.questions import questions_for

pytest_plugins = ["pytester"]

COMMON = ["options", "secrets", "identity", "config", "pickle"]


class Refusing(QualityFilter):
    """Judges nothing that the kit has."""

    def check_run(self, context):
        raise InputError("only for runs of its author's")

    def judge(self, annotations, context):
        return [None for _ in annotations]


class Moody(QualityFilter):
    """Judges by halves."""

    def judge(self, annotations, context):
        return [None for _ in annotations[1:]]


@pytest.fixture
def others(fresh_registry, monkeypatch):
    """Two more filters, of a distribution that is not TwT's."""
    for name, cls in (("refusing", Refusing), ("moody", Moody)):
        plugins.registry().add(QualityFilter, name, cls, "twt-others 1.2")


def test_a_component_by_its_name():
    checked = check_installed("hard_rejection", None, ["good=0.8", "medium=0.2"])
    (component,) = checked.components
    assert (component.kind, component.name) == ("quality_filter", "hard_rejection")
    assert component.distribution.startswith("twt-distill ")
    assert checked.passed and {check.passed for check in component.checks} == {True}
    names = [check.name for check in component.checks]
    assert names[-5:] == COMMON and len(set(names)) == len(names)
    assert all(check.says.endswith(".") and check.seconds >= 0 for check in component.checks)


def test_one_name_in_two_kinds():
    with pytest.raises(InputError, match="several components: say which, confidence_scorer/by_task, quality_filter/by"):
        check_installed("by_task")
    assert check_installed("quality_filter/by_task").components[0].kind == "quality_filter"
    assert check_installed("by_task", "quality_filter").components[0].kind == "quality_filter"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("threshhold",), "no component and no distribution is called 'threshhold'. Did you mean \"threshold\"?"),
        (("threshold", "filter"), "no kind of component is called 'filter'"),
        (("threshold", "teacher"), "no teacher and no distribution is called 'threshold'"),
        (("threshold", None, ["minimun=1"]), '--set minimun: threshold has no such option. Did you mean "minimum"?'),
        (("threshold", None, ["minimum=2"]), "--set minimum=2 minimum: must be at most 1"),
        (("threshold", None, ["minimum"]), "write KEY=VALUE"),
        (("openai_compatible",), "teacher/openai_compatible needs base_url, model: give each as --set OPTION=VALUE"),
        (("twt-distill",), "teacher/replay needs path"),
    ],
)
def test_what_is_wrong_with_the_words_is_said(arguments, says):
    with pytest.raises(InputError) as found:
        check_installed(*arguments)
    assert says in str(found.value)
    assert found.value.exit_code == 2


def test_a_distribution_is_all_that_it_registers(others):
    checked = check_installed("twt_others")
    assert [component.name for component in checked.components] == ["refusing", "moody"]
    refusing, moody = checked.components
    assert refusing.passed and not moody.passed and not checked.passed
    results = {check.name: check for check in refusing.checks}
    assert results["sample"].passed is None and results["sample"].not_tried == "see check_run"
    assert "only for runs of its author's" in results["check_run"].not_tried
    assert results["options"].passed is True
    failed = {check.name for check in moody.checks if check.passed is False}
    assert {"sample", "one_row", "hard_rows"} <= failed
    assert "values, expected" in next(check for check in moody.checks if check.name == "sample").problems[0]
    again = type(checked).model_validate_json(checked.model_dump_json())
    assert again == checked


def test_options_go_to_the_components_that_have_them():
    judge = "{use: openai_compatible, name: judge, model: none, base_url: 'http://127.0.0.1:9/v1'}"
    with pytest.raises(InputError, match="key"):
        check_installed("confidence_scorer/grade", None, [f"judge={judge}", "judge.api_key=x"])
    with pytest.raises(InputError, match="confidence_scorer/grade needs judge"):
        check_installed("confidence_scorer/grade")


@pytest.mark.parametrize(
    ("use", "names"),
    [
        ({"use": "multiple_choice"}, {"letter"}),
        ({"use": "python_function"}, {"program"}),
        ({"use": "exact_match"}, {"word", "yes_or_no"}),
        ({"use": "mixture", "tasks": {"a": {"use": "math"}, "b": {"use": "multiple_choice"}}}, {"number", "letter1"}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_an_evaluator_gets_questions_of_its_sort(use, names):
    assert names <= {question.id for question in questions_for(TaskEvaluator.model_validate(use))}


def test_an_evaluator_of_another_sort_is_not_tried():
    class Chess(TaskEvaluator):
        """Moves."""

        def check(self, query):
            raise ValueError("no board")

        def teacher_messages(self, query):
            return []

        def read(self, text, query):
            raise AssertionError

        def same(self, label, other, query):
            return False

    with pytest.raises(NotTried, match="it takes none of the kit's own questions"):
        questions_for(Chess())


PLUGIN = ["-p", "no:cacheprovider"]


def test_every_check_is_a_test(pytester, others):
    pytester.makepyfile("def test_else(): pass")
    done = pytester.runpytest_inprocess(*PLUGIN, "-v", "--twt-plugin", "twt-others", "-k", "moody or check_run")
    done.stdout.fnmatch_lines(
        [
            "collecting ... collected 33 items / 16 deselected / 17 selected",
            "twt::quality_filter/refusing::check_run SKIPPED (not tried: *",
            "twt::quality_filter/moody::sample FAILED*",
            "twt::quality_filter/moody::options PASSED*",
            "*judge(), on *returned * values, expected *",
        ]
    )
    done.stdout.no_fnmatch_line("*Traceback*")
    assert done.ret == pytest.ExitCode.TESTS_FAILED


def test_a_conformance_run_needs_no_file(pytester):
    done = pytester.runpytest_inprocess(*PLUGIN, "--twt-plugin", "three_stage", "--twt-plugin", "n_stage",
                                        "--twt-set", "n=5", "-k", "twt:: and not process")  # fmt: skip
    done.assert_outcomes(passed=24, deselected=2)
    assert done.ret == pytest.ExitCode.OK


def test_the_fixture_tries_a_component(pytester):
    pytester.makepyfile(
        """
        from twt_core.components import QualityFilter

        def test_it(twt_check):
            twt_check(QualityFilter.model_validate({"use": "threshold"}), rows=0)

        def test_another(twt_check):
            twt_check(QualityFilter.model_validate({"use": "threshold"}), request=None)
        """
    )
    done = pytester.runpytest_inprocess(*PLUGIN)
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["*ValueError: a quality_filter is not tried with request*"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--twt-plugin", "no_such"], "no component and no distribution is called 'no_such'"),
        (["--twt-plugin", "threshold", "--twt-set", "minimum=2"], "--twt-set minimum=2 minimum: must be at most 1"),
        (["--twt-set", "minimum=1"], "--twt-set is for the components of --twt-plugin NAME"),
    ],
)
def test_wrong_words_are_a_usage_error(pytester, words, says):
    done = pytester.runpytest_inprocess(*PLUGIN, *words)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert says in done.stderr.str() + done.stdout.str()


def test_loading_it_imports_nothing_heavy():
    code = "import sys, twt_core.testing.pytest_plugin; print({'pydantic', 'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
