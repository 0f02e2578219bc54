"""Tests of the form ``assert f(1, 2) == 3`` (MBPP, Austin et al. 2021, arXiv 2108.07732), taken apart.

What the program under test computes is evaluated with it; what it is compared with never is, unless the arguments need
it, too (`preparations`). Both come back as plain values, and `conditions` decides.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

from twt_core.sandbox.program import Snippet
from twt_plugins.task_evaluators.conditions import is_part
from twt_plugins.task_evaluators.preparations import names, needed, tied
from twt_plugins.task_evaluators.vetting import BUILTINS, MODULES, forbidden

_LONGEST = 10_000
_DEEPEST = 64
_COSTLY = (ast.comprehension, ast.BinOp, ast.JoinedStr)
_STATEMENTS = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
# What compares in the program's own process, where its objects may be equal to anything.
_COMPARING = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "contains", "countOf", "indexOf", "isclose"})


@dataclass(frozen=True)
class Assertion:
    """One test, taken apart.

    Attributes:
        text: the test as it is written.
        names: what the program has to define.
        asked: what is evaluated with the program: those of the test's preparations that it needs, then the
            expressions named v0, v1, ...
        expected: what is evaluated without it, in the same way: the expressions named by `computed`.
        computed: the names of `expected`'s expressions in the condition.
        literals: the other values in the condition, by name.
        condition: what must hold, over those names.
    """

    text: str
    names: frozenset[str]
    asked: Snippet
    expected: Snippet
    computed: tuple[str, ...]
    literals: dict[str, object] = field(compare=False)
    condition: ast.expr = field(compare=False)

    def is_costly(self) -> bool:
        """Whether what is asked does more by itself than to call the program once with values written out."""
        return bool(self.asked.setup) or any(map(_is_costly, self.asked.expressions))


@lru_cache(maxsize=4096)
def parse(text: str) -> Assertion:
    """Take a test apart.

    Raises:
        ValueError: it is no test, or one that cannot be decided outside the program; with what would do.
    """
    statements = _statements(text)
    *before, last = statements
    if not isinstance(last, ast.Assert) or not all(isinstance(one, _STATEMENTS) for one in before):
        raise ValueError(f"the test {_shown(text)} is not of the form: assert f(1) == 2, with preparations before it")
    for statement in statements:
        if problem := forbidden(statement):
            raise ValueError(f"the test {_shown(text)} {problem}, which no test may")
    modules = _modules(statements)
    try:
        return _Parts(text, modules, BUILTINS).taken_apart(before, last.test)
    except _NothingAsked:  # a program may have a function of its own under a built-in name: assert sum(10, 15) == 6
        return _Parts(text, modules, BUILTINS - _called(last.test)).taken_apart(before, last.test)


def defined(source: str) -> set[str]:
    """The names that a program gives a meaning to at its top; none for what is no Python."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about the program's escapes
            body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found: set[str] = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {one.id for one in node.targets if isinstance(one, ast.Name)}
    return found


def _statements(text: str) -> list[ast.stmt]:
    if len(text) > _LONGEST:
        raise ValueError(f"a test of {len(text)} characters: at most {_LONGEST}")
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"the test {_shown(text)} is not Python: {error}") from None
    if _is_deep(body):  # whatever walks it goes as deep
        raise ValueError(f"the test {_shown(text)} nests more than {_DEEPEST} deep")
    return body or [ast.Pass()]


def _is_deep(body: Sequence[ast.AST]) -> bool:
    for _ in range(_DEEPEST):
        body = [child for node in body for child in ast.iter_child_nodes(node)]
    return bool(body)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _modules(statements: Sequence[ast.stmt]) -> set[str]:
    """Modules that a test uses as such, imported by it or not: MBPP's tests rely on the program's own imports."""
    nodes = [node for statement in statements for node in ast.walk(statement)]
    named = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    dotted = [node.value.id for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)]
    return {name for name in set(dotted) & MODULES if named.count(name) == dotted.count(name)}


def _called(condition: ast.expr) -> set[str]:
    calls = [node.func for node in ast.walk(condition) if isinstance(node, ast.Call)]
    return {called.id for called in calls[:1] if isinstance(called, ast.Name)}


def _bound(node: ast.AST) -> set[str]:
    """The names that only mean something within a node: of its comprehensions and lambdas."""
    walked = list(ast.walk(node))
    targets = [one.target for one in walked if isinstance(one, ast.comprehension)]
    arguments = {one.arg for one in walked if isinstance(one, ast.arg)}
    return arguments.union(*(names(target) for target in targets))


def _is_costly(expression: str) -> bool:
    nodes = list(ast.walk(ast.parse(expression)))
    calls = sum(isinstance(node, ast.Call) for node in nodes)
    return calls > 1 or any(isinstance(node, _COSTLY) for node in nodes)


