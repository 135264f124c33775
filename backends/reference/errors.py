"""What can go wrong in a call, as one tree of exceptions.

Every error carries what a program needs to act on it: ``status`` (of the HTTP answer, if there
was one), ``message``, ``retry_after`` (seconds), ``error_type`` (TGI's own word), ``excerpt``
(at most ``EXCERPT_LIMIT`` characters of the answer) and ``request_id``. None carries the key.
"""

from collections.abc import Callable
from typing import Final, Literal

EXCERPT_LIMIT: Final = 500
"""Characters of an error body that are kept."""

#: Where a connection failed. ``refused``: none was made. ``reset`` and ``closed``: it broke before
#: the head of an answer. ``body``: after the head. ``malformed``: not HTTP. ``tls``: not trusted.
TransportFault = Literal["refused", "reset", "closed", "body", "malformed", "tls", "proxy"]

#: Which limit ran out: making the connection, silence, sending, or the whole call.
TimeoutPhase = Literal["connect", "read", "write", "pool", "total"]


class TGIError(Exception):
    """Base of all errors of this client."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        error_type: str | None = None,
        excerpt: str = "",
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.error_type = error_type
        self.excerpt = excerpt
        self.request_id = request_id
        self.estimated_time: float | None = None
        """Seconds until a model that is being loaded may be ready, as a 503 says."""

    def complete(self, request_id: str, redact: Callable[[str], str]) -> None:
        """Note whose call failed, and take out of all texts what ``redact`` takes out."""
        self.request_id = request_id
        self.message = redact(self.message)
        self.excerpt = redact(self.excerpt)
        self.error_type = redact(self.error_type) if self.error_type else self.error_type
        self.args = (self.message,)

    def __str__(self) -> str:
        if self.request_id is None:
            return self.message
        return f"{self.message} [request {self.request_id}]"


class InvalidArgumentError(TGIError, ValueError):
    """Refused before anything was sent; the message says which argument and what to do."""


class UnknownEndpointError(InvalidArgumentError):
    """No endpoint has this id."""


class QueueFullError(TGIError):
    """The endpoint's slots and its queue are taken; the call was not sent."""


class CircuitOpenError(TGIError):
    """The endpoint failed too often in a row; the call was not sent."""


class ClosedError(TGIError):
    """The client, the endpoint or the stream was closed."""


class TransportError(TGIError):
    """The connection failed; ``fault`` says where."""

    def __init__(
        self,
        message: str,
        fault: TransportFault,
        *,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, request_id=request_id)
        self.fault: TransportFault = fault


class RequestTimeoutError(TGIError, TimeoutError):
    """A wait was longer than its limit; ``phase`` says which."""

    def __init__(self, message: str, phase: TimeoutPhase, *, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.phase: TimeoutPhase = phase


class ProtocolError(TGIError):
    """An answer that is not what TGI sends: not JSON, not SSE, without the expected fields."""


class RedirectError(ProtocolError):
    """A redirect that is not followed: another origin, another method, a loop, or too many."""


class TruncatedStreamError(TGIError):
    """The stream ended without a terminal mark; what came before it is incomplete."""


class RemoteError(TGIError):
    """The server reported an error inside an answer with status 200."""


class StatusError(TGIError):
    """The server answered with an HTTP error status."""


class BadRequestError(StatusError):
    """400 and other 4xx: the request cannot be read or is not allowed."""


class AuthenticationError(StatusError):
    """401 or 403: the key is not accepted."""


class NotFoundError(StatusError):
    """404: no such route or model."""


class PayloadTooLargeError(StatusError):
    """413: the body is over the server's limit."""


class ValidationError(BadRequestError):
    """422: the server read the request and refused a value in it."""


class RateLimitError(StatusError):
    """429: too many requests."""


class OverloadedError(RateLimitError):
    """TGI's ``overloaded``: no permit is free; as a 429 or as the first event of a stream."""


class ServerError(StatusError):
    """5xx: the server or a proxy before it failed."""


class GenerationError(ServerError):
    """424 ``generation`` or 500 ``incomplete_generation``: the model failed, not the request."""
