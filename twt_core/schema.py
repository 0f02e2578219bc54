"""The JSON Schema of settings, with every installed component in it: what editors and `twt schema` show."""

from __future__ import annotations

from typing import Any

from twt_core import plugins
from twt_core.settings import Json, Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(model: type[Settings]) -> dict[str, Json]:
    """The schema of `model`. Wherever a component may stand, it is one of those registered, with its own options."""
    definitions: dict[str, Json] = {}
    schema = _own_schema(model, "", definitions)
    for base in plugins.KINDS.values():
        entries = plugins.registry().components[base.kind]
        for name in sorted(entries):
            definitions[f"{base.kind}.{name}"] = _component_schema(entries[name], definitions)
        references: list[Json] = [{"$ref": f"#/$defs/{base.kind}.{name}"} for name in sorted(entries)]
        # An empty oneOf is no valid schema; "not anything" says that nothing can be written here.
        definitions[base.kind] = {"oneOf": references} if references else {"not": {}}
    return {"$schema": DIALECT, **schema, "$defs": dict(sorted(definitions.items()))}


def _component_schema(entry: plugins.Registered, definitions: dict[str, Json]) -> dict[str, Json]:
    schema = _own_schema(entry.cls, f"{entry.kind}.{entry.name}.", definitions)
    options = schema.get("properties")
    required = schema.get("required")
    return {
        **schema,
        "title": entry.name,
        "properties": {"use": {"const": entry.name}, **(options if isinstance(options, dict) else {})},
        "required": ["use", *(required if isinstance(required, list) else [])],
        "additionalProperties": False,
    }


def _own_schema(model: type[Settings], prefix: str, definitions: dict[str, Json]) -> dict[str, Json]:
    """The schema of one class. The classes inside it join `definitions`, under names that no other plugin can take."""
    schema: dict[str, Any] = model.model_json_schema(mode="validation")
    inner = schema.pop("$defs", {})
    kinds = {base.__name__: base.kind for base in plugins.KINDS.values()}
    names = {name: kinds.get(name, f"{prefix}{name}") for name in inner}
    if "$ref" in schema:  # a class that holds its own kind of class is itself among the inner ones
        schema = inner[schema["$ref"].rpartition("/")[2]]
    definitions.update({names[name]: _renamed(text, names) for name, text in inner.items() if name not in kinds})
    renamed = _renamed(schema, names)
    assert isinstance(renamed, dict)  # a class's schema is a mapping
    return renamed


def _renamed(schema: Json, names: dict[str, str]) -> Json:
    if isinstance(schema, list):
        return [_renamed(inner, names) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    found = {key: _renamed(inner, names) for key, inner in schema.items()}
    if isinstance(reference, str):
        found["$ref"] = f"#/$defs/{names[reference.rpartition('/')[2]]}"
    return found
