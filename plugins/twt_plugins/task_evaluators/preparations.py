"""What the statements before a test's ``assert`` do to its variables: who needs them, and what a call may change."""

from __future__ import annotations

import ast
from collections.abc import Sequence

# What changes its object or an argument, of the types and modules that a test may use.
_CHANGING = frozenset({
    "add", "append", "appendleft", "clear", "delitem", "difference_update", "discard", "extend", "extendleft",
    "heapify", "heappop", "heappush", "heappushpop", "heapreplace", "iadd", "iand", "iconcat", "imul", "insert",
    "insort", "insort_left", "insort_right", "intersection_update", "ior", "isub", "ixor", "methodcaller",
    "move_to_end", "next", "pop", "popitem", "popleft", "remove", "reverse", "rotate", "setdefault", "setitem", "sort",
    "subtract", "symmetric_difference_update", "update",
})  # fmt: skip
# Calls and expressions whose value is a new object: to change it leaves what it was made from as it is.
_MAKING = frozenset({
    "Counter", "OrderedDict", "bytes", "copy", "deepcopy", "deque", "dict", "frozenset", "len", "list", "set", "sorted",
    "str", "sum", "tuple",
})  # fmt: skip
_NEW = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Constant, ast.JoinedStr, ast.ListComp, ast.SetComp, ast.DictComp)


def names(node: ast.AST, context: type[ast.expr_context] = ast.expr_context) -> set[str]:
    """The names in a node; what an import names is one that is stored."""
    walked = list(ast.walk(node))
    found = {one.id for one in walked if isinstance(one, ast.Name) and isinstance(one.ctx, context)}
    imported = {(one.asname or one.name).partition(".")[0] for one in walked if isinstance(one, ast.alias)}
    return found if context is ast.Load else found | imported


def needed(before: Sequence[ast.stmt], free: Sequence[ast.stmt], used: set[str]) -> list[ast.stmt]:
    """The preparations that the program's process needs, in order; what only the value compared with needs stays out.

    They are those that call the program, and those that set or change a name that is used there. What the arguments
    and the value compared with both need is among them, so that a program can find it: ``assert f(x) == x``.

    Args:
        before: all preparations.
        free: those of them that do not call the program.
        used: the names in the expressions that are evaluated with the program.
    """
    kept = [one for one in before if one not in free]
    used = used.union(*map(names, kept))
    variables = _variables(before)
    changed: set[str] = set().union(*(names(one) for one in free if _changes(one)))
    while more := [one for one in free if one not in kept and _touched(one, variables, changed) & used]:
        kept += more
        used = used.union(*map(names, more))
    return [one for one in before if one in kept]


def tied(before: Sequence[ast.stmt], to: set[str]) -> set[str]:
    """The variables whose values a call that is given the names `to` may change: those, and their aliases."""
    variables = _variables(before)
    groups = [
        _touched(one, variables, variables) for one in before if not isinstance(one, (ast.Import, ast.ImportFrom))
    ]
    found = to & variables
    while more := set().union(*(group for group in groups if group & found)) - found:
        found |= more
    return found


def _touched(statement: ast.stmt, variables: set[str], changed: set[str]) -> set[str]:
    """The names that a statement sets or changes, or may make aliases of one that is changed."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return names(statement)
    every = names(statement) & variables
    if not isinstance(statement, ast.Assign) or _changes(statement):
        return every
    targets = _variables([statement])
    return every if targets & changed and not _is_new(statement.value) else targets


def _variables(statements: Sequence[ast.stmt]) -> set[str]:
    targets = [target for one in statements if isinstance(one, ast.Assign) for target in one.targets]
    return set().union(*map(names, targets))


def _changes(statement: ast.stmt) -> bool:
    """Whether a statement may change an object that another name has, too."""
    if not isinstance(statement, ast.Assign):
        return isinstance(statement, ast.Expr)
    words = {one.attr if isinstance(one, ast.Attribute) else one.id for one in _worded(statement.value)}
    parts = [one for target in statement.targets for one in ast.walk(target)]
    return bool(words & _CHANGING) or any(isinstance(one, (ast.Attribute, ast.Subscript)) for one in parts)


def _worded(node: ast.expr) -> list[ast.Attribute | ast.Name]:
    return [one for one in ast.walk(node) if isinstance(one, (ast.Attribute, ast.Name))]


def _is_new(value: ast.expr) -> bool:
    match value:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in _MAKING
        case ast.Subscript(slice=ast.Slice()):
            return True
    return isinstance(value, _NEW)
