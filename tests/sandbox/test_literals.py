import json
import math
from collections import Counter, OrderedDict, defaultdict, namedtuple
from contextlib import suppress
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twt_core.sandbox.literals import LONGEST, decode, encode

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
    | st.binary(max_size=20) | st.complex_numbers(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=5), inner)
    | st.frozensets(st.integers() | st.text(max_size=3), max_size=4) | st.sets(st.tuples(st.integers()), max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(PLAIN)
def test_a_plain_value_comes_back_as_it_was(value: object) -> None:
    found = decode(encode(value))
    assert found == value
    assert repr(type(found)) == repr(type(value))


@pytest.mark.parametrize(
    "value", [10**400, -(2**64), 1.5e308, "\ud800", "\x00", -0.0, 1e-320, True, (), set(), {}, b""]
)
def test_so_do_the_odd_ones(value: object) -> None:
    assert repr(decode(encode(value))) == repr(value)


def test_not_a_number_stays_none() -> None:
    assert math.isnan(decode(encode(math.nan))) and decode(encode(-math.inf)) == -math.inf


Point = namedtuple("Point", "x y")
Level = IntEnum("Level", "LOW HIGH")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (Point(1, 2), (1, 2)),
        (Level.HIGH, 2),
    ],
)
def test_a_subclass_is_what_it_holds(value: object, plain: object) -> None:
    found = decode(encode(value))
    assert found == plain and type(found) is type(plain)


class Same(int):
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


@pytest.mark.parametrize(
    "value",
    [Same(3), [Same(3)], {Same(3): 1}, object(), iter([]), len, int, range(3)],
    ids=lambda value: type(value).__name__,
)
def test_nothing_else_is_sent(value: object) -> None:
    with pytest.raises(ValueError, match="no plain value"):
        encode(value)


@pytest.mark.parametrize("unit", ["x", "\u20ac", b"x", [1], [""], [()]], ids=repr)
def test_nothing_is_sent_that_is_long(unit: str | bytes | list[object]) -> None:
    assert len(encode(unit * 1000)) < LONGEST
    with pytest.raises(ValueError, match="too long"):
        encode(unit * LONGEST)


def test_nothing_is_sent_that_is_deep_or_a_huge_number() -> None:
    deep: list[object] = []
    deep.append(deep)
    for value in (deep, 1 << 300_000):
        with pytest.raises(ValueError, match="too"):
            encode(value)


@given(st.text() | st.recursive(st.text() | st.none() | st.integers(), st.lists, max_leaves=8).map(json.dumps))
def test_what_a_program_makes_up_is_a_value_or_refused(text: str) -> None:
    with suppress(ValueError):
        decode(text)


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"a": 1}', "[]", '["x"]', '["i"]', '["i", "zz"]', '["i", 3]', '["s", ["l"]]', '["d", [1]]',
     '["c", "x"]', '["b", "0"]', "[" * 20_000, '["l",' * 100 + "1" + "]" * 100, '"' + "x" * LONGEST + '"', "9" * 5000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        decode(text)
