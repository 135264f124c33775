"""Headers that the caller gives, for an endpoint (a setting) or for one call (a parameter)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import expect
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import SHAPES, Shape

Headers = Mapping[str, str]
#: Values that a client may be tempted to tidy up, split or quote; all visible ASCII (RFC 9110 section 5.5).
FOR_ENDPOINT: Final[Headers] = MappingProxyType(
    {"X-Tgic-Tenant": 'team a, team b; q="1\\""', "x-tgic-flag": "0"}
)
FOR_CALL: Final[Headers] = MappingProxyType(
    {"X-TGIC-Trace": "00-4bf92f3577b34da6-01", "X-Tgic-Note": "%41+%20"}
)


def takes_for_endpoint(case: Case) -> bool:
    """Whether headers can be given for an endpoint."""
    return "headers" in case.description.settings


def takes_for_call(case: Case, shape: Shape) -> bool:
    """Whether headers can be given for a call of that shape."""
    return "headers" in case.description.parameters.get(shape.method, frozenset())


def needs_own_headers(case: Case, shape: Shape) -> None:
    """End the case as not applicable where a call of that shape can be given no headers at all."""
    case.needs(shape.capability)
    if not takes_for_endpoint(case) and not takes_for_call(case, shape):
        raise NotApplicable(f"headers are neither a setting nor a parameter of {shape.method}")


def shape_with_headers(case: Case) -> Shape:
    """The first claimed call shape that can be given headers."""
    if takes_for_endpoint(case):
        return case.shape()
    return case.shape(*SHAPES, having=("headers",))


def for_endpoint(case: Case, headers: Headers) -> dict[str, Any]:
    """The setting, where there is one."""
    return {"headers": dict(headers)} if takes_for_endpoint(case) else {}


def for_call(case: Case, shape: Shape, headers: Headers) -> dict[str, Any]:
    """The parameter, where there is one."""
    return {"headers": dict(headers)} if takes_for_call(case, shape) else {}


def expect_carried(sent: Exchange, headers: Headers) -> None:
    """The request has each of these headers once, with the value that was given."""
    for name, value in headers.items():
        seen = sent.header_values(name)
        expect(
            seen == (value,),
            expected=f"{name}: {value!r}, once",
            observed=" and ".join(map(repr, seen)) or f"no {name}",
        )


def expect_without(sent: Exchange, headers: Headers, because: str) -> None:
    """The request has none of these headers."""
    seen = [name for name in headers if sent.header_values(name)]
    expect(not seen, expected=f"none of them: {because}", observed=f"{', '.join(seen)} in the request")
