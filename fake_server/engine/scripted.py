"""Answers that a script spells out: a plain one, and a stream of events."""

import gzip
from typing import Final

from tgi_conformance.contracts.json_texts import dumps
from tgi_conformance.contracts.script import Body, EventStream, Raw, Response
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.fake_server.engine.answers import Answer
from tgi_conformance.fake_server.engine.frames import encode_event
from tgi_conformance.fake_server.engine.outcomes import Outcome
from tgi_conformance.fake_server.engine.state import State, served_path
from tgi_conformance.fake_server.http.parsing import Request

_BOM: Final = b"\xef\xbb\xbf"


def as_written(raw: Raw, request: Request, state: State) -> Outcome:
    """Bytes in place of a whole answer."""
    del request, state
    return Outcome(raw.base64)


def as_response(response: Response, request: Request, state: State) -> Outcome:
    """A plain answer."""
    at_root = served_path(request.path, state) == "/"
    content, content_type = _body_bytes(response.body, at_root=at_root)
    headers = _typed_headers(response.headers, content_type)
    if response.gzip and "gzip" in request.first.get("accept-encoding", "").lower():
        content = gzip.compress(content, mtime=0)
        headers = (*headers, ("content-encoding", "gzip"))
    answer = Answer(
        response.status,
        headers,
        (content,) if content else (),
        reason=response.reason,
        framing=response.framing,
        content_length=response.content_length,
        trailers=response.trailers,
    )
    return Outcome(answer)


def as_stream(stream: EventStream, request: Request, state: State) -> Outcome:
    """A stream, an event each part; a byte order mark goes with the first."""
    del request, state
    parts = [encode_event(event, stream.encoding) for event in stream.events]
    if stream.encoding.bom:
        parts = [_BOM + parts[0], *parts[1:]] if parts else [_BOM]
    headers = _typed_headers(stream.headers, stream.content_type)
    answer = Answer(
        stream.status,
        headers,
        tuple(parts),
        reason=stream.reason,
        framing=stream.framing,
        streamed=True,
        trailers=stream.trailers,
    )
    return Outcome(answer)


def _typed_headers(
    headers: tuple[tuple[str, str], ...], content_type: str | None
) -> tuple[tuple[str, str], ...]:
    """The headers after a content type, unless they have one themselves."""
    if content_type is None or any(name.lower() == "content-type" for name, _ in headers):
        return headers
    return (("content-type", content_type), *headers)


def _body_bytes(body: Body, *, at_root: bool) -> tuple[bytes, str | None]:
    """The bytes of a scripted body and its content type; no type for an empty body."""
    if body.text is not None:
        return body.text.encode("utf-8", "surrogatepass"), body.content_type or "text/plain; charset=utf-8"
    if body.html is not None:
        return body.html.encode("utf-8", "surrogatepass"), body.content_type or "text/html; charset=utf-8"
    if body.base64 is not None:
        return body.base64, body.content_type or "application/octet-stream"
    if body.json is UNSET:
        return b"", body.content_type
    value = [body.json] if body.root_array and at_root else body.json
    return dumps(value).encode(), body.content_type or "application/json"
