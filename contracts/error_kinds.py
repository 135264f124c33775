"""The closed set of error kinds, and which of them are right for an HTTP status.

An adapter maps its backend's exceptions to these kinds (``classify``); the error clauses judge the
kind against what the server sent. More than one kind may be right where TGI itself gives a status
more than one meaning; the reasons stand beside each row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class ErrorKind(StrEnum):
    """What went wrong, in words that every backend's exceptions can be mapped to."""

    AUTH = "auth"
    BAD_REQUEST = "bad_request"
    VALIDATION = "validation"
    NOT_FOUND = "not_found"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    REMOTE_ERROR = "remote_error"
    TRUNCATED_STREAM = "truncated_stream"
    PROTOCOL = "protocol"
    TRANSPORT = "transport"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    INVALID_ARGUMENT = "invalid_argument"
    CLOSED = "closed"
    UNMAPPED = "unmapped"


MEANINGS: Final[Mapping[ErrorKind, str]] = MappingProxyType(
    {
        ErrorKind.AUTH: "the server did not accept the key",
        ErrorKind.BAD_REQUEST: "the server could not read or does not allow the request",
        ErrorKind.VALIDATION: "the server read the request and refused a value in it",
        ErrorKind.NOT_FOUND: "no such route or model",
        ErrorKind.PAYLOAD_TOO_LARGE: "the body is over the server's limit",
        ErrorKind.RATE_LIMITED: "too many requests for this key",
        ErrorKind.OVERLOADED: "the server has no room now",
        ErrorKind.SERVER_ERROR: "the server failed",
        ErrorKind.REMOTE_ERROR: "an error event inside a stream, or an error object in a 200",
        ErrorKind.TRUNCATED_STREAM: "the stream ended without a terminal mark",
        ErrorKind.PROTOCOL: "an answer that cannot be read as HTTP, JSON, SSE or TGI's shapes",
        ErrorKind.TRANSPORT: "refused, reset or closed connection, name look-up, TLS",
        ErrorKind.TIMEOUT: "a connect, read or total time limit or a deadline ran out",
        ErrorKind.CANCELLED: "the caller took the call back",
        ErrorKind.REFUSED: "the backend's own queue is full",
        ErrorKind.INVALID_ARGUMENT: "the backend refused an argument; nothing was sent",
        ErrorKind.CLOSED: "the backend or endpoint had been closed",
        ErrorKind.UNMAPPED: "the adapter did not map the exception",
    }
)


@dataclass(frozen=True, slots=True)
class StatusRule:
    """The kinds that are right for one status, and why. Of a ``seldom`` one a client may not know them."""

    kinds: frozenset[ErrorKind]
    reason: str
    seldom: bool = False


def _rule(*kinds: ErrorKind, reason: str, seldom: bool = False) -> StatusRule:
    return StatusRule(frozenset(kinds), reason, seldom)


