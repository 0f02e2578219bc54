"""What a data set's own test code may do: it runs beside the program, which must not be blamed for its faults."""

from __future__ import annotations

import ast
import builtins

#: The built-ins that a test may use.
BUILTINS = frozenset({
    "abs", "all", "any", "ascii", "bin", "bool", "bytearray", "bytes", "callable", "chr", "complex", "dict", "divmod",
    "enumerate", "filter", "float", "format", "frozenset", "hash", "hex", "int", "isinstance", "issubclass", "iter",
    "len", "list", "map", "max", "min", "next", "object", "oct", "ord", "pow", "range", "repr", "reversed", "round",
    "set", "slice", "sorted", "str", "sum", "tuple", "type", "zip",
})  # fmt: skip
#: The modules that a test may use.
MODULES = frozenset({
    "bisect", "cmath", "collections", "copy", "datetime", "decimal", "fractions", "functools", "heapq", "itertools",
    "math", "operator", "re", "statistics", "string", "sys", "typing",
})  # fmt: skip

_OF_SYS = frozenset({"getsizeof", "maxsize"})
_LARGEST_POWER = 100
_MOST_COPIES = 10**6


def forbidden(statement: ast.stmt) -> str | None:
    """What a statement of a test does that none may, as in: uses exit. None: nothing."""
    for node in ast.walk(statement):
        if problem := _naming(node) or _importing(node) or _costing(node):
            return problem
    return None


def _naming(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name) if name.startswith("__") or (hasattr(builtins, name) and name not in BUILTINS):
            return f"uses {name}"
        case ast.Attribute(attr=name) if name.startswith("_"):
            return f"uses .{name}"
        case ast.Attribute(value=ast.Name(id="sys"), attr=name) if name not in _OF_SYS:
            return f"uses sys.{name}"
        case ast.Await() | ast.Yield() | ast.YieldFrom() | ast.NamedExpr():
            return "is written with await, yield or :="
    return None


def _importing(node: ast.AST) -> str | None:
    match node:
        case ast.Import(names=names):
            places = [one.name for one in names]
        case ast.ImportFrom(module=module, names=names):
            places = [module or "."] + [one.name for one in names if one.name == "*"]
        case _:
            return None
    allowed = MODULES - {"sys"} if isinstance(node, ast.ImportFrom) else MODULES
    unknown = [place for place in places if place.partition(".")[0] not in allowed]
    return f"imports {unknown[0]}" if unknown else None


def _costing(node: ast.AST) -> str | None:
    match node:
        case ast.BinOp(op=ast.Pow() | ast.LShift(), right=ast.Constant(value=int(power))) if power <= _LARGEST_POWER:
            return None
        case ast.BinOp(op=ast.Pow() | ast.LShift()):
            return "raises to a large or unknown power"
        case ast.BinOp(op=ast.Mult()) if _copies(node.left) or _copies(node.right):
            return "makes too many copies"
    return None


def _copies(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value > _MOST_COPIES
