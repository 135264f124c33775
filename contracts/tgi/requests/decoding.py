"""How TGI reads a request body: content type, JSON, and the types of its fields.

Its errors are TGI's own plain-text answers: 415, 400 and 422 with path, line and column.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, cast

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.positions import (
    MAX_DEPTH,
    SyntaxProblem,
    locate,
    path_text,
    place,
    scan,
)
from tgi_conformance.contracts.tgi.errors import CONTENT_TYPE, TGIError, body_data, body_syntax
from tgi_conformance.contracts.tgi.requests.asked import RouteKind
from tgi_conformance.contracts.tgi.requests.content_type import accepts
from tgi_conformance.contracts.tgi.requests.field_types import Struct
from tgi_conformance.contracts.tgi.requests.fitting import Misfit, fitted
from tgi_conformance.contracts.tgi.requests.json_text import parse
from tgi_conformance.contracts.tgi.requests.request_types import REQUESTS

_AFTER_OBJECT: Final = re.compile(rb"[ \t\n\r]*\}?")


class BodyError(ValueError):
    """A body that TGI refuses in plain text, also where a stream was asked for."""

    def __init__(self, error: TGIError) -> None:
        super().__init__(error.message)
        self.error = error


def decode(route: RouteKind, body: bytes, content_type: str | None) -> Mapping[str, JSON]:
    """Read a body as TGI reads it on a route; raises :class:`BodyError`."""
    return decode_as(REQUESTS[route], body, content_type)


def decode_as(kind: Struct, body: bytes, content_type: str | None) -> Mapping[str, JSON]:
    """Read a body as one request type; raises :class:`BodyError`."""
    if not accepts(content_type):
        raise BodyError(CONTENT_TYPE)
    value = _value(body)
    try:
        read = fitted(kind, value, ())
    except Misfit as misfit:
        span = locate(body, misfit.at)
        prefix = f"{path_text(misfit.path)}: " if misfit.path else ""
        offset = _AFTER_OBJECT.match(body, span.end) if misfit.where == "after" else None
        end = span.end if offset is None else offset.end()
        where = place(body, span.start if misfit.where == "start" else end)
        raise BodyError(body_data(f"{prefix}{misfit.detail} at {where}")) from misfit
    # What is ignored may be of any depth; what is read may not.
    if _may_be_deep(body) and _is_deep(read):
        _judge_text(body)
    return cast("Mapping[str, JSON]", read)


def decode_first(
    routes: Iterable[RouteKind], body: bytes, content_type: str | None
) -> tuple[RouteKind, Mapping[str, JSON]] | None:
    """The first route whose request type a body has, and its request; None where it has none.

    Raises :class:`BodyError` for what is no JSON, and for any that is too deep: all of it is buffered first.
    """
    if not accepts(content_type):
        raise BodyError(CONTENT_TYPE)
    value = _value(body)
    if _may_be_deep(body):
        _judge_text(body)
    for route in routes:
        try:
            return route, cast("Mapping[str, JSON]", fitted(REQUESTS[route], value, ()))
        except Misfit:
            continue
    return None


def _may_be_deep(body: bytes) -> bool:
    return body.count(b"[") + body.count(b"{") > MAX_DEPTH


def _is_deep(value: JSON) -> bool:
    level: list[JSON] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for outer in level
            if isinstance(outer, list | dict)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(item, list | dict) for item in level)


def _value(body: bytes) -> JSON:
    try:
        return parse(body)
    except SyntaxProblem as problem:
        raise _syntax(body, problem) from problem


def _judge_text(body: bytes) -> None:
    """Raise what TGI says of a text that it cannot read as JSON, if it cannot."""
    try:
        scan(body)
    except SyntaxProblem as problem:
        raise _syntax(body, problem) from problem


def _syntax(body: bytes, problem: SyntaxProblem) -> BodyError:
    prefix = f"{path_text(problem.path)}: " if problem.path else ""
    return BodyError(body_syntax(f"{prefix}{problem.message} at {place(body, problem.offset)}"))
