"""What is installed, for `twt plugins` and the config reference."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import NoneType, UnionType
from typing import Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from twt_core import plugins
from twt_core.components import Component
from twt_core.errors import InputError
from twt_core.settings import Json, Settings
from twt_core.suggest import did_you_mean


class Option(BaseModel):
    """One option of a component. `default` is None where the option is required, too."""

    name: str
    type: str
    required: bool
    default: Json
    doc: str


class Listed(BaseModel):
    """One installed component."""

    kind: str
    name: str
    distribution: str
    doc: str
    options: list[Option]


class Listing(BaseModel):
    """Installed components, and plugins that could not be imported."""

    components: list[Listed]
    broken: list[str]


def components(kind: str | None = None, name: str | None = None) -> Listing:
    """The installed components, of one kind or one name if given.

    Raises:
        InputError: no such kind or name.
    """
    registry = plugins.registry()
    if kind is not None and kind not in registry.components:
        raise InputError(f"no kind of component is called {kind!r}. {did_you_mean(kind, registry.components)}")
    if kind is not None and name is not None and name not in registry.components[kind]:
        raise InputError(f"no {kind} is called {name!r}. {did_you_mean(name, registry.components[kind])}")
    found = [e for e in registry if kind in (None, e.kind) and name in (None, e.name)]
    return Listing(components=[_listed(entry) for entry in found], broken=registry.broken)


def _listed(entry: plugins.Registered) -> Listed:
    return Listed(
        kind=entry.kind,
        name=entry.name,
        distribution=entry.distribution,
        doc=_doc(entry.cls),
        options=options_of(entry.cls),
    )


def _doc(cls: type[Component]) -> str:
    return inspect.cleandoc(cls.__doc__ or "")


def options_of(model: type[Settings]) -> list[Option]:
    """The options of a component or of a part of the config."""
    return [_option(name, field) for name, field in model.model_fields.items()]


def _option(name: str, field: FieldInfo) -> Option:
    default = field.get_default(call_default_factory=True) if not field.is_required() else None
    if default is PydanticUndefined:
        default = None
    if isinstance(default, Settings):
        default = default.model_dump(mode="json")
    elif isinstance(default, tuple):
        default = list(default)
    return Option(
        name=name,
        type=type_name(field),
        required=field.is_required(),
        default=cast(Json, default),
        doc=field.description or "",
    )


def type_name(field: FieldInfo) -> str:
    """A field's type as a user reads it: ``number``, ``path or null``, ``"refuse" or "fail"``."""
    return _type_name(field.annotation)


_PLAIN = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path", NoneType: "null"}


def _type_name(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f'"{value}"' for value in arguments)
    inner = [_type_name(argument) for argument in arguments if argument is not Ellipsis]
    if origin is None:
        return _plain_name(annotation)
    if origin in (Union, UnionType):
        return " or ".join(inner)
    if origin is dict:
        return f"{inner[0]} to {inner[1]}"
    return f"list of {inner[0]}" if origin in (tuple, list) else inner[0]


def _plain_name(annotation: object) -> str:
    if not isinstance(annotation, type):
        return str(annotation)
    if issubclass(annotation, Component) and annotation.kind:
        return annotation.kind
    return _PLAIN.get(annotation, annotation.__name__)
