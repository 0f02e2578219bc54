import ast
import dataclasses

import pytest

from twt_core.errors import InputError, TwtError
from twt_core.sandbox.program import Fault, Limits
from twt_plugins.task_evaluators import judging
from twt_plugins.task_evaluators.assertions import defined, parse
from twt_plugins.task_evaluators.conditions import holds
from twt_plugins.task_evaluators.judging import judged, overall, verdicts

LIMITS = Limits(seconds=10.0)


@pytest.mark.parametrize(
    ("test", "asked", "computed", "literals"),
    [
        ("assert f(1, [2]) == (3, 'a')", ["f(1, [2])"], [], [(3, "a")]),
        ("assert f(1) == -1.5, 'the message'", ["f(1)"], [], [-1.5]),
        ("assert f(1)", ["f(1)"], [], []),
        ("assert not f(1)", ["f(1)"], [], []),
        ("assert f(1) is None", ["f(1)"], [], [None]),
        ("assert 3 in f(1)", ["f(1)"], [], [3]),
        ("assert f(1) == f(2)", ["f(1)", "f(2)"], [], []),
        ("assert f(1) == 2 and f(2) == 3", ["f(1)", "f(2)"], [], [2, 3]),
        ("assert set(f([1])) == set([1, 2])", ["set(f([1]))"], ["set([1, 2])"], []),
        ("assert abs(f(2) - 1.41) < 0.01", ["f(2)"], [], [1.41, 0.01]),
        ("assert math.isclose(f(2), math.sqrt(2), rel_tol=1e-9)", ["f(2)"], ["math.sqrt(2)"], [1e-9]),
        ("assert f((1, 2)) == sys.getsizeof((1, 2))", ["f((1, 2))"], ["sys.getsizeof((1, 2))"], []),
        ("assert int(f(5)) == 35", ["int(f(5))"], [], [35]),
        ("assert f([Pair(1, 2)]) == 3", ["f([Pair(1, 2)])"], [], [3]),
        ("assert f(lambda x: x == y(1)) == 3", ["f(lambda x: x == y(1))"], [], [3]),
        ("assert [f(n) for n in range(3)] == [0, 1, 2]", ["[f(n) for n in range(3)]"], [], [[0, 1, 2]]),
        ("assert sum(10, 15) == 6", ["sum(10, 15)"], [], [6]),
        ("assert Trie('a').contains('a')", ["Trie('a').contains('a')"], [], []),
        ("assert eq(1, 1)", ["eq(1, 1)"], [], []),
        ("assert f(1) == " + "[" * 40 + "]" * 40, ["f(1)"], [], [eval("[" * 40 + "]" * 40)]),
        ("x = [3, 1]\nassert f(x) == sorted(x)", ["f(x)"], ["sorted(x)"], []),
        ("x = [3, 1]\nf(x)\nassert x == [1, 3]", ["x"], [], [[1, 3]]),
        ("root = Node(1)\nroot.left = Node(2)\nassert height(root) == 2", ["height(root)"], [], [2]),
    ],
)
def test_what_is_compared_with_is_not_asked_of_the_program(
    test: str, asked: list[str], computed: list[str], literals: list[object]
) -> None:
    parts = parse(test)
    assert list(parts.asked.expressions) == asked
    assert list(parts.expected.expressions) == computed
    assert list(parts.literals.values()) == literals


