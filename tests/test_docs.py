"""The documentation runs: its code, its configs, its command lines, its links."""

from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
import typer
import yaml

from twt_core.bench.grid import has_grid, read_grid
from twt_core.cli import app
from twt_core.config import load_config, template_config

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
PAGES += [*sorted((ROOT / "docs" / "api").glob("*.md")), ROOT / "docs" / "results" / "index.md"]
PAGES += [ROOT / "examples" / name / "README.md" for name in ("mixture", "paper")]
#: Languages that are checked here, and formulas (test_docs_site.py). Anything else must be fenced as text, so that
#: nothing goes unchecked by oversight.
LANGUAGES = {"python", "yaml", "bash", "console", "toml", "json", "text", "math"}
#: A yaml block that is a whole config says so after its language: ```yaml full-config
FULL = "full-config"
#: Options that name a file of rows.
FILES = {"path", "labels", "answers"}

_FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]+)(#[^)\s]*)?\)|<img[^>]*\ssrc=\"(?!https?://)([^\"]+)\"")
_ANCHORED = re.compile(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


class Block(NamedTuple):
    page: Path
    line: int
    language: str
    note: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, _, note = match[1].strip().partition(" ")
        found.append(Block(page, text.count("\n", 0, match.start()) + 1, language, note, match[2]))
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def blocks(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def test_every_block_has_a_language_that_is_checked():
    assert {str(block): block.language for block in BLOCKS if block.language not in LANGUAGES} == {}


@pytest.mark.parametrize("page", [page for page in PAGES if any(b.language == "python" for b in blocks_of(page))])
def test_python_blocks_run_one_after_the_other(page, monkeypatch):
    name = f"docs_{page.stem.lower()}"
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)  # where pydantic looks annotations up
    for block in blocks_of(page):
        if block.language == "python":
            source = "\n" * block.line + block.text  # so that a traceback has the page's own line numbers
            exec(compile(source, str(page), "exec"), module.__dict__)


def named_files(value: object) -> set[str]:
    """Whatever a config gives as a path to data, however deep."""
    if isinstance(value, list):
        return set().union(*map(named_files, value))
    if not isinstance(value, dict):
        return set()
    own = {inner for key, inner in value.items() if key in FILES and isinstance(inner, str)}
    return own.union(*(named_files(inner) for inner in value.values()))


def load(text: str, folder: Path) -> None:
    for name in named_files(yaml.safe_load(text)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"id": "q1", "answer": "7"}\n', encoding="utf-8")
    file = folder / "run.yaml"
    file.write_text(text, encoding="utf-8")
    if has_grid(file):
        read_grid(file)
    else:
        load_config(file)


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_blocks_load(block, tmp_path):
    """A whole config as it stands; a part of one in the place of the same keys of `twt init`."""
    assert block.note in ("", FULL)
    value = yaml.safe_load(block.text)
    if not block.note:
        value = {**yaml.safe_load(template_config()), **value}
    load(block.text if block.note else yaml.safe_dump(value), tmp_path)


def test_the_template_config_loads(tmp_path):
    load(template_config(), tmp_path)


def commands(block: Block) -> list[list[str]]:
    """The `twt` and `make` lines of a block, as words; continued lines joined, redirections and comments left out."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    found = []
    for line in lines:
        words = shlex.split(line, comments=True)
        if ">" in words:
            words = words[: words.index(">")]
        if words and Path(words[0]).name in ("twt", "make"):
            found.append([Path(words[0]).name, *words[1:]])
    return found


TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
LINES = [(block, words) for block in blocks("bash", "console") for words in commands(block)]


@pytest.mark.parametrize(("block", "words"), LINES, ids=[f"{block} {shlex.join(words)}" for block, words in LINES])
def test_command_lines_exist(block, words):
    if words[0] == "make":
        assert {word for word in words[1:] if "=" not in word} <= TARGETS
        return
    group = typer.main.get_command(app)
    if words[1].startswith("-"):
        assert words[1] in {option for parameter in group.params for option in parameter.opts} | {"--help", "-h"}
        return
    assert words[1] in group.commands, f"{block}: no command twt {words[1]}"
    command, given = group.commands[words[1]], words[2:]
    if given and given[0] in getattr(command, "commands", {}):
        command, given = command.commands[given[0]], given[1:]
    try:
        command.make_context(command.name, given)
    except Exception as error:
        if hasattr(error, "format_message"):  # the parser's own
            pytest.fail(f"{block}: {shlex.join(words)}: {error.format_message()}")
        if type(error).__name__ != "Exit":  # which is what --help ends in
            raise


SCRIPTS = [
    (block, line.split("#")[0].split())
    for block in blocks("bash")
    for line in block.text.replace("\\\n", " ").splitlines()
    if re.match(r"(\.venv/bin/)?python [a-z]", line)
]


@pytest.mark.parametrize(("block", "words"), SCRIPTS, ids=[f"{block} {words[1]}" for block, words in SCRIPTS])
def test_scripts_are_there_with_their_options(block, words):
    source = (ROOT / words[1]).read_text(encoding="utf-8")
    assert [word for word in words if word.startswith("--") and f'"{word}"' not in source] == []


def test_every_command_is_in_the_readme():
    group = typer.main.get_command(app)
    shown = {words[1] for block, words in LINES if block.page.name == "README.md" and words[0] == "twt"}
    assert {name for name, command in group.commands.items() if not command.hidden} - shown == set()


@pytest.mark.parametrize("block", blocks("json", "toml"), ids=str)
def test_data_blocks_parse(block):
    if block.language == "toml":
        tomllib.loads(block.text)
        return
    for line in block.text.splitlines():
        json.loads(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_are_there(page):
    shown = _COMMENT.sub("", page.read_text(encoding="utf-8"))
    links = {first or second for first, _, second in _LINK.findall(shown)}
    missing = sorted(link for link in links if not (page.parent / link).exists())
    assert missing == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as a repository's viewer makes them."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    shown = [
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    ]
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in shown}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_headings_that_are_there(page):
    text = _COMMENT.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))
    links = [(page.parent / file if file else page, anchor) for file, anchor in _ANCHORED.findall(text)]
    assert [(file.name, anchor) for file, anchor in links if anchor not in anchors(file)] == []


def test_every_kind_and_hook_is_in_the_plugin_guide():
    from twt_core import plugins

    guide = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    names = {*plugins.KINDS, *(base.__name__ for base in plugins.KINDS.values())}
    names |= {method for base in plugins.KINDS.values() for method in base.__abstractmethods__}
    assert sorted(name for name in names if f"`{name}" not in guide) == []
