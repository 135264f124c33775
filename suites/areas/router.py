"""What TGI's router says to a request, by a port of its decoder and its checks."""

import json
from collections.abc import Mapping
from typing import Final, cast

from tgi_conformance.contracts.journal import Exchange, route_of
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Server
from tgi_conformance.contracts.tgi.requests.asked import RouteKind, request_of
from tgi_conformance.contracts.tgi.requests.decoding import BodyError, decode
from tgi_conformance.contracts.tgi.requests.validation import refusal, validate
from tgi_conformance.suites.harness.expect import expect
from tgi_conformance.suites.shapes.calls import NATIVE, Shape

#: Kinds of route for the port of the router's decoder, by path.
_ROUTES: Final[Mapping[str, RouteKind]] = {
    "/": "compat",
    "/generate": "generate",
    "/generate_stream": "generate_stream",
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
}


def router_problem(exchange: Exchange) -> str | None:
    """What TGI says against a request before it looks at its values; None: nothing."""
    kind = _ROUTES[route_of(exchange.path)]
    try:
        read = decode(kind, exchange.body, exchange.header("content-type"))
    except BodyError as unread:
        return unread.error.message
    refused = refusal(request_of(kind, read), Server())
    return None if refused is None else refused.message


def expect_decodable(exchange: Exchange) -> None:
    """TGI can decode what was sent."""
    problem = router_problem(exchange)
    expect(
        problem is None,
        expected="a body that TGI decodes",
        observed=f"{problem}: {exchange.body.decode('utf-8', 'replace')[:400]}",
    )


def router_refuses(shape: Shape, given: Mapping[str, JSON]) -> str | None:
    """What the router answers to a call with these parameters, as a model of it says; None: it generates."""
    kind: RouteKind = cast("RouteKind", shape.method)
    body: dict[str, JSON]
    if shape is NATIVE:
        body = {"inputs": "hello", "parameters": dict(given)}
    else:
        body = {**cast("dict[str, JSON]", shape.arguments("hello")), **given}
    try:
        request = request_of(kind, decode(kind, json.dumps(body).encode(), "application/json"))
    except BodyError as unread:
        return unread.error.message
    refused = refusal(request, Server()) or validate(request, Server())
    return None if refused is None else refused.message
