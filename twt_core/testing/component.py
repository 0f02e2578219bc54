"""What holds for components of every kind."""

from __future__ import annotations

import importlib
import json
import pickle
from functools import partial
from typing import TypeVar

from pydantic import ValidationError

from twt_core.components import Component
from twt_core.credentials import names_secret
from twt_core.errors import InputError
from twt_core.settings import Json
from twt_core.testing.checks import Check, NotTried
from twt_core.testing.findings import Findings

C = TypeVar("C", bound=Component)


def common(component: Component) -> list[Check]:
    """The checks of every kind."""
    return [
        Check("options", "Its options are declared, described, frozen and strict.", partial(_options, component)),
        Check("secrets", "No option takes a key or a password.", partial(_secrets, component)),
        Check("identity", "What it depends on is plain JSON, and the same each time.", partial(_identity, component)),
        Check("config", "Written into a config and read again, it is the same.", partial(_config, component)),
        Check("pickle", "Pickled and read again, it is the same.", partial(_pickle, component), extra=True),
    ]


def options_of(component: Component) -> dict[str, object]:
    """Its options as they are, not as a config writes them."""
    return {name: getattr(component, name) for name in type(component).model_fields}


def equal_copy(component: C) -> C:
    """A component with the same options that has done nothing yet."""
    return type(component).model_validate(options_of(component))


def identity_of(component: Component) -> dict[str, Json]:
    """Its identity.

    Raises:
        NotTried: it depends on what is not there, such as a model's files.
    """
    try:
        return component.identity()
    except InputError as error:
        raise NotTried(f"identity(): {error}") from error


def require_importable(cls: type) -> None:
    """Refuse a class that another process would not find.

    Raises:
        NotTried: it is not where its name says.
    """
    found: object = None
    try:
        found = importlib.import_module(cls.__module__)
        for name in cls.__qualname__.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError):
        found = None
    if found is not cls:
        raise NotTried(f"there is no {cls.__module__}.{cls.__qualname__}: define the class at a module's top level")


def _options(component: Component, findings: Findings) -> None:
    cls = type(component)
    findings.expect(
        bool((cls.__dict__.get("__doc__") or "").strip()), "it has no docstring of its own: say what it does"
    )
    for name, field in cls.model_fields.items():
        findings.expect(bool(field.description), f"its option {name} has no description: Field(description=...)")
    for name in sorted(cls.not_identity - set(cls.model_fields)):
        findings.expect(False, f"not_identity names {name!r}, which is no option")
    findings.expect(bool(cls.model_config.get("frozen")), "it is not frozen: leave model_config as it is")
    findings.expect(
        _refuses_unknown(component), "it takes an option that it does not know: leave model_config as it is"
    )
    findings.call("model_json_schema(), which `twt schema` shows,", cls.model_json_schema)


def _refuses_unknown(component: Component) -> bool:
    try:
        type(component).model_validate({**options_of(component), "no_such_option": 1})
    except ValidationError:
        return True
    return False


def _secrets(component: Component, findings: Findings) -> None:
    for name in type(component).model_fields:
        findings.expect(
            not names_secret(name),
            f"its option {name} would hold a secret, and a config is no place for one: take the name of an environment "
            f"variable, {name}_env",
        )


def _identity(component: Component, findings: Findings) -> None:
    identity_of(component)
    identity = findings.call("identity()", component.identity)
    again = findings.call("identity()", component.identity)
    copy = findings.call("identity() of a copy", lambda: equal_copy(component).identity())
    if identity is None:
        return
    findings.expect(
        identity == again == copy, "identity() differs from call to call, or from that of an equal component"
    )
    findings.expect(is_plain(identity), "identity() is not plain JSON: use text, numbers, lists and mappings")


def is_plain(value: object) -> bool:
    """Whether JSON gives a value back as it is."""
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError):
        return False


def _config(component: Component, findings: Findings) -> None:
    written = findings.call("model_dump()", lambda: component.model_dump(mode="json"))
    if written is None:
        return
    try:
        again = type(component).model_validate({name: value for name, value in written.items() if name != "use"})
    except ValidationError as error:
        lost = dict.fromkeys(str(part["loc"][0]) for part in error.errors() if part["loc"])
    else:
        lost = dict.fromkeys(n for n in type(component).model_fields if getattr(again, n) != getattr(component, n))
    findings.expect(
        not lost,
        f"its option {', '.join(lost)} is another once written into a config and read again: a component among the "
        "options is declared SerializeAsAny[...], and a validator takes what it gives",
    )


def _pickle(component: Component, findings: Findings) -> None:
    require_importable(type(component))
    for when, state in (("new", equal_copy(component)), ("used", component)):
        try:
            again = pickle.loads(pickle.dumps(state))
        except Exception as error:  # noqa: BLE001  # whatever a part of it raises
            findings.expect(
                False,
                f"pickle, of one that is {when}, raised {type(error).__name__}: {error}: options are plain values; "
                "connections, locks and models are made in a cached_property, which is left out of a pickle",
            )
        else:
            findings.expect(
                again == state, f"pickle, of one that is {when}, gives another component: equal options, equal object"
            )
