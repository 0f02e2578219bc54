import math

import pytest

from twt_core.errors import InputError
from twt_core.yaml_reader import read_yaml, read_yaml_text, show_path

READS = {
    "1e-4": 1e-4,
    "1.0e-5": 1e-5,
    "-3": -3,
    "010": 10,
    "0x1f": 31,
    ".5": 0.5,
    "-.inf": -math.inf,
    "no": False,
    "On": True,
    "~": None,
    "": None,
    "12:30": "12:30",
    "2024-01-01": "2024-01-01",
    "'no'": "no",
    "!!str 3": "3",
    "[1, a]": [1, "a"],
    "{a: {b: null}}": {"a": {"b": None}},
    "{1: a}": {"1": "a"},
    "é": "é",
}


@pytest.mark.parametrize(("text", "value"), READS.items())
def test_values(text, value):
    assert read_yaml_text(text, "x").value == value


def test_nan_is_read_for_the_settings_to_refuse():
    assert math.isnan(read_yaml_text(".nan", "x").value)


def test_positions(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbfname: x\r\nteachers:\r\n  - {use: a,\r\n     name: b}\r\n")
    document = read_yaml(file)
    assert document.value == {"name": "x", "teachers": [{"use": "a", "name": "b"}]}
    assert document.positions[("name",)] == (1, 1)
    assert document.positions[("teachers", 0)] == (3, 5)
    assert document.positions[("teachers", 0, "name")] == (4, 6)


BAD = {
    "duplicate key": ("a: 1\nb:\n  c: 1\n  c: 2\n", ":4:3 b.c: ", "already on line 3", "line 4"),
    "python tag": ("a: !!python/object/apply:os.system [ls]\n", ":1:4 ", "tag !!python/object", "not allowed"),
    "own tag": ("a: !secret x\n", ":1:4 ", "tag !secret", "not allowed"),
    "binary": ("a: !!binary aGk=\n", ":1:4 ", "tag !!binary", "not allowed"),
    "bad number": ("a: !!int x\n", ":1:4 ", "this is no int"),
    "anchor": ("a: &x 1\n", ":1:4 ", "write the value out"),
    "alias bomb": ("a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]\n", ":1:4 ", "write the value out"),
    "glob": ("a: *.txt\n", ":1:5 ", "quote the text"),
    "tab": ("student:\n\tmodel: x\n", ":2:1 ", "tab", "spaces"),
    "tab within": ("a:\n  b: 1\n\tc: 2\n", ":3:", "tab", "spaces"),
    "empty": ("", ":1:1 ", "empty", "twt init"),
    "comments only": ("# nothing\n", ":1:1 ", "empty"),
    "list": ("- a\n- b\n", ":1:1 ", "a list at the top"),
    "scalar": ("\nhello\n", ":2:1 ", "a single value at the top"),
    "two documents": ("a: 1\n---\nb: 2\n", ":2:1 ", "---"),
    "nested key": ("a: b: c\n", ":1:5 ", "quote a text"),
    "unclosed": ("a: [1, 2\nb: 3\n", ":2:", "not YAML"),
    "boolean key": ("no: 1\n", ":1:1 ", 'write "no"'),
    "list as key": ("[a]: 1\n", ":1:1 ", "a key is a plain word"),
    "deep": ("a: " + "[" * 2000 + "]" * 2000, ":1:", "nested more than"),
    "huge number": ("a: " + "9" * 5000, ":1:4 ", "this is no int"),
    "null byte": ("a: b\nc: \0\n", ":2:4 ", "U+0000"),
    "surrogate": ('a: "\\ud83d"\n', ":1:4 ", "surrogate"),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(tmp_path, case):
    text, *expected = BAD[case]
    file = tmp_path / "run.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_yaml(file)
    message = str(caught.value)
    assert message.startswith(f"{file}{expected[0]}"), message
    assert all(words in message for words in expected[1:]), message
    assert "\n" not in message


def test_invalid_utf8(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_bytes("é: 1\nb: ".encode() + b"\xff\n")
    with pytest.raises(InputError, match=r"run\.yaml:2:4 .*UTF-8"):
        read_yaml(file)


def test_file_not_found_names_the_nearest(tmp_path):
    (tmp_path / "quickstart.yaml").touch()
    with pytest.raises(InputError, match=r'no such file. Did you mean "quickstart.yaml"'):
        read_yaml(tmp_path / "quikstart.yaml")
    with pytest.raises(InputError, match="no folder"):
        read_yaml(tmp_path / "no" / "quikstart.yaml")
    with pytest.raises(InputError, match="this is a folder"):
        read_yaml(tmp_path)


def test_show_path():
    assert show_path(("teachers", 0, "name")) == "teachers[0].name"
    assert show_path(()) == ""
    assert show_path(("sk-" + "1" * 30,)) == "***"
