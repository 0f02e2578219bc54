"""A page as one HTML file that loads nothing: styles, script, figures and data are in it, and nothing else may run."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import quote

from twt_core.report.blocks import Block, Page
from twt_core.report.canvas import for_dark_pages
from twt_core.report.texts import cut, visible
from twt_core.settings import Json

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

#: What would end the script element, or be read as markup or as a line's end by anything that reads the page.
_ESCAPES = {mark: f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}
#: The most characters of a cell or a heading.
_LONGEST = 500


def render(page: Page) -> str:
    """The page as HTML."""
    from markupsafe import Markup

    css, script = _part("report.css"), _part("report.js")
    policy = (
        f"default-src 'none'; script-src '{_source(script)}'; style-src '{_source(css)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    # Our own two files are no text of anybody's.
    return _template().render(page=page, css=Markup(css), script=Markup(script), policy=policy)


@cache
def _part(name: str) -> str:
    return files("twt_core.report").joinpath(name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """How a content security policy names a text that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_finalized, trim_blocks=True)
    environment.filters |= {
        "as_image": _as_image, "as_json": _as_json, "as_path": _as_path, "for_dark_pages": for_dark_pages,
        "kind": _kind, "short": _short,
    }  # fmt: skip
    return environment.from_string(_part("report.html.j2"))


def _finalized(value: object) -> object:
    return visible(value) if type(value) is str else value


def _short(text: str) -> str:
    return cut(text, _LONGEST)


def _kind(block: Block) -> str:
    return type(block).__name__


def _as_image(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _as_json(data: dict[str, Json]) -> Markup:
    from markupsafe import Markup

    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for mark, escaped in _ESCAPES.items():
        text = text.replace(mark, escaped)
    return Markup(text)  # no character of markup is left in it


def _as_path(path: str) -> str:
    # Begun so, it is a path, whatever is in it.
    return f"./{quote(path)}"