def _compares(node: ast.AST, known: set[str]) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return module in known and name in _COMPARING
        case ast.Name(id=name):
            return name in known & _COMPARING
    return isinstance(node, ast.Compare)


def _for_later(statement: ast.AST) -> list[ast.AST]:
    """What a statement does not evaluate but keeps: the insides of lambdas, and functions that it does not call."""
    walked = list(ast.walk(statement))
    called = [node.func for node in walked if isinstance(node, ast.Call)]
    lambdas = [one for node in walked if isinstance(node, ast.Lambda) for one in ast.walk(node.body)]
    kept = [one for one in walked if isinstance(one, (ast.Name, ast.Attribute)) and one not in called]
    return [*lambdas, *kept]


def _name(name: str) -> ast.Name:
    return ast.Name(id=name, ctx=ast.Load())


def _rebuilt(node: ast.expr, each: Callable[[ast.expr], ast.expr]) -> ast.expr:
    """A part of a condition, with `each` of its operands replaced."""
    match node:
        case ast.Compare():
            return ast.Compare(each(node.left), node.ops, [each(one) for one in node.comparators])
        case ast.BoolOp():
            return ast.BoolOp(node.op, [each(one) for one in node.values])
        case ast.UnaryOp():
            return ast.UnaryOp(node.op, each(node.operand))
        case ast.BinOp():
            return ast.BinOp(each(node.left), node.op, each(node.right))
        case ast.Call():
            named = [ast.keyword(one.arg, each(one.value)) for one in node.keywords]
            return ast.Call(node.func, [each(one) for one in node.args], named)
    return node


class _NothingAsked(ValueError):
    """A test that calls nothing of the program."""


class _Parts:
    """The parts of one test while it is taken apart."""

    def __init__(self, text: str, modules: set[str], builtin: frozenset[str]) -> None:
        self.text = text
        self.builtin = builtin
        self.known = set(modules)  # names whose meaning does not depend on the program
        self.imports = [f"import {name}" for name in sorted(modules)]
        self.earlier: list[ast.stmt] = []
        self.needed: set[str] = set()
        self.used: set[str] = set()
        self.asked: list[str] = []
        self.expected: list[str] = []
        self.computed: list[str] = []
        self.literals: dict[str, object] = {}

    def taken_apart(self, before: Sequence[ast.stmt], condition: ast.expr) -> Assertion:
        free = [statement for statement in before if self._prepared(statement)]
        split = self._split(condition)
        if not self.asked:
            raise _NothingAsked(f"the test {_shown(self.text)} calls no function of the program")
        return Assertion(
            self.text,
            frozenset(self.needed - {name for statement in before for name in names(statement, ast.Store)}),
            Snippet("\n".join([*self.imports, *map(ast.unparse, needed(before, free, self.used))]), tuple(self.asked)),
            Snippet("\n".join([*self.imports, *map(ast.unparse, free)]), tuple(self.expected)),
            tuple(self.computed),
            self.literals,
            split,
        )

    def _prepared(self, statement: ast.stmt) -> bool:
        """Whether a preparation is free of the program; then the names it sets are known."""
        unknown, met = self._unknown(statement), names(statement)
        self.earlier.append(statement)
        # Of the program's values here, or later of whatever is given to what is set here.
        if any(_compares(one, self.known) for one in (ast.walk(statement) if unknown else _for_later(statement))):
            raise self._compared_within(statement)
        if unknown:
            self.needed |= unknown
            self.known -= tied(self.earlier, met)  # the program may have changed what it was given
            return False
        self.known |= met
        return True

    def _unknown(self, node: ast.AST) -> set[str]:
        return names(node, ast.Load) - self.builtin - self.known - _bound(node)

    def _split(self, node: ast.expr) -> ast.expr:
        unknown = self._unknown(node)
        if not unknown:
            return self._constant(node)
        if is_part(node):
            return _rebuilt(node, self._split)
        called = node.func if isinstance(node, ast.Call) else None
        own = isinstance(called, ast.Name) and called.id in unknown
        if not own and any(_compares(one, self.known) for one in ast.walk(node)):
            raise self._compared_within(node)
        self.needed |= unknown
        self.used |= names(node)
        self.asked.append(ast.unparse(node))
        return _name(f"v{len(self.asked) - 1}")

    def _compared_within(self, node: ast.AST) -> ValueError:
        return ValueError(f"the test {_shown(self.text)} compares within {_shown(ast.unparse(node))}: compare outside")

    def _constant(self, node: ast.expr) -> ast.expr:
        name = f"c{len(self.literals) + len(self.computed)}"
        with suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            self.literals[name] = ast.literal_eval(node)
            return _name(name)
        self.computed.append(name)
        self.expected.append(ast.unparse(node))
        return _name(name)
