"""Writing a new plugin's folder from the templates, whole or not at all."""

from __future__ import annotations

import ast
import tempfile
from pathlib import Path

from twt_core import hookspecs, plugins
from twt_core.errors import InputError
from twt_core.plugin_kit.start import Start, checked_start
from twt_core.run import engine_version

_TEMPLATES = Path(__file__).parent / "templates"


def new_plugin(name: str, kind: str, parent: Path, component: str | None = None) -> Start:
    """Write a package that registers one component of `kind`, into a folder of its name in `parent`.

    Args:
        name: the distribution's name.
        kind: the component's kind, e.g. ``diversity_selector``.
        parent: a folder that is there.
        component: the component's name; by default the distribution's without its ``twt-``.

    Raises:
        InputError: a name that is not valid or taken, or a folder that is there already or cannot be written.
    """
    start = checked_start(name, kind, parent, component)
    files = _rendered(start)
    _check_class_name(start, [text for path, text in files.items() if path.endswith(".py")])
    try:
        _write(start.folder, files)
    except OSError as error:
        raise InputError(f"{start.folder}: cannot write: {error.strerror or error}") from error
    return start


def _sources(start: Start) -> dict[str, str]:
    """The template of each file."""
    return {
        ".github/workflows/ci.yml": "ci.yml.j2",
        ".gitignore": "gitignore.j2",
        "README.md": "README.md.j2",
        "pyproject.toml": "pyproject.toml.j2",
        f"src/{start.package}/__init__.py": f"kinds/{start.kind}.py.j2",
        f"src/{start.package}/py.typed": "py.typed.j2",
        f"tests/test_{start.package}.py": f"kinds/test_{start.kind}.py.j2",
    }


def _rendered(start: Start) -> dict[str, str]:
    import jinja2

    loader = jinja2.FileSystemLoader(_TEMPLATES)
    # Python, TOML and markdown are written here, and all names are checked: there is no HTML to escape.
    environment = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True, autoescape=False
    )
    hook, base = next((hook, base) for hook, base in plugins.KINDS.items() if base.kind == start.kind)
    names = {
        **start._asdict(),
        "class_name": start.class_name,
        "base": base.__name__,
        "hook": hook,
        "contract": hookspecs.CONTRACT_VERSION,
        "requirement": _requirement(engine_version()),
    }
    return {path: environment.get_template(source).render(names) for path, source in _sources(start).items()}


def _requirement(engine: str) -> str:
    # A local part (+...) names one machine's build; without digits there is no version, only the source.
    return f"twt-distill>={engine.partition('+')[0]}" if engine[0].isdigit() else "twt-distill"


def _check_class_name(start: Start, modules: list[str]) -> None:
    nodes = [node for module in modules for node in ast.walk(ast.parse(module))]
    imported = [alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
    if imported.count(start.class_name) > 1:  # once by its test
        raise InputError(
            f"{start.component!r}: its class would be {start.class_name}, which the package imports: --component gives "
            "another"
        )


def _write(folder: Path, files: dict[str, str]) -> None:
    # Made beside its place and moved there at once, so that it is never there in part.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as beside:
        whole = Path(beside) / folder.name
        for name, text in files.items():
            (whole / name).parent.mkdir(parents=True, exist_ok=True)
            (whole / name).write_text(text, encoding="utf-8", newline="\n")
        whole.rename(folder)