def test_a_test_names_what_the_program_has_to_define() -> None:
    assert parse("root = Node(1)\nassert height(root, math.pi, len([n for n in [1]])) == 2").names == {"Node", "height"}
    assert parse("from math import sqrt\nassert f(sqrt(4)) == 2").names == {"f"}


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ("f(1) == 2", "not of the form: assert"),
        ("", "not of the form"),
        ("assert f(1) ==", "is not Python"),
        ("assert f(1) == 1\nassert f(2) == 2", "not of the form"),
        ("def g(): return 1\nassert f(1) == g()", "not of the form"),
        ("assert 1 == 1", "calls no function"),
        ("assert len([1]) == (", "is not Python"),
        ("assert f(1) == '\0'", "is not Python"),
        ("assert f(open('/etc/passwd')) == 1", "uses open"),
        ("import os\nassert f(os.getpid()) == 1", "imports os"),
        ("from os import *\nassert f(1) == 1", "imports os"),
        ("from math import *\nassert f(1) == 1", r"imports \*"),
        ("assert f(sys.exit()) == 1", "uses sys.exit"),
        ("assert f(exit()) == 1", "uses exit"),
        ("assert f(().__class__) == 1", "uses .__class__"),
        ("assert f(__import__('os')) == 1", "uses __import__"),
        ("assert f(9**9**9) == 1", "power"),
        ("assert f([0] * 1000000000) == 1", "too many copies"),
        ("assert f(x := 1) == 1", "await, yield or :="),
        ("assert all(f(n) == n for n in range(3))", "compares within"),
        ("assert operator.eq(f(1), 2)", "compares within"),
        ("g = f(1) == 3\nassert g", "compares within"),
        ("g = lambda z: z == 3\nassert g(f(1))", "compares within"),
        ("import operator\ng = operator.eq\nassert g(f(1), 3)", "compares within"),
        ("from operator import eq\nfs = [eq]\nassert fs[0](f(1), 3)", "compares within"),
        ("from operator import eq\nassert eq(f(1), 2)", "compares within"),
        ("import operator as o\nassert o.contains([2], f(1)) == True", "compares within"),
        ("assert " + "-" * 300 + "f(1) == 2", "nests more than"),
        ("x = " + "1+" * 300 + "1\nassert f(x) == 2", "nests more than"),
        ("assert f(1) == a" + ".b" * 300, "nests more than"),
        ("assert f(1) == " + "[" * 500 + "]" * 500, "is not Python"),
        ("assert f(1) == '" + "x" * 10_000 + "'", "at most 10000"),
    ],
)
def test_a_test_that_cannot_be_decided_is_refused(test: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse(test)


class _Leaves(ast.NodeTransformer):
    """Gives each value that is written out a name."""

    def __init__(self, values: dict[str, object]) -> None:
        self.values = values

    def visit_Constant(self, node: ast.Constant) -> ast.Name:
        return self._named(node)

    def visit_List(self, node: ast.List) -> ast.Name:
        return self._named(node)

    def _named(self, node: ast.expr) -> ast.Name:
        name = f"k{len(self.values)}"
        self.values[name] = ast.literal_eval(node)
        return ast.Name(name)


@pytest.mark.parametrize(
    ("condition", "true"),
    [
        ("a == 2", True),
        ("1 < a < 3", True),
        ("1 < a < 2", False),
        ("a is not b", True),
        ("a in c and not b", True),
        ("b or a == 2", True),
        ("abs(a - 2.05) < 0.1", True),
        ("-a == +d", True),
        ("math.isclose(a, 2.0001, abs_tol=0.001)", True),
        ("isclose(a, 2.1)", False),
        ("a / 0 == 1", False),
        ("a < c", False),
        ("round(a * 1.5) == 3", True),
        ("c * 1000000000000 == c", False),
        ("c + [3] == [1, 2, 3]", True),
        ("round(c) == 1", False),
    ],
)
def test_conditions(condition: str, true: bool) -> None:
    values: dict[str, object] = {"a": 2, "b": None, "c": [1, 2], "d": -2}
    tree = _Leaves(values).visit(ast.parse(condition, mode="eval").body)
    assert holds(tree, values) is true


HUGE = (1 << 250_000) - 1


@pytest.mark.parametrize(
    ("condition", "true"),
    [
        ("round(f, g) == 0", False),
        ("round(f, ndigits=g) == 0", False),
        ("round(f, -g) == f", False),
        ("round(h, 2) == 2.35", True),
        ("h * f * f * f * f * f > 0", False),
        ("f * f * f * f * f > 0", False),
        ("f * f > f", True),
        ("f * h > 0", False),
        ("f / h > 0", False),
        ("f + f - f == f", True),
        ("abs(-f) == f", True),
        ("abs(k) > 0", False),
        ("isclose(f, h)", False),
        ("h < f", True),
        ("d == e", False),
    ],
)
def test_what_a_program_returns_makes_no_condition_slow_or_huge(condition: str, true: bool) -> None:
    deep: list[object] = [[]]
    other: list[object] = [[]]
    for _ in range(100_000):
        deep, other = [deep], [other]
    values = {"f": HUGE, "g": -(10**8), "h": 2.3456, "k": complex(1e308, 1.7e308), "d": deep, "e": other}
    tree = _Leaves(values).visit(ast.parse(condition, mode="eval").body)
    assert holds(tree, values) is true


ROOT = "import math\ndef f(x):\n    return math.sqrt(x)"
TESTS = ("assert f(4) == 2", "assert math.isclose(f(2), 1.41421, rel_tol=1e-4)", "assert f(-1) == 0", "assert f(9) > 2")


def test_each_test_has_its_verdict_and_the_first_bad_one_counts() -> None:
    found = verdicts(ROOT, TESTS, LIMITS)
    assert found == ("passed", "passed", "error", "passed")
    assert overall(found) == "error" and overall(found[:2]) == "passed"
    assert verdicts("def g(x): return x", TESTS[:1], LIMITS) == ("error",)
    assert verdicts("def f(x): return 1", TESTS[:2], LIMITS) == ("failed", "failed")


@pytest.mark.parametrize(
    ("program", "test"),
    [
        ("def f(x):\n    x.sort()", "x = [3, 1]\nf(x)\nassert x == [1, 3]"),
        ("class Node:\n    def __init__(s, v): s.left = None\ndef h(n): return 1 + h(n.left) if n else 0",
         "root = Node(1)\nroot.left = Node(2)\nassert h(root) == 2"),
        ("def f(x): return reversed(x)", "assert list(f([1, 2])) == [2, 1]"),
        ("def f(x): return {x}", "assert f(1) == set([1])"),
        ("import sys\ndef f(x): return sys.getsizeof(x)", "assert f((1, 'a')) == sys.getsizeof((1, 'a'))"),
        ("from collections import Counter\ndef f(x): return Counter(x)", "assert f('aab') == {'a': 2, 'b': 1}"),
        ("def sum(a, b): return 6", "assert sum(10, 15) == 6"),
        ("def f(x): return float('nan')", "assert f(1) != f(1)"),
        ("def f(x): x.append(3)",
         "a = [1, 2]\nb = a\nf(b)\nassert a == [1, 2, 3] and f(a) is None"),
        ("def f(x): x[0].append(1)", "a = []\nb = [a]\nc = b\nf(c)\nassert a == [1] and f(b) is None"),
        ("def f(x): x.sort()", "x = [3, 1]\nexpected = sorted(x)\nf(x)\nassert x == expected"),
        ("def f(x): x[0].append(2)", "a = [[1]]\nb = a.copy()\nf(b)\nassert a == [[1, 2]]"),
        ("def f(x): x[0].append(2)", "a = [[1]]\nb = [n for n in a]\nf(a)\nassert b == [[1, 2]] and f(b) is None"),
        ("def f(x): x[0].append(2)", "a = [[1]]\nb = a + [[3]]\nf(b[:1])\nassert a == [[1, 2]]"),
        ("def f(x): x[0].append(2)", "a = [1]\na.append([1])\nb = a[1:]\nf(b)\nassert a == [1, [1, 2]]"),
    ],
)  # fmt: skip
def test_tests_of_many_shapes_pass(program: str, test: str) -> None:
    assert verdicts(program, (test,), LIMITS) == ("passed",)


def test_the_value_compared_with_is_nowhere_in_the_process() -> None:
    source = (
        "import gc, sys\n"
        "def f():\n"
        "    found = set()\n"
        "    frame = sys._getframe()\n"
        "    while frame:\n"
        "        found |= {str(value) for value in [*frame.f_locals.values(), *frame.f_code.co_consts]}\n"
        "        frame = frame.f_back\n"
        "    found |= {str(one) for one in gc.get_objects() if type(one) in (str, list, tuple, dict)}\n"
        "    hits = [one for one in found if 'xq' + 'z7391' in one and 'hits' not in one]\n"
        "    return hits[0] if hits else 'nothing'\n"
    )
    tests = ("assert f() == 'xqz7391'", "assert f() == 'nothing'")
    assert verdicts(source, tests, LIMITS) == ("failed", "passed")


@pytest.mark.parametrize(
    ("test", "sent"),
    [
        ("expected = [3, 1, 4]\nassert f(1) == expected", ""),
        ("x = [3, 1]\nexpected = sorted(x)\nassert f(x) == expected", "x = [3, 1]"),
        ("x = [3, 1]\nexpected = x[1]\nassert f(x) == expected", "x = [3, 1]"),
        ("x = [3, 1]\nexpected = x.copy()\nexpected.sort()\nassert f(x) == expected", "x = [3, 1]"),
        ("expected = [3]\nx = [1]\nf(x)\nassert x == expected", "x = [1]\nf(x)"),
        ("x = [3]\nexpected = sorted(x)\nf(x)\nassert x == expected", "x = [3]\nf(x)"),
        ("import math as m\nexpected = m.pi\nassert f(m.e) == expected", "import math as m"),
        ("a, expected = 1, 2\nassert f(a) == expected", "a, expected = (1, 2)"),
        ("x = 3\nassert f(x) == x", "x = 3"),
        ("n = 2\nx = [n]\nassert f(x) == 1", "n = 2\nx = [n]"),
        ("x = [1]\nx.append(2)\nx[0] = 3\nassert f(x) == 5", "x = [1]\nx.append(2)\nx[0] = 3"),
        ("a = [1]\nb = a\nb.append(2)\nassert f(a) == 3", "a = [1]\nb = a\nb.append(2)"),
        ("i = iter([1, 2])\nfirst = next(i)\nassert f(i) == 2", "i = iter([1, 2])\nfirst = next(i)"),
        ("list = [1]\nassert f(list) == 1", "list = [1]"),
        ("x = [n for n in [1]]\ny = [n + 1 for n in [1]]\nassert f(x) == y", "x = [n for n in [1]]"),
    ],
)
def test_only_preparations_that_the_calls_need_are_sent(test: str, sent: str) -> None:
    assert parse(test).asked.setup == sent


@pytest.mark.parametrize(
    "test",
    [
        "expected = [3, 1, 4]\nassert f([3]) == expected",
        "x = [3]\nexpected = sorted(x)\nassert f(x) == expected",
        "x = [3]\nexpected = [1]\nf(x)\nassert f(x) == expected",
    ],
)
def test_a_program_does_not_find_the_value_compared_with_among_the_preparations(test: str) -> None:
    program = "def f(x): return globals()['expected']"
    assert verdicts(program, (test,), LIMITS) == ("error",)


def test_a_value_that_only_the_program_could_give_is_the_tests_fault() -> None:
    with pytest.raises(InputError, match=r"compares with iter\(\[1\]\), which gives no plain value"):
        verdicts("def f(x): return x", ("assert f(1) == iter([1])",), LIMITS)


def test_a_fault_of_the_machine_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    submission = judging.Submission("def f(x): return 8", ("assert f(1) == 7", "assert f(2) == abs(-8)"))
    with monkeypatch.context() as without:
        without.setattr(judging, "run_all", lambda programs: iter([[Fault("infra", "no memory")] * 2]))
        with pytest.raises(TwtError, match=r"could not be run\. It is not judged"):
            verdicts(*submission, LIMITS)
        assert judged([submission], LIMITS) == [judging.Judged(("infra", "infra"))]
    assert judged([submission], LIMITS) == [judging.Judged(("failed", "passed"))]  # it was not kept as a verdict


def test_nor_is_one_that_befalls_the_tests_own_values(monkeypatch: pytest.MonkeyPatch) -> None:
    submission = judging.Submission("def f(x): return 8", ("assert f(1) == sum([1, 7])",))
    with monkeypatch.context() as without:
        without.setattr(judging, "run", lambda *_: [Fault("infra", "no memory")])
        assert judged([submission], LIMITS) == [judging.Judged(("infra",))]
    assert judged([submission], LIMITS) == [judging.Judged(("passed",))]


@pytest.mark.parametrize(
    "test", ["assert f((([0] * 10**6) * 10**6) * 2) == 1", "assert f(min(iter(int, 1))) == 1"], ids=["oom", "timeout"]
)
def test_a_test_that_breaks_its_limits_by_itself_is_not_the_programs_fault(
    test: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "_OWN_LIMITS", Limits(seconds=1.0))
    sound = "assert f(1) == 1"
    with pytest.raises(InputError, match=r"by itself.*take the test out"):
        verdicts("def f(x): return x", (sound, test), LIMITS._replace(seconds=1.0))


def test_a_program_that_breaks_its_limits_is_to_blame() -> None:
    limits = LIMITS._replace(seconds=1.0)
    found = verdicts("def f(x):\n    while x: pass\n    return 0", ("assert f(0) == 0", "assert f(1) == 1"), limits)
    assert found == ("passed", "timeout")


def test_a_program_is_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("def f(x): return 71", ("assert f(1) == 71",), LIMITS)
    assert verdicts(*asked) == ("passed",)
    monkeypatch.setattr(judging, "run_all", lambda programs: (pytest.fail("it was run again") for _ in programs))
    assert verdicts(*asked) == ("passed",)


def test_equal_programs_of_a_batch_are_run_once_and_all_are_answered_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    run_all = judging.run_all
    monkeypatch.setattr(judging, "run_all", lambda programs: run_all(ran.append(1) or one for one in programs))
    sources = [f"def f(x): return {n}  # in a batch" for n in (7, 8, 7, 7)]
    found = judged([judging.Submission(source, ("assert f(1) == 7",)) for source in sources], LIMITS)
    assert [one.each for one in found] == [("passed",), ("failed",), ("passed",), ("passed",)] and len(ran) == 2


def test_a_bad_test_spoils_its_own_row_of_a_batch_alone() -> None:
    tests = [("assert f(1) == 1",), ("assert f(1) == iter([1])",), ("no test",)]
    found = judged([judging.Submission("def f(x): return 1", one) for one in tests], LIMITS)
    assert [one.each for one in found] == [("passed",), (), ()]
    assert [bool(one.fault) for one in found] == [False, True, True]


def test_what_a_program_defines() -> None:
    assert defined("import os\ndef f(): pass\nclass C: pass\ng = lambda: 1\nasync def h(): pass") == {
        "f",
        "C",
        "g",
        "h",
    }
    assert defined("no python at all") == defined("x = (" * 9000) == defined("\0") == set()


def test_a_test_taken_apart_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse("assert f(1) == 2").text = "x"  # type: ignore[misc]
