"""The texts that a page shows, without a browser."""

from __future__ import annotations

from html.parser import HTMLParser


def texts_of(page: str) -> list[str]:
    """Every text in order, stripped; styles and scripts apart."""
    reader = _Texts()
    reader.feed(page)
    return reader.found


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in {"style", "script"} and data.strip():
            self.found.append(data.strip())
