"""What all kinds of component have in common."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from pydantic import (
    SerializerFunctionWrapHandler,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from twt_core.settings import Json, Settings

if TYPE_CHECKING:
    from twt_core.components.context import Context


class Component(Settings, ABC):
    """The base of every kind."""

    kind: ClassVar[str] = ""

    @model_validator(mode="wrap")
    @classmethod
    def _from_use(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Self:
        if "kind" not in cls.__dict__ or not isinstance(value, dict):
            checked: Self = handler(value)
            return checked
        from twt_core import plugins  # at call time: plugins.py needs these classes to check what is registered

        found = plugins.resolve(cls.kind, value)
        options = {key: option for key, option in value.items() if key != "use"}
        return cast(Self, found.cls.model_validate(options, context=info.context))  # registered: of this kind

    @model_serializer(mode="wrap")
    def _with_use(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"use": self.use, **handler(self)}

    def __getstate__(self) -> dict[Any, Any]:
        # Options alone: what a cached_property holds, such as a model, is made anew where it is needed.
        state = super().__getstate__()
        options = {name: value for name, value in state["__dict__"].items() if name in type(self).model_fields}
        return {**state, "__dict__": options}

    @property
    def use(self) -> str:
        """The name it is registered under, which is what a config calls it."""
        from twt_core import plugins

        return plugins.name_of(type(self))

    def identity(self) -> dict[str, Json]:
        """Its registered name and its options.

        The version of its distribution is not in it, so that an upgrade does not buy every answer again; a step's
        fingerprint adds it (`twt_core.run`).
        """
        return {"use": self.use, **super().identity()}


class RunComponent(Component):
    """The base of the kinds that work on what teachers answered."""

    def check_run(self, context: Context) -> None:
        """Find, before any teacher is asked, what would make this component of no use in the run.

        Raises:
            InputError: what is missing, and the way out.
        """
