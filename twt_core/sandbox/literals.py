"""Plain values as text and back. What crosses the border of a contained process is these, and no objects.

None, booleans, numbers, strings, bytes, lists, tuples, sets and dicts, by their content. The text is JSON, in which
everything but None, booleans, floats, strings and small integers is a list that starts with its type.
"""

from __future__ import annotations

import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The longest text of a value, in characters: a comparison outside must stay cheap, whatever was made to collide.
LONGEST = 65_536

_DEEPEST = 60
_SMALL = 1 << 53
_TAGS: dict[type, str] = {list: "l", tuple: "t", set: "s", frozenset: "z"}
_TYPES = {tag: kind for kind, tag in _TAGS.items()}
_ALIKE = ("Counter", "OrderedDict")  # their own equality is a dict's where the other is a plain dict


def _integer(value: int) -> object:
    value = int.__int__(value)
    if value.bit_length() > 4 * LONGEST:
        raise ValueError("too long")
    return value if -_SMALL < value < _SMALL else ["i", hex(value)]


_SIMPLE: dict[type, Any] = {
    int: _integer,
    float: float.__float__,
    str: str.__str__,
    bytes: lambda value: ["b", bytes.hex(value)],
    complex: lambda value: ["c", complex.__repr__(value)],
}


def encode(value: object) -> str:
    """A value as text. A subclass's value is taken as its base's, unless it has an equality of its own.

    Raises:
        ValueError: it is no plain value, too deep, or too long.
    """
    text = json.dumps(_encoded(value, 0, [LONGEST]))
    if len(text) > LONGEST:
        raise ValueError("too long")
    return text


def _encoded(value: Any, depth: int, left: list[int]) -> object:
    left[0] -= 1
    kind = _kind(value)
    if depth > _DEEPEST or left[0] < 0 or (kind in (str, bytes) and kind.__len__(value) > LONGEST):
        raise ValueError("too deep or too long")
    if kind in _SIMPLE:
        return _SIMPLE[kind](value)
    if kind is dict:
        pairs = dict.items(value)
        return ["d", *[[_encoded(key, depth + 1, left), _encoded(one, depth + 1, left)] for key, one in pairs]]
    if kind in _TAGS:
        return [_TAGS[kind], *[_encoded(one, depth + 1, left) for one in kind.__iter__(value)]]
    return value


def _kind(value: object) -> Any:
    kind = type(value)
    if kind in (bool, type(None)):
        return kind
    for base in (*_SIMPLE, *_TAGS, dict):
        if kind is base or (issubclass(kind, base) and (_equality(kind) is _equality(base) or _like_a_dict(kind))):
            return base
    raise ValueError(f"{kind.__name__} is no plain value")


def _equality(kind: Any) -> object:
    return kind.__eq__


def _like_a_dict(kind: type) -> bool:
    known = vars(sys.modules.get("collections", object))
    return any(kind is known.get(name) for name in _ALIKE)


def decode(text: str) -> Any:
    """The value of a text of `encode`, or of anybody who pretends that it is one.

    Raises:
        ValueError: it is none.
    """
    if len(text) > LONGEST:
        raise ValueError("too long")
    try:
        return _decoded(json.loads(text), 0)
    except (TypeError, IndexError, RecursionError) as error:
        raise ValueError(f"no plain value: {type(error).__name__}") from None


def _decoded(found: Any, depth: int) -> Any:
    if depth > _DEEPEST or isinstance(found, dict):
        raise ValueError("no plain value")
    if not isinstance(found, list):
        return found
    tag, *parts = found
    if tag == "i":
        return int(parts[0], 16)
    if tag == "b":
        return bytes.fromhex(parts[0])
    if tag == "c":
        return complex(parts[0])
    if tag == "d":
        return {_decoded(key, depth + 1): _decoded(one, depth + 1) for key, one in parts}
    if tag not in _TYPES:
        raise ValueError("no plain value")
    return _TYPES[tag](_decoded(one, depth + 1) for one in parts)
