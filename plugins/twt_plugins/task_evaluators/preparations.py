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
_MAKING = frozenset({"bytes", "deepcopy", "frozenset", "len", "set", "str"})
_NEW = (ast.UnaryOp, ast.Compare, ast.Constant, ast.JoinedStr, ast.SetComp)
# The same, of what holds plain values alone: they are copied one level deep.
_COPYING = frozenset({"Counter", "OrderedDict", "copy", "deque", "dict", "list", "sorted", "sum", "tuple"})
_COPIES = (ast.BinOp, ast.ListComp, ast.DictComp)
_PLAIN = (ast.Constant, ast.UnaryOp, ast.operator, ast.unaryop, ast.expr_context)


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
    variables, plain = _variables(before), _plain(before)
    changed: set[str] = set().union(*(names(one) for one in free if _changes(one)))
    while more := [one for one in free if one not in kept and _touched(one, variables, changed, plain) & used]:
        kept += more
        used = used.union(*map(names, more))
    return [one for one in before if one in kept]


def tied(before: Sequence[ast.stmt], to: set[str]) -> set[str]:
    """The variables whose values a call that is given the names `to` may change: those, and their aliases."""
    variables, plain = _variables(before), _plain(before)
    groups = [
        _touched(one, variables, variables, plain)
        for one in before
        if not isinstance(one, (ast.Import, ast.ImportFrom))
    ]
    found = to & variables
    while more := set().union(*(group for group in groups if group & found)) - found:
        found |= more
    return found


def _touched(statement: ast.stmt, variables: set[str], changed: set[str], plain: set[str]) -> set[str]:
    """The names that a statement sets or changes, or may make aliases of one that is changed."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return names(statement)
    every = names(statement) & variables
    if not isinstance(statement, ast.Assign) or _changes(statement):
        return every
    targets = _variables([statement])
    return every if targets & changed and not _is_new(statement.value, plain) else targets


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


def _is_new(value: ast.expr, plain: set[str]) -> bool:
    holds_plain = names(value, ast.Load) & plain >= names(value, ast.Load) - _COPYING - _bound(value)
    match value:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in _MAKING or (name in _COPYING and holds_plain)
        case ast.Subscript(slice=ast.Slice()):
            return holds_plain
    return isinstance(value, _NEW) or (isinstance(value, _COPIES) and holds_plain)


def _bound(value: ast.expr) -> set[str]:
    """The names that a comprehension gives to what it goes through."""
    return set().union(*(names(one.target) for one in ast.walk(value) if isinstance(one, ast.comprehension)))


def _plain(statements: Sequence[ast.stmt]) -> set[str]:
    """The variables that are set once, to a display of plain values, and not changed but by the program."""
    names_set = [name for one in statements if isinstance(one, ast.Assign) for name in sorted(_variables([one]))]
    changed = set().union(*(names(one) for one in statements if _changes(one) and not _is_a_call(one)))
    shown = [one for one in statements if isinstance(one, ast.Assign) and _is_flat(one.value)]
    return {name for name in _variables(shown) - changed if names_set.count(name) == 1}


def _is_a_call(statement: ast.stmt) -> bool:
    """Whether a statement calls a function of its own: what the program has changed is not known from there on."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id=name))):
            return name not in _CHANGING
    return False


def _is_flat(value: ast.expr) -> bool:
    parts = list(ast.walk(value))[1:]
    return isinstance(value, (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Constant)) and all(
        isinstance(part, _PLAIN) for part in parts
    )
