"""Every message that the troubleshooting page quotes is one that the code, or the command line's library, says."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "troubleshooting.md"
QUOTED = re.findall(r"^### `(.+)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
#: What stands in a message's text for a part that differs from case to case.
VARIES = "\0"


def said(node: ast.AST) -> Iterator[str]:
    """The texts of a module, f-strings with a mark for what they insert; texts that are added up as one."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [*said(node.left), *said(node.right)]
        yield VARIES.join(parts)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else VARIES for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from said(child)


def installed(package: str) -> Path:
    """Where a library's code lies; it is not imported."""
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


@lru_cache
def texts() -> list[str]:
    folders = [ROOT / "twt_core", ROOT / "plugins" / "twt_plugins", installed("typer")]
    sources = [path for folder in folders for path in folder.rglob("*.py")]
    return [" ".join(text.split()) for path in sorted(sources) for text in said(ast.parse(path.read_text("utf-8")))]


def fixed_parts(message: str) -> list[str]:
    return [part.strip() for part in message.split("...") if len(part.strip(" :,.;()")) > 2]


@pytest.mark.parametrize("message", QUOTED)
def test_a_quoted_message_is_in_the_code(message):
    parts = fixed_parts(message)
    assert parts, "quote a part that does not differ"
    pattern = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
    assert any(pattern.search(text) for text in texts()), f"the code does not say: {message}"


def test_no_message_is_quoted_twice():
    assert len(QUOTED) == len(set(QUOTED))


def test_the_causes_of_failed_calls_are_named_as_the_clients_name_them():
    rows = re.findall(r"^\| ([^|]*`\w+Error`[^|]*) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`(\w+Error)`", row)}
    files = [installed("litellm") / "exceptions.py", installed("aiohttp") / "client_exceptions.py"]
    classes = {name for file in files for name in re.findall(r"^class (\w+)", file.read_text("utf-8"), re.MULTILINE)}
    assert len(names) > 5
    assert names - classes == set()


def test_every_exit_code_is_explained():
    import inspect

    from twt_core import errors

    codes = {
        cls.exit_code for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.TwtError)
    }
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)}
    assert codes | {0, 130, 137} == rows  # done, interrupted, killed
