"""Heads of answers: their fields, and the bytes of them."""

from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from tgi_conformance.contracts.script import Delivery, Interim
from tgi_conformance.fake_server.engine.answers import Answer, Exchange
from tgi_conformance.fake_server.engine.plans import Http2Head, Write


def has_no_body(answer: Answer, exchange: Exchange) -> bool:
    """Whether nothing follows the head, whatever the answer holds."""
    return exchange.head_only or answer.status in {204, 304} or 100 <= answer.status < 200


def head_bytes(
    answer: Answer, exchange: Exchange, delivery: Delivery, *, chunked: bool, closes: bool
) -> bytes:
    """The head of an HTTP/1 answer as the wire carries it."""
    reason = reason_of(answer.status) if answer.reason is None else answer.reason
    fields = head_fields(answer, exchange, delivery, chunked=chunked, closes=closes)
    lines = [f"{name}: {value}\r\n" for name, value in fields]
    version = "1.0" if exchange.http_1_0 else "1.1"
    return f"HTTP/{version} {answer.status} {reason}\r\n{''.join(lines)}\r\n".encode("latin-1", "replace")


def head_fields(
    answer: Answer, exchange: Exchange, delivery: Delivery, *, chunked: bool = False, closes: bool = False
) -> list[tuple[str, str]]:
    """The answer's own headers and those that the server adds."""
    fields = list(answer.headers)
    given = {name.lower() for name, _ in answer.headers}
    connection = None if "connection" in given else _connection(exchange, delivery, closes=closes)
    if (
        answer.framing == "content-length"
        and "content-length" not in given
        and answer.status not in {204, 304}
    ):
        length = answer.content_length
        size = sum(map(len, answer.parts)) if length is None else length
        fields.append(("content-length", str(size)))
        if connection is not None and not size and not exchange.head_only:
            # The length of an empty body is hyper's to say, which comes after the connection.
            fields.insert(-1, connection)
            connection = None
    if connection is not None:
        fields.append(connection)
    if chunked and "transfer-encoding" not in given:
        fields.append(("transfer-encoding", "chunked"))
    if "date" not in given:
        fields.append(("date", exchange.date))
    return fields


def _connection(exchange: Exchange, delivery: Delivery, *, closes: bool) -> tuple[str, str] | None:
    """What the server says of the connection: only what is not the rule of the version that was asked in.

    Of HTTP/1.0 hyper says "keep-alive" to whoever asked for it, even where the end of the body is the end of
    the connection.
    """
    if delivery.close == "announced":
        return "connection", "close"
    if exchange.http_1_0:
        return ("connection", "keep-alive") if exchange.asked_to_keep else None
    return ("connection", "close") if closes and delivery.close is None else None


#: Headers of one connection, which HTTP/2 does not know and hyper takes out.
_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}
)


def http2_fields(fields: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The same fields as HTTP/2 has them."""
    lower = ((name.lower(), value) for name, value in fields)
    return tuple((name, value) for name, value in lower if name not in _HOP_BY_HOP)


def interim_write(answer: Interim, *, http_2: bool) -> Write:
    """An interim answer (1xx), which stands before the head."""
    if http_2:
        head = Http2Head(answer.status, http2_fields(answer.headers))
        return Write(b"", interim=True, head=head)
    lines = [f"HTTP/1.1 {answer.status} {reason_of(answer.status)}"]
    lines += (f"{name}: {value}" for name, value in answer.headers)
    return Write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"), interim=True)


LAST_CHUNK: Final = b"0\r\n\r\n"


def last_chunk(trailers: Iterable[tuple[str, str]]) -> bytes:
    """The end of a chunked body, with the fields that come after it."""
    if not trailers:
        return LAST_CHUNK
    lines = "".join(f"{name}: {value}\r\n" for name, value in trailers)
    return f"0\r\n{lines}\r\n".encode("latin-1", "replace")


#: Names as hyper writes them where the standard library's differ.
_REASONS: Final = {413: "Payload Too Large", 422: "Unprocessable Entity", 416: "Range Not Satisfiable"}


@lru_cache(maxsize=1000)
def reason_of(status: int) -> str:
    """The reason phrase of a status; empty for one that has none."""
    if status in _REASONS:
        return _REASONS[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
