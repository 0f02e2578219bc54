"""What a test says about plain values, decided here and not by the program under test."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

# Of what is computed here with the numbers that a program chose.
_MOST_BITS = 1 << 20
_MOST_DIGITS = 400  # no float is beyond 1e309, or nearer to 0 than 1e-324
_NUMBERS = (bool, int, float, complex)


def _multiplied(left: Any, right: Any) -> Any:
    if not (isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS)):
        raise TypeError("only numbers are multiplied here: a repeated text could fill the memory")
    if sum(one.bit_length() for one in (left, right) if isinstance(one, int)) > _MOST_BITS:
        raise ValueError(f"a product of more than {_MOST_BITS} bits")
    return left * right


def _rounded(number: Any, ndigits: Any = None) -> Any:
    if isinstance(ndigits, int) and abs(ndigits) > _MOST_DIGITS:  # it would compute 10 ** ndigits
        raise ValueError(f"rounded to more than {_MOST_DIGITS} digits")
    return round(number, ndigits)


_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _multiplied,
    ast.Div: operator.truediv,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "round": _rounded,
    "isclose": math.isclose,
    "math.isclose": math.isclose,
}


def is_part(node: ast.expr) -> bool:
    """Whether `holds` can evaluate a node, given the values of the expressions in it."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in _FUNCTIONS and not any(isinstance(one, ast.Starred) for one in node.args)
    if isinstance(node, ast.BinOp):
        return type(node.op) in _ARITHMETIC
    if isinstance(node, ast.UnaryOp):
        return type(node.op) in _UNARY
    return isinstance(node, (ast.Compare, ast.BoolOp))


def holds(condition: ast.expr, values: Mapping[str, object]) -> bool:
    """Whether a condition over named plain values is true. Values that it cannot be asked of make it false."""
    try:
        return bool(_value(condition, values))
    except (TypeError, ValueError, ArithmeticError, RecursionError):
        return False


def _value(node: ast.expr, values: Mapping[str, object]) -> Any:
    match node:
        case ast.Name():
            return values[node.id]
        case ast.BoolOp():
            return _chained(node, values)
        case ast.Compare():
            return _compared(node, values)
        case ast.UnaryOp():
            return _UNARY[type(node.op)](_value(node.operand, values))
        case ast.BinOp():
            return _computed(node, values)
        case ast.Call():
            named = {keyword.arg or "": _value(keyword.value, values) for keyword in node.keywords}
            return _FUNCTIONS[ast.unparse(node.func)](*[_value(one, values) for one in node.args], **named)
    raise TypeError(f"{type(node).__name__} is no part of a condition")


def _chained(node: ast.BoolOp, values: Mapping[str, object]) -> Any:
    found: Any = None
    for part in node.values:
        found = _value(part, values)
        if bool(found) is isinstance(node.op, ast.Or):
            return found
    return found


def _compared(node: ast.Compare, values: Mapping[str, object]) -> Any:
    left, found = _value(node.left, values), None
    for sign, operand in zip(node.ops, node.comparators, strict=True):
        right = _value(operand, values)
        found = _COMPARISONS[type(sign)](left, right)
        if not found:
            return found
        left = right
    return found


def _computed(node: ast.BinOp, values: Mapping[str, object]) -> Any:
    return _ARITHMETIC[type(node.op)](_value(node.left, values), _value(node.right, values))
