"""What is wrong with a config, one line a problem: where, what, and the way out. Never the value that was written."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from twt_core import plugins
from twt_core.components import Component
from twt_core.config_source import ConfigSource, settings_at
from twt_core.settings import Json
from twt_core.suggest import did_you_mean
from twt_core.yaml_reader import KeyPath, Position, show_path

#: pydantic's kinds of error in our words; `{...}` is filled from the error's context.
_WORDS = {
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number, not NaN or infinity",
    "string_type": "must be text; put quotes around a number",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "literal_error": "must be {expected}",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping, KEY: VALUE",
    "path_type": "must be a path",
    "too_short": "needs at least {min_length} of them",
    "too_long": "takes at most {max_length} of them",
}


class _Problem(NamedTuple):
    path: KeyPath
    kind: str
    message: str


def describe(error: ValidationError, source: ConfigSource) -> str:
    """Every problem that pydantic found in `source`, in the order of the file."""
    found = [_problem(details, source) for details in error.errors(include_url=False)]
    lines: dict[KeyPath, list[str]] = {}
    for problem in found:
        # An option that may be a word or a list gives an error for each, and a list counts only its good entries; what
        # was found deeper is meant.
        deeper = any(len(other.path) > len(problem.path) and _within(other.path, problem.path) for other in found)
        if deeper and problem.kind in ("literal_error", "too_short"):
            continue
        messages = lines.setdefault(problem.path, [])
        if problem.message not in messages:
            messages.append(problem.message)
    return "\n".join(_line(path, lines[path], source) for path in sorted(lines, key=lambda path: _order(path, source)))


def _line(path: KeyPath, messages: list[str], source: ConfigSource) -> str:
    return f"{source.position(path)[1]} {show_path(path) or 'the config'}: {', or '.join(messages)}"


def _order(path: KeyPath, source: ConfigSource) -> tuple[bool, Position]:
    position = source.position(path)[0]
    return position is None, position or Position(0, 0)


def _within(path: KeyPath, outer: KeyPath) -> bool:
    return path[: len(outer)] == outer


def _problem(details: ErrorDetails, source: ConfigSource) -> _Problem:
    path, value = _written(details["loc"], source)
    context: dict[str, Any] = details.get("ctx", {})
    if details["type"] == "value_error":
        return _Problem(_blamed(path, value, source), "value_error", str(context["error"]))
    if "at" in context:  # our own validators say so which entry of a list is meant
        return _Problem((*path, *context["at"]), details["type"], details["msg"])
    return _Problem(path, details["type"], _message(path, details, source))


def _message(path: KeyPath, details: ErrorDetails, source: ConfigSource) -> str:
    match details["type"]:
        case "extra_forbidden":
            return _unknown(path, source)
        case "missing":
            return _missing(path, source)
        case "model_type":
            return _no_mapping(path, source)
        case "string_type" if isinstance(details["input"], bool):
            return f"YAML reads this as {details['input']}: put quotes around it if it is text"
    words = _WORDS.get(details["type"])
    return words.format_map(details.get("ctx", {})) if words else details["msg"]


def _unknown(path: KeyPath, source: ConfigSource) -> str:
    model = settings_at(source.model, source.value, path[:-1])
    known = set(model.model_fields) if model else set()
    if model and issubclass(model, Component):
        known.add("use")
    return f"unknown key. {did_you_mean(str(path[-1]), known)}"


def _written(loc: tuple[int | str, ...], source: ConfigSource) -> tuple[KeyPath, Json]:
    """pydantic's location as the file's: without the names that it gives to the members of a union."""
    path: KeyPath = ()
    value: Json = source.value
    for key in loc:
        if isinstance(value, dict) and isinstance(key, str):
            model = settings_at(source.model, source.value, path)
            if key in value or (model and key in model.model_fields):
                path, value = (*path, key), value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            path, value = (*path, key), value[key]
    return path, value


def _blamed(path: KeyPath, value: Json, source: ConfigSource) -> KeyPath:
    """The ``use`` of a component when it is what is wrong."""
    model = settings_at(source.model, source.value, path)
    if isinstance(value, dict) and "use" in value and model and issubclass(model, Component):
        return path if str(value["use"]) in plugins.registry().components[model.kind] else (*path, "use")
    return path


def _missing(path: KeyPath, source: ConfigSource) -> str:
    model = settings_at(source.model, source.value, path[:-1])
    option = model.model_fields.get(str(path[-1])) if model else None
    return f"missing. {option.description}" if option and option.description else "missing"


def _no_mapping(path: KeyPath, source: ConfigSource) -> str:
    model = settings_at(source.model, source.value, path)
    if model is not None and issubclass(model, Component):
        names = ", ".join(sorted(plugins.registry().components[model.kind]))
        return f"must be a mapping, {{use: NAME, ...}}. There are: {names}."
    options = model.model_fields if model else {}
    first = next((name for name, option in options.items() if option.is_required()), next(iter(options), "KEY"))
    return f"must be a mapping, {{{first}: ...}}"
