"""The base of everything a user can set: strict where YAML is loose, and hashable by content."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, JsonValue, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

#: A value that JSON can hold. What crosses to disk is made of these.
Json: TypeAlias = JsonValue


def _beside_config(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    return (Path(folder) / path).resolve() if folder is not None else path


#: A path that the config file gives relative to itself. Absolute once checked.
ConfigPath = Annotated[Path, AfterValidator(_beside_config)]


class Settings(BaseModel):
    """Frozen options, declared once: unknown names, booleans for numbers, NaN and infinity are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, validate_default=True
    )

    #: Options that change how the work is done and never what comes out. All others are part of the identity.
    not_identity: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_for_another_type(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and "bool" not in _annotation(cls.model_fields[info.field_name or ""]):
            raise ValueError(f"YAML reads this as {value}: write a value of the right type, or quote it if it is text")
        return value

    def identity(self) -> dict[str, Json]:
        """What the result depends on, as JSON: every option but `not_identity`, a file by the hash of its bytes."""
        return {
            name: _plain(getattr(self, name))
            for name in sorted(type(self).model_fields)
            if name not in self.not_identity
        }


def _annotation(field: FieldInfo) -> str:
    return repr(field.annotation)


def _plain(value: object) -> Json:
    if isinstance(value, Settings):
        return value.identity()
    if isinstance(value, Path):
        return {"sha256": file_digest(value)} if value.is_file() else str(value)
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"an option of type {type(value).__name__} has no identity: use plain values")


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
