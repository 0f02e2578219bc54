"""What the site needs besides its pages: formulas as MathML, and a rule for links that leave docs/.

The pages are written for a repository's own viewer, too, so a formula is a block fenced as ``math`` and a link to code
is a relative path.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from latex2mathml.converter import convert

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

DOCS = Path(__file__).parent
ROOT = DOCS.parent

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?![a-z]+:|#|/)([^)\s#]+)(#[^)\s]*)?\)")
_SYMBOL = re.compile(r"^::: [\w.]+$", re.MULTILINE)
#: Options of mkdocstrings that leave the source, which has signature and docstring in it.
_SOURCE_ALONE = (
    "{show_source: true, show_signature: false, show_docstring_description: false, show_docstring_parameters: false, "
    "show_docstring_attributes: false, show_docstring_raises: false, members: false, heading_level: 4, "
    "show_root_full_path: true, show_root_toc_entry: false, separate_signature: false}"
)
#: The character is a small and raised one already: raised again, it is hardly to be seen.
_RAISED_PRIME = re.compile(r"<msup>(<mi>[^<]*</mi>)<mi>(&#x0203[23];)</mi></msup>")
#: What our tests read after a block's language is no Markdown to the site.
_NOTED = re.compile(r"^(```\w+) [\w-]+$", re.MULTILINE)
_FENCED = re.compile(r"^(```.*?^```[ \t]*$)", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Have blocks fenced as ``math`` written as MathML, which browsers show without a script."""
    fence = {"name": "math", "class": "math", "format": math_block}
    config.mdx_configs.setdefault("pymdownx.superfences", {})["custom_fences"] = [fence]
    return config


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links that leave docs/ to the repository; on a page that says ``sources: true``, show code alone."""
    here, repository = Path(page.file.src_uri).parent, str(config.extra["repository"] or "")
    linked = with_repository_links(_NOTED.sub(r"\1", markdown), here, repository, {file.src_uri for file in files})
    return _SYMBOL.sub(rf"\g<0>\n    options: {_SOURCE_ALONE}", linked) if page.meta.get("sources") else linked


def on_page_content(html: str, page: Page, **_: object) -> str:
    """Show sources opened on a page that is about them."""
    folded = '<details class="mkdocstrings-source">'
    return html.replace(folded, f"{folded[:-1]} open>") if page.meta.get("sources") else html


def with_repository_links(markdown: str, folder: Path, repository: str, own: set[str]) -> str:
    """A page with its links to files that the site does not have led to the repository.

    Args:
        markdown: the page.
        folder: of the page, relative to docs/.
        repository: what stands before a file's path in a link; empty: such links become their text.
        own: the site's own files, relative to docs/.
    """

    def led(link: re.Match[str]) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        path = (DOCS / folder / target).resolve()
        if not path.exists() or _inside(path, own):
            return link[0]  # a link that leads nowhere is for mkdocs to tell
        place = path.relative_to(ROOT).as_posix()
        return f"[{text}]({repository.rstrip('/')}/{place}{anchor})" if repository else text

    parts = _FENCED.split(markdown)
    return "".join(part if place % 2 else _LINK.sub(led, part) for place, part in enumerate(parts))


def _inside(path: Path, own: set[str]) -> bool:
    return path.is_relative_to(DOCS) and path.relative_to(DOCS).as_posix() in own


def math_block(source: str, _language: str, css_class: str, *_: object, **__: object) -> str:
    """A block of LaTeX as MathML; `pymdownx.superfences` calls it."""
    written = _RAISED_PRIME.sub(r"<mrow>\1<mo>\2</mo></mrow>", convert(source.strip(), display="block"))
    return f'<div class="{css_class}">{written}</div>'
