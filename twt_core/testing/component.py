"""What holds for components of every kind."""

from __future__ import annotations

import json

from pydantic import ValidationError

from twt_core.components import Component
from twt_core.testing.findings import Findings


def check_component(component: Component, findings: Findings) -> None:
    """Its options are declared, described, frozen and strict; its identity is plain and stable."""
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
    _check_identity(component, findings)


def _options(component: Component) -> dict[str, object]:
    return {name: getattr(component, name) for name in type(component).model_fields}


def _refuses_unknown(component: Component) -> bool:
    try:
        type(component).model_validate({**_options(component), "no_such_option": 1})
    except ValidationError:
        return True
    return False


def _check_identity(component: Component, findings: Findings) -> None:
    identity = findings.call("identity()", component.identity)
    again = findings.call("identity()", component.identity)
    copy = findings.call("identity() of a copy", lambda: type(component).model_validate(_options(component)).identity())
    if identity is None:
        return
    findings.expect(
        identity == again == copy, "identity() differs from call to call, or from that of an equal component"
    )
    try:
        plain = json.loads(json.dumps(identity, allow_nan=False)) == identity
    except (TypeError, ValueError):
        plain = False
    findings.expect(plain, "identity() is not plain JSON: use text, numbers, lists and mappings")
