"""How TGI reads a request body: content type, JSON, and the types of its fields.

Its errors are TGI's own plain-text answers: 415, 400 and 422 with path, line and column.
"""

from collections.abc import Mapping
from typing import Final, cast

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.serde_errors import UNKNOWN, SerdeError, path_text, place
from tgi_conformance.contracts.tgi.errors import CONTENT_TYPE, TGIError, body_data, body_syntax
from tgi_conformance.contracts.tgi.requests.asked import RouteKind
from tgi_conformance.contracts.tgi.requests.content_type import accepts
from tgi_conformance.contracts.tgi.requests.field_types import Type
from tgi_conformance.contracts.tgi.requests.fitting import Doubt, fitted
from tgi_conformance.contracts.tgi.requests.json_text import quick_value
from tgi_conformance.contracts.tgi.requests.reading import read_body
from tgi_conformance.contracts.tgi.requests.request_types import INVOCATION, REQUESTS

_UNKNOWN_ONLY: Final = frozenset({UNKNOWN})


class BodyError(ValueError):
    """A body that TGI refuses in plain text, also where a stream was asked for."""

    def __init__(self, error: TGIError) -> None:
        super().__init__(error.message)
        self.error = error


def decode(route: RouteKind, body: bytes, content_type: str | None) -> Mapping[str, JSON]:
    """Read a body as TGI reads it on a route; raises :class:`BodyError`."""
    return decode_as(REQUESTS[route], body, content_type)


def decode_as(kind: Type, body: bytes, content_type: str | None) -> Mapping[str, JSON]:
    """Read a body as one request type; raises :class:`BodyError`."""
    if not accepts(content_type):
        raise BodyError(CONTENT_TYPE)
    try:
        return cast("Mapping[str, JSON]", fitted(kind, quick_value(body)))
    except Doubt:
        return _decode_in_full(kind, body)


def _decode_in_full(kind: Type, body: bytes) -> Mapping[str, JSON]:
    try:
        return cast("Mapping[str, JSON]", read_body(kind, body))
    except SerdeError as error:
        raise BodyError(_told(error, body)) from error


def decode_invocation(body: bytes, content_type: str | None) -> tuple[RouteKind, Mapping[str, JSON]]:
    """The route that a body of ``/invocations`` stands for, and its request; raises :class:`BodyError`."""
    value = decode_as(INVOCATION, body, content_type)
    route: RouteKind = "chat" if "messages" in value else "completions"
    return "compat" if "inputs" in value else route, value


def _told(error: SerdeError, body: bytes) -> TGIError:
    """A mistake in the words of the router's body extractor."""
    path = error.path or ()
    text = error.message
    if not _UNKNOWN_ONLY.issuperset(path):
        text = f"{path_text(path)}: {text}"
    if error.offset is not None:
        text = f"{text} at {place(body, error.offset)}"
    return body_syntax(text) if error.syntax else body_data(text)
