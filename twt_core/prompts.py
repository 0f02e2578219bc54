"""Prompt templates: one file a prompt, rendered in a sandbox, with every variable accounted for.

A template is Jinja text. Lines ``--- system``, ``--- user`` and ``--- assistant`` cut it into chat messages; the cut is
made *before* rendering, so that nothing a row holds can start a message of its own.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple, cast

import jinja2
import jinja2.meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

Role = Literal["system", "user", "assistant"]

_MARKER = re.compile(r"^--- (system|user|assistant)[ \t]*$", re.MULTILINE)
_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)


class Message(NamedTuple):
    """One chat message."""

    role: Role
    content: str


class TemplateError(ValueError):
    """A template that cannot be used: bad syntax, no message in it, or a variable nobody fills."""


class Template:
    """A chat prompt with named variables.

    Args:
        source: the template's text.
        name: where it came from, for error messages.
        variables: the names that `render` will be given.

    Raises:
        TemplateError: the text is no Jinja, has no ``--- role`` line, or uses a variable that is not in ``variables``.
    """

    def __init__(self, source: str, name: str, variables: frozenset[str]) -> None:
        pieces = _MARKER.split(source)
        if pieces[0].strip() or len(pieces) < 3:
            raise TemplateError(f'{name}: a template starts with a line "--- system" or "--- user"')
        try:
            used = jinja2.meta.find_undeclared_variables(_ENVIRONMENT.parse(source))
            self._parts = [
                _Part(cast(Role, role), body.strip()) for role, body in zip(pieces[1::2], pieces[2::2], strict=True)
            ]
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(f"{name}:{error.lineno}: {error.message}") from error
        if unknown := sorted(used - variables):
            raise TemplateError(f"{name}: unknown variable {unknown[0]!r}; there are: {', '.join(sorted(variables))}")

    @classmethod
    def from_file(cls, path: Path, variables: frozenset[str]) -> Template:
        """The template in a UTF-8 file."""
        return cls(path.read_text(encoding="utf-8"), str(path), variables)

    def render(self, **values: str) -> list[Message]:
        """The messages with ``values`` filled in; values are inserted as they are, never read as template text."""
        return [part.message(values) for part in self._parts]


class _Part:
    """One message. Most parts of a prompt are the same for every query, so the last one made is kept."""

    def __init__(self, role: Role, source: str) -> None:
        self._role = role
        self._template = _ENVIRONMENT.from_string(source)
        self._used = jinja2.meta.find_undeclared_variables(_ENVIRONMENT.parse(source))
        self._last: tuple[dict[str, str], Message] | None = None

    def message(self, values: dict[str, str]) -> Message:
        used = {name: value for name, value in values.items() if name in self._used}
        if self._last is None or self._last[0] != used:
            self._last = used, Message(self._role, self._template.render(values))
        return self._last[1]