STATUS_RULES: Final[Mapping[int, StatusRule]] = MappingProxyType(
    {
        400: _rule(
            ErrorKind.BAD_REQUEST,
            reason="TGI: the body is not JSON (text/plain); RFC 9110 15.5.1",
        ),
        401: _rule(ErrorKind.AUTH, reason="TGI: wrong or no key, empty body; RFC 9110 15.5.2"),
        402: _rule(
            ErrorKind.BAD_REQUEST,
            ErrorKind.AUTH,
            reason="not TGI's own: routers say so for an account without credits; RFC 9110 15.5.3",
            seldom=True,
        ),
        403: _rule(
            ErrorKind.AUTH,
            reason="not TGI's own: gateways say so for a key without rights; RFC 9110 15.5.4",
        ),
        404: _rule(ErrorKind.NOT_FOUND, reason="TGI: unknown path, empty body; RFC 9110 15.5.5"),
        405: _rule(
            ErrorKind.BAD_REQUEST,
            ErrorKind.NOT_FOUND,
            reason="TGI: another method on a known path, empty body: a wrong base URL looks so",
        ),
        408: _rule(
            ErrorKind.TIMEOUT,
            ErrorKind.BAD_REQUEST,
            reason="not TGI's own: a gateway waited too long for the request; RFC 9110 15.5.9",
        ),
        410: _rule(
            ErrorKind.NOT_FOUND,
            ErrorKind.BAD_REQUEST,
            reason="not TGI's own: providers say so for a model that was retired; RFC 9110 15.5.11",
            seldom=True,
        ),
        413: _rule(
            ErrorKind.PAYLOAD_TOO_LARGE,
            ErrorKind.BAD_REQUEST,
            reason="TGI: over --payload-limit, text/plain, closes the connection",
        ),
        415: _rule(ErrorKind.BAD_REQUEST, reason="TGI: content type is not JSON, text/plain"),
        422: _rule(
            ErrorKind.VALIDATION,
            ErrorKind.BAD_REQUEST,
            reason="TGI: a value refused (JSON), and a body of the wrong shape (text/plain)",
        ),
        424: _rule(
            ErrorKind.SERVER_ERROR,
            ErrorKind.REMOTE_ERROR,
            reason="TGI: error_type generation, the model shard failed",
        ),
        429: _rule(
            ErrorKind.RATE_LIMITED,
            ErrorKind.OVERLOADED,
            reason="TGI: error_type overloaded, no permit left; gateways: quota; RFC 6585 4",
        ),
        431: _rule(
            ErrorKind.BAD_REQUEST,
            ErrorKind.PAYLOAD_TOO_LARGE,
            reason="not TGI's own: the header fields are too large; RFC 6585 5",
            seldom=True,
        ),
        451: _rule(
            ErrorKind.BAD_REQUEST,
            ErrorKind.AUTH,
            reason="not TGI's own: denied by law in the caller's country; RFC 7725 3",
            seldom=True,
        ),
        500: _rule(
            ErrorKind.SERVER_ERROR,
            reason="TGI: error_type incomplete_generation; RFC 9110 15.6.1",
        ),
        501: _rule(ErrorKind.SERVER_ERROR, reason="RFC 9110 15.6.2"),
        502: _rule(ErrorKind.SERVER_ERROR, reason="a proxy got no good answer; RFC 9110 15.6.3"),
        503: _rule(
            ErrorKind.SERVER_ERROR,
            ErrorKind.OVERLOADED,
            reason="TGI: unhealthy on /health; hosted: model loading; RFC 9110 15.6.4",
        ),
        504: _rule(
            ErrorKind.SERVER_ERROR,
            ErrorKind.TIMEOUT,
            reason="a proxy ran out of time, and names both; RFC 9110 15.6.5",
        ),
    }
)
"""A status that is not here has no rule: see ``kinds_for_status``."""

KINDS_FOR_STATUS: Final[Mapping[int, frozenset[ErrorKind]]] = MappingProxyType(
    {status: rule.kinds for status, rule in STATUS_RULES.items()}
)

JUDGED_STATUSES: Final = tuple(sorted(status for status, rule in STATUS_RULES.items() if not rule.seldom))
"""The statuses whose kind every client must tell."""

_CLASS_KINDS: Final[Mapping[int, frozenset[ErrorKind]]] = MappingProxyType(
    {4: frozenset({ErrorKind.BAD_REQUEST}), 5: frozenset({ErrorKind.SERVER_ERROR})}
)


def kinds_for_status(status: int) -> frozenset[ErrorKind]:
    """Return the kinds that are right for an HTTP error status.

    RFC 9110 15: a client that does not know a status treats it as the x00 of its class. Raises
    ``ValueError`` for a status that is no error.
    """
    known = KINDS_FOR_STATUS.get(status) or _CLASS_KINDS.get(status // 100)
    if known is None:
        raise ValueError(f"HTTP status {status} is no error: only 400 to 599 have error kinds")
    return known
